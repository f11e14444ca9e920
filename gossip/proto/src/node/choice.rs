//! What an application wants to exchange, and with whom.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::ConfigError;
use crate::{ChannelId, NodeId, StreamId};

/// Which channels and streams are exchanged on which links: rules, of which the first that fits a link
/// and a channel counts. Where none fits everything is exchanged, so the default is everything.
///
/// A choice is about what this node asks for and what it gives, on that link alone: a stream left out on one
/// link may come over another one. Peers are told what is left out and spare themselves the bytes; the
/// choice is not stored, and what is stored already stays.
///
/// A phone that lists its mobile link as expensive (see [`LinkLimits::cost`](super::LinkLimits::cost)) and
/// takes two streams over it, nothing else:
///
/// ```
/// use gossip_proto::node::{Streams, SyncChoice, SyncRule};
///
/// let urgent = ["messages", "calls"].map(|name| name.parse().unwrap());
/// let choice = SyncChoice {
///     rules: vec![
///         SyncRule {
///             min_cost: Some(50),
///             channel: Some("family".parse()?),
///             streams: Streams::Only(urgent.into()),
///             ..SyncRule::default()
///         },
///         SyncRule { min_cost: Some(50), streams: Streams::None, ..SyncRule::default() },
///     ],
/// };
/// # choice.validate().unwrap();
/// # Ok::<_, gossip_proto::IdError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SyncChoice {
    /// At most [`SyncChoice::MAX_RULES`].
    pub rules: Vec<SyncRule>,
}

/// For the links and channels it fits, what is exchanged. It fits all that it does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SyncRule {
    /// Only links to this peer.
    pub peer: Option<NodeId>,
    /// Only links that cost at least so much, as their transports say.
    pub min_cost: Option<u8>,
    /// Only this channel.
    pub channel: Option<ChannelId>,
    /// What is exchanged.
    pub streams: Streams,
}

/// Streams of a channel.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Streams {
    /// All of them, also those to come.
    #[default]
    All,
    /// These and no others.
    Only(BTreeSet<StreamId>),
    /// All but these, also those to come.
    Except(BTreeSet<StreamId>),
    /// The channel is not shared at all: peers do not learn that it exists here.
    None,
}

impl SyncChoice {
    /// Rules, at most.
    pub const MAX_RULES: usize = 1024;
    /// Streams named by all rules together, at most.
    pub const MAX_STREAMS: usize = 32 * 1024;

    /// Checks its size.
    ///
    /// # Errors
    /// [`ConfigError`] when there are more rules or streams than the bounds allow.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let named = self.rules.iter().map(|rule| match &rule.streams {
            Streams::All | Streams::None => 0,
            Streams::Only(streams) | Streams::Except(streams) => streams.len(),
        });
        match named.sum::<usize>() {
            _ if self.rules.len() > Self::MAX_RULES => Err(ConfigError("a choice has at most 1024 rules")),
            named if named > Self::MAX_STREAMS => Err(ConfigError("a choice names at most 32768 streams")),
            _ => Ok(()),
        }
    }

    /// What of a channel is exchanged on a link to a peer that costs so much.
    pub(super) fn on(&self, peer: &NodeId, cost: u8, channel: &ChannelId) -> &Streams {
        let fits = |rule: &&SyncRule| {
            rule.peer.as_ref().is_none_or(|wanted| wanted == peer)
                && rule.min_cost.is_none_or(|least| cost >= least)
                && rule.channel.as_ref().is_none_or(|wanted| wanted == channel)
        };
        self.rules.iter().find(fits).map_or(&Streams::All, |rule| &rule.streams)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_rule_that_fits_counts() {
        let (ann, bob) = (NodeId::new("ann").unwrap(), NodeId::new("bob").unwrap());
        let (one, two) = (ChannelId::new("one").unwrap(), ChannelId::new("two").unwrap());
        let none = SyncRule { streams: Streams::None, ..SyncRule::default() };
        let choice = SyncChoice {
            rules: vec![
                SyncRule { peer: Some(ann.clone()), ..SyncRule::default() },
                SyncRule { min_cost: Some(7), channel: Some(one.clone()), ..none.clone() },
                SyncRule { min_cost: Some(9), streams: Streams::Except([].into()), ..SyncRule::default() },
                SyncRule { min_cost: Some(9), ..none },
            ],
        };
        assert_eq!(choice.on(&ann, 9, &one), &Streams::All);
        assert_eq!(choice.on(&bob, 7, &one), &Streams::None);
        assert_eq!(choice.on(&bob, 6, &one), &Streams::All);
        assert_eq!(choice.on(&bob, 8, &two), &Streams::All);
        assert_eq!(choice.on(&bob, 9, &two), &Streams::Except([].into()));
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let rules = |count| SyncChoice { rules: vec![SyncRule::default(); count] };
        assert!(rules(SyncChoice::MAX_RULES).validate().is_ok());
        assert!(rules(SyncChoice::MAX_RULES + 1).validate().is_err());
        let names = |from: usize| (from..from + 20_000).map(|at| StreamId::new(format!("s{at}")).unwrap());
        let only = |from| SyncRule { streams: Streams::Only(names(from).collect()), ..SyncRule::default() };
        assert!(SyncChoice { rules: vec![only(0)] }.validate().is_ok());
        assert!(SyncChoice { rules: vec![only(0), only(7)] }.validate().is_err());
    }
}
