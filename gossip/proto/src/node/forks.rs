//! What is being done about forks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::LinkId;
use super::fork_search::Search;
use crate::wire::ChannelTag;
use crate::{ChainHash, LogId, LogName, NodeId, Seq, Tick, Turn};

/// Searches at once on one link, and logs whose ends are moved at once.
pub(super) const AT_ONCE: usize = 8;

/// Everything under way.
#[derive(Debug, Default)]
pub(super) struct Forks {
    /// Where histories part, by link and log.
    pub(super) searches: BTreeMap<(LinkId, LogId), Search>,
    /// Where they were found to part, until the other history was seen to go on.
    pub(super) claims: BTreeMap<(LinkId, LogId), Claim>,
    /// What came to nothing, each until when it rests.
    pub(super) again: BTreeMap<(LinkId, LogId), Tick>,
    /// Logs whose ends are moved to branches.
    pub(super) parting: BTreeMap<LogId, Parting>,
    /// One request for hashes is answered at a time on a link.
    pub(super) answering: BTreeMap<LinkId, Answer>,
    serial: u32,
}

impl Forks {
    /// Of a question about hashes, whatever it is for.
    pub(super) fn next_serial(&mut self) -> u32 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }

    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.searches.retain(|(of, _), _| *of != link);
        self.claims.retain(|(of, _), _| *of != link);
        self.again.retain(|(of, _), _| *of != link);
        self.answering.remove(&link);
    }
}

/// A place where a peer says that it has another history.
#[derive(Debug)]
pub(super) struct Claim {
    /// The first sequence at which they differ.
    pub(super) at: Seq,
    /// Chain hash before it.
    pub(super) prev: ChainHash,
    /// Chain hash of our entry there.
    pub(super) ours: ChainHash,
    pub(super) until: Tick,
}

/// What a store operation is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ForkOp {
    /// Hashes that the peer of a link asked for.
    Answer(LinkId),
    /// Our own hashes in a search.
    Search(LinkId, LogId),
    /// The next step of moving the end of a log.
    Part(LogId),
}

/// Hashes to be told.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) tag: ChannelTag,
    pub(super) serial: u32,
    pub(super) log: LogId,
    pub(super) height: Seq,
    /// All that was asked for, and what of it is held.
    pub(super) at: Vec<Seq>,
    pub(super) held: Vec<Seq>,
}

/// A log that ends at a fork, and what followed there on its way to the branch of its name.
#[derive(Debug)]
pub(super) struct Parting {
    /// The first sequence at which the histories differ.
    pub(super) at: Seq,
    /// Where the fork was seen.
    pub(super) link: LinkId,
    pub(super) peer: NodeId,
    /// What another history says is the hash before it.
    pub(super) prev: Option<ChainHash>,
    pub(super) step: Step,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Step {
    /// Our own hashes around the place are read.
    Hashes,
    /// What follows is read and committed under the new name.
    Copy { turn: Turn, name: Arc<LogName>, branch: LogId, reading: bool },
    /// The log is ended.
    End(Turn),
}
