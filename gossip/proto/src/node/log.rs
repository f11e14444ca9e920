//! What the node knows of one log.

use std::sync::Arc;

use super::CommandId;
use super::holes::Holes;
use super::ops::Landing;
use crate::{ChainHash, EntryId, LogHead, LogName, NodeId, Seq, SeqRange, Stamp, StoreFailure, Turn};

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) height: Seq,
    pub(super) hash: ChainHash,
    pub(super) stamp: Stamp,
}

/// One log.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) name: Arc<LogName>,
    /// Counts the logs of the node in the order in which they got their first entries, 0 for those it
    /// began with.
    pub(super) number: u64,
    /// Acknowledged by the store: announced, served, counted.
    pub(super) stored: Tip,
    /// Verified and on its way to the store: what follows is checked against it.
    pub(super) pending: Tip,
    pub(super) holes: Holes,
    /// The application wants what lies below the floor.
    pub(super) asks_back: bool,
    /// Runs on their way into holes.
    pub(super) filling: u32,
    /// Prunes on their way: until they are done nobody knows which holes are to stay.
    pub(super) pruning: u32,
    /// Commits on their way.
    pub(super) in_flight: u32,
    /// A commit failed: nothing moves until the head was read again.
    pub(super) frozen: Option<Frozen>,
    /// Where it ends for good, because it forks there.
    pub(super) turn: Option<Turn>,
    /// Of a branch: the sequence before what first came of it, and the hash there.
    pub(super) starts: Option<(Seq, ChainHash)>,
    /// The same, once it is known that this is where the branch leaves others.
    pub(super) begins: Option<(Seq, ChainHash)>,
    /// What follows a fork is being moved: nothing is taken in.
    pub(super) parting: bool,
}

/// What waits for the head of a log to be read again.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    pub(super) tries: u32,
    pub(super) reading: bool,
    /// Holes moved meanwhile: what is read may be older.
    pub(super) is_outdated: bool,
    pub(super) unsettled: Vec<Unsettled>,
    /// From peers, in order: what failed, and what was stored after it all the same.
    pub(super) late: Vec<(NodeId, Landing)>,
}

/// An append whose commit failed.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub(super) end: Tip,
    pub(super) tickets: Vec<Ticket>,
    pub(super) failure: StoreFailure,
}

/// Who waits for an append, and what it will be told.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) command: CommandId,
    pub(super) ids: Vec<EntryId>,
    pub(super) bytes: usize,
}

impl Log {
    pub(super) fn new(name: Arc<LogName>) -> Self {
        let hash = name.root();
        let tip = Tip { height: 0, hash, stamp: Stamp::ZERO };
        Self {
            name,
            number: 0,
            stored: tip,
            pending: tip,
            holes: Holes::default(),
            asks_back: false,
            filling: 0,
            pruning: 0,
            in_flight: 0,
            frozen: None,
            turn: None,
            starts: None,
            begins: None,
            parting: false,
        }
    }

    pub(super) fn from_head(head: &LogHead) -> Self {
        let mut log = Self::new(Arc::new(head.name.clone()));
        log.adopt_head(head);
        log
    }

    /// Takes the store's word for everything.
    pub(super) fn adopt_head(&mut self, head: &LogHead) {
        self.stored = Tip { height: head.height, hash: head.hash, stamp: head.stamp };
        self.pending = self.stored;
        self.holes = Holes::of_head(head);
        self.turn = head.turn;
        if self.starts.is_none() && head.height > 0 && head.name.branch.is_some() {
            self.starts = Some((head.floor, head.floor_hash));
        }
    }

    /// Whether the chain hash at a place is known to the store.
    pub(super) fn knows_hash(&self, at: Seq) -> bool {
        let inside = |gap: &SeqRange| gap.first <= at && at < gap.last;
        self.holes.floor <= at && at <= self.stored.height && !self.holes.gaps.iter().any(inside)
    }

    /// Whether nothing of it is on its way to the store.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.filling == 0 && self.pruning == 0 && self.frozen.is_none()
    }

    /// The highest sequence it may reach.
    pub(super) fn end(&self) -> Seq {
        self.turn.map_or(Seq::MAX, |turn| turn.at - 1)
    }

    /// The store holds nothing from the place of a fork on any more.
    pub(super) fn end_at(&mut self, turn: Turn) {
        let end = turn.at - 1;
        if self.stored.height > end {
            // Nothing follows, so an older stamp would say no more.
            self.stored = Tip { height: end, hash: turn.prev, stamp: self.stored.stamp };
            self.holes.end_at(end);
        }
        (self.pending, self.turn) = (self.stored, Some(turn));
    }

    /// The store moved holes; an answer of it that is on its way may not know.
    pub(super) fn outdate(&mut self) {
        if let Some(frozen) = self.frozen.as_mut() {
            frozen.is_outdated = frozen.reading;
        }
    }

    /// Takes the store's word that it holds nothing.
    pub(super) fn adopt_nothing(&mut self) {
        let Self { name, in_flight, filling, frozen, .. } =
            std::mem::replace(self, Self::new(self.name.clone()));
        (self.name, self.in_flight, self.filling, self.frozen) = (name, in_flight, filling, frozen);
    }
}
