//! In fair weather, whoever is linked is reachable, and knows that all is equal.

use std::collections::BTreeSet;

use gossip_proto::NodeId;
use gossip_proto::node::PeerStatus;

use super::{Check, Invariant};
use crate::sim::fact::{Ending, Group, Statement};

#[derive(Debug)]
pub(super) struct Reachability;

impl Invariant for Reachability {
    fn name(&self) -> &'static str {
        "reachability"
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        check(&ending.statements, &ending.linked, &ending.groups)
    }
}

/// Looks at what each host says of those it is linked to.
pub(in crate::sim) fn check(statements: &[Statement], linked: &[Vec<NodeId>], groups: &[Group]) -> Check {
    // Digests of a channel with a fork cannot agree.
    let forked = groups.iter().filter(|group| !group.forked.is_empty()).map(|group| &group.channel);
    let forked = forked.collect::<BTreeSet<_>>().len();
    for (host, (statement, linked)) in statements.iter().zip(linked).enumerate() {
        for id in linked {
            let Some(peer) = statement.peers.iter().find(|peer| peer.id == *id) else {
                return Err(format!("n{host} is linked to {id} and does not list it"));
            };
            if peer.status != PeerStatus::Reachable {
                return Err(format!("n{host} is linked to {id} and calls it {:?}", peer.status));
            }
            if peer.paused {
                return Err(format!("n{host} still takes {id} for paused"));
            }
            if peer.in_sync + forked < peer.channels {
                let (known, all) = (peer.in_sync, peer.channels);
                return Err(format!("n{host} knows {known} of {all} channels to be equal at {id}"));
            }
        }
    }
    Ok(())
}
