//! What is being done about forks.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;
use std::sync::Arc;

use super::fork_search::Search;
use super::{LinkId, OpId};
use crate::wire::ChannelTag;
use crate::{ChainHash, ChannelId, LogId, LogName, NodeId, Seq, StreamId, Tick, Turn};

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
    /// Branches of which something is held, or on its way to the store, and where each of them begins, by the
    /// log they are branches of.
    pub(super) families: BTreeMap<LogId, BTreeMap<LogId, (Seq, ChainHash)>>,
    /// Logs of which it is read whether a branch that was shown differs from them.
    pub(super) weighing: BTreeMap<LogId, Weighing>,
    /// Streams in which a cut ended our epoch, each until when no other one may.
    pub(super) spared: BTreeMap<(ChannelId, StreamId), Tick>,
    /// Those that the message at hand was let to bring.
    pub(super) admitted: Vec<LogId>,
    /// Branches beside which another history may go on over their beginning, each with when to look. Nothing
    /// is taken into them meanwhile.
    pub(super) unsure: BTreeMap<LogId, Tick>,
    /// The one whose beginning is being read.
    pub(super) looking: Option<LogId>,
    /// Logs that are known not to have this hash at this place.
    pub(super) strangers: BTreeSet<(LogId, Seq, ChainHash)>,
}

/// Strangers remembered.
const STRANGERS: usize = 1024;

impl Forks {
    /// Something came on a link: answers that are on their way get more time.
    pub(super) fn extend(&mut self, link: LinkId, until: Tick) {
        for (_, claim) in self.claims.range_mut(of_link(link)) {
            claim.until = claim.until.max(until.min(claim.end));
        }
    }

    /// A log has another hash at a place than a branch that begins there.
    pub(super) fn note_stranger(&mut self, log: LogId, at: Seq, hash: ChainHash) {
        if self.strangers.len() >= STRANGERS {
            self.strangers.clear();
        }
        self.strangers.insert((log, at, hash));
    }

    /// Whether a branch is to stay as it is for now.
    pub(super) fn is_closed(&self, log: &LogId) -> bool {
        let is_filled = |parting: &Parting| parting.step.branch() == Some(log);
        self.unsure.contains_key(log) || self.parting.values().any(is_filled)
    }

    /// A branch may come: it takes a place in its family at once, before others are judged.
    pub(super) fn let_in(&mut self, log: LogId, name: &LogName, place: (Seq, ChainHash)) {
        if let Some(branch) = name.branch {
            self.families.entry(branch.parent).or_default().insert(log, place);
            self.admitted.push(log);
        }
    }

    pub(super) fn leave_family(&mut self, log: &LogId, root: &LogId) {
        if let Some(family) = self.families.get_mut(root) {
            family.remove(log);
            if family.is_empty() {
                self.families.remove(root);
            }
        }
    }

    /// A log is gone; `root` is the one it was a branch of.
    pub(super) fn forget_log(&mut self, log: &LogId, root: Option<LogId>) {
        self.families.remove(log);
        root.into_iter().for_each(|root| self.leave_family(log, &root));
        self.unsure.remove(log);
        self.weighing.remove(log);
        self.searches.retain(|(_, of), _| of != log);
        self.claims.retain(|(_, of), _| of != log);
        self.again.retain(|(_, of), _| of != log);
        self.parting.retain(|of, parting| of != log && parting.step.branch() != Some(log));
        if !self.strangers.is_empty() {
            self.strangers.retain(|(of, ..)| of != log);
        }
    }

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

/// What is kept by link and log, of one link.
pub(super) fn of_link(link: LinkId) -> RangeInclusive<(LinkId, LogId)> {
    (link, LogId([0; 16]))..=(link, LogId([0xff; 16]))
}

/// A place where a peer says that it has another history.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) channel: ChannelId,
    /// The first sequence at which they differ.
    pub(super) at: Seq,
    /// Chain hash before it.
    pub(super) prev: ChainHash,
    /// Chain hash of our entry there.
    pub(super) ours: ChainHash,
    /// Of the want that asks how it goes on.
    pub(super) serial: u64,
    /// When it is asked again.
    pub(super) until: Tick,
    pub(super) tries: u32,
    /// Not longer than this, whatever comes.
    pub(super) end: Tick,
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
    /// The beginning of a branch.
    Look(LogId),
    /// Our own hashes where a branch that is shown leaves a log.
    Weigh(LogId),
}

/// What shows that a log forks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// What a peer told.
    Link(LinkId),
    /// A branch that is held.
    Branch(LogId),
    /// A branch that is imported.
    Hand,
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

/// A branch that was shown beside a log.
#[derive(Debug)]
pub(super) struct Weighing {
    pub(super) seen: Seen,
    /// Its first sequence.
    pub(super) at: Seq,
    /// What it says is the hash before it.
    pub(super) prev: ChainHash,
    pub(super) branch: LogId,
    pub(super) op: OpId,
}

/// A log that ends at a fork, and what followed there on its way to the branch of its name.
#[derive(Debug)]
pub(super) struct Parting {
    /// The first sequence at which the histories differ.
    pub(super) at: Seq,
    pub(super) seen: Seen,
    pub(super) peer: NodeId,
    /// What another history says is the hash before it.
    pub(super) prev: ChainHash,
    /// The answer that the step waits for.
    pub(super) waits: Option<OpId>,
    pub(super) step: Step,
}

/// How far it is.
#[derive(Debug)]
pub(super) enum Step {
    /// Our own hashes around the place are read.
    Hashes,
    /// What follows is read and committed under the new name.
    Copy { turn: Turn, name: Arc<LogName>, branch: LogId, reading: bool },
    /// The branch holds more than what follows, and its hash where that ends is read.
    Compare { turn: Turn, branch: LogId },
    /// The log is ended.
    End(Turn),
}

impl Step {
    /// The branch that what follows belongs to.
    pub(super) fn branch(&self) -> Option<&LogId> {
        match self {
            Self::Copy { branch, .. } | Self::Compare { branch, .. } => Some(branch),
            Self::Hashes | Self::End(_) => None,
        }
    }
}
