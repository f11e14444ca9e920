//! What the node knows of one log.

use super::CommandId;
use super::holes::Holes;
use super::ops::Landing;
use super::slab::At;
use crate::{
    Branch, ChainHash, EntryId, Epoch, LogHead, LogId, LogName, NodeId, Seq, SeqRange, Stamp, StoreFailure,
    Turn,
};

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) height: Seq,
    pub(super) hash: ChainHash,
    pub(super) stamp: Stamp,
}

/// One log: what it has at rest, and beside it what few logs have, or for a moment. Its name is told by the
/// table it lies in.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) id: LogId,
    pub(super) epoch: Epoch,
    /// Where its author and its stream lie, and the log of the stream that was there before it.
    pub(super) author: At,
    pub(super) stream: At,
    pub(super) next: Option<At>,
    /// Counts the logs of the node in the order in which they got their first entries, 0 for those it
    /// began with.
    pub(super) number: u32,
    /// Acknowledged by the store: announced, served, counted.
    pub(super) stored: Tip,
    rare: Option<Box<Rare>>,
}

/// What a log at rest without holes does not have.
#[derive(Debug)]
pub(super) struct Rare {
    /// Verified and on its way to the store: what follows is checked against it.
    pending: Tip,
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
    frozen: Option<Box<Frozen>>,
    /// Where it ends for good, because it forks there.
    turn: Option<Box<Turn>>,
    /// Where it left the log it is a branch of.
    origin: Option<Box<Origin>>,
    /// What follows a fork is being moved: nothing is taken in.
    pub(super) parting: bool,
}

/// Where a branch comes from.
#[derive(Debug, Clone, Copy)]
struct Origin {
    branch: Branch,
    /// The sequence before what first came of it, and the hash there.
    starts: Option<(Seq, ChainHash)>,
    /// The same, once it is known that this is where it leaves others.
    begins: Option<(Seq, ChainHash)>,
}

/// What a log has of all this at rest.
static NOTHING: Rare = Rare::new(Tip { height: 0, hash: ChainHash([0; 32]), stamp: Stamp::ZERO });

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

impl Rare {
    const fn new(pending: Tip) -> Self {
        Self {
            pending,
            holes: Holes::NONE,
            asks_back: false,
            filling: 0,
            pruning: 0,
            in_flight: 0,
            frozen: None,
            turn: None,
            origin: None,
            parting: false,
        }
    }

    /// Whether nothing of it is on its way to the store.
    fn is_idle(&self) -> bool {
        self.in_flight == 0 && self.filling == 0 && self.pruning == 0 && self.frozen.is_none()
    }

    fn is_empty(&self) -> bool {
        let is_whole = self.holes == Holes::NONE && self.turn.is_none() && self.origin.is_none();
        is_whole && self.is_idle() && !self.asks_back && !self.parting
    }
}

impl Log {
    /// An empty one, of which its table knows the rest.
    pub(super) fn new(name: &LogName, author: At, stream: At, next: Option<At>) -> Self {
        let hash = name.hash();
        // One hash is enough for nearly all.
        let root = if name.branch.is_some() { name.root() } else { hash.root() };
        let stored = Tip { height: 0, hash: root, stamp: Stamp::ZERO };
        let (id, epoch) = (hash.id(), name.epoch);
        let mut log = Self { id, epoch, author, stream, next, number: 0, stored, rare: None };
        if let Some(branch) = name.branch {
            log.rare_mut().origin = Some(Box::new(Origin { branch, starts: None, begins: None }));
        }
        log
    }

    /// Takes the store's word for everything.
    pub(super) fn adopt_head(&mut self, head: &LogHead) {
        self.stored = Tip { height: head.height, hash: head.hash, stamp: head.stamp };
        let stored = self.stored;
        let rare = self.rare_mut();
        (rare.pending, rare.holes) = (stored, Holes::of_head(head));
        rare.turn = head.turn.map(Box::new);
        if let Some(origin) = rare.origin.as_mut().filter(|origin| origin.starts.is_none() && head.height > 0)
        {
            origin.starts = Some((head.floor, head.floor_hash));
        }
    }

    /// Takes the store's word that it holds nothing of the log of this name.
    pub(super) fn adopt_nothing(&mut self, name: &LogName) {
        self.stored = Tip { height: 0, hash: name.root(), stamp: Stamp::ZERO };
        self.number = 0;
        let nothing = Rare::new(self.stored);
        let rare = self.rare_mut();
        let Rare { in_flight, filling, frozen, mut origin, .. } = std::mem::replace(rare, nothing);
        origin.iter_mut().for_each(|origin| (origin.starts, origin.begins) = (None, None));
        (rare.in_flight, rare.filling, rare.frozen, rare.origin) = (in_flight, filling, frozen, origin);
    }

    pub(super) fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    /// To be changed. It is given up when the log is put to rest.
    pub(super) fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_with(|| Box::new(Rare::new(self.stored)))
    }

    #[cfg(test)]
    pub(super) fn is_awake(&self) -> bool {
        self.rare.is_some()
    }

    /// Gives up what is as it is at rest.
    pub(super) fn rest(&mut self) {
        let stored = self.stored;
        self.rare.take_if(|rare| rare.pending == stored && rare.is_empty());
    }

    /// Verified and on its way to the store: what follows is checked against it.
    pub(super) fn pending(&self) -> Tip {
        self.rare.as_ref().map_or(self.stored, |rare| rare.pending)
    }

    pub(super) fn set_pending(&mut self, tip: Tip) {
        self.rare_mut().pending = tip;
    }

    pub(super) fn holes(&self) -> &Holes {
        &self.rare().holes
    }

    pub(super) fn holes_mut(&mut self) -> &mut Holes {
        &mut self.rare_mut().holes
    }

    /// Where it ends for good, because it forks there.
    pub(super) fn turn(&self) -> Option<Turn> {
        self.rare().turn.as_deref().copied()
    }

    /// Where it left the log it is a branch of.
    pub(super) fn branch(&self) -> Option<Branch> {
        self.rare().origin.as_ref().map(|origin| origin.branch)
    }

    /// The log it is a branch of, or itself, see [`LogName::first_log`].
    pub(super) fn first_log(&self) -> LogId {
        self.branch().map_or(self.id, |branch| branch.parent)
    }

    /// Of a branch: the sequence before what first came of it, and the hash there.
    pub(super) fn starts(&self) -> Option<(Seq, ChainHash)> {
        self.rare().origin.as_ref()?.starts
    }

    pub(super) fn set_starts(&mut self, place: (Seq, ChainHash)) {
        self.origin_mut().into_iter().for_each(|origin| origin.starts = Some(place));
    }

    /// The same, once it is known that this is where it leaves others.
    pub(super) fn begins(&self) -> Option<(Seq, ChainHash)> {
        self.rare().origin.as_ref()?.begins
    }

    /// The first hash held of a branch is this one; whether it begins there.
    pub(super) fn verify_beginning(&mut self, first: Option<ChainHash>) -> bool {
        let Some(origin) = self.origin_mut() else { return false };
        origin.begins = origin.starts.filter(|_| first == Some(origin.branch.first));
        origin.begins.is_some()
    }

    fn origin_mut(&mut self) -> Option<&mut Origin> {
        self.rare.as_mut()?.origin.as_deref_mut()
    }

    pub(super) fn frozen(&self) -> Option<&Frozen> {
        self.rare().frozen.as_deref()
    }

    pub(super) fn frozen_mut(&mut self) -> Option<&mut Frozen> {
        self.rare.as_mut()?.frozen.as_deref_mut()
    }

    pub(super) fn is_frozen(&self) -> bool {
        self.frozen().is_some()
    }

    /// Nothing moves until its head was read again.
    pub(super) fn freeze(&mut self) -> &mut Frozen {
        self.rare_mut().frozen.get_or_insert_default()
    }

    /// Its head was read.
    pub(super) fn take_frozen(&mut self) -> Frozen {
        self.rare_mut().frozen.take().map(|frozen| *frozen).unwrap_or_default()
    }

    /// Whether the chain hash at a place is known to the store.
    pub(super) fn knows_hash(&self, at: Seq) -> bool {
        let inside = |gap: &SeqRange| gap.first <= at && at < gap.last;
        let holes = self.holes();
        holes.floor <= at && at <= self.stored.height && !holes.gaps.iter().any(inside)
    }

    /// Whether anything of it is held, or was.
    pub(super) fn is_written(&self) -> bool {
        self.stored.height > 0
    }

    /// Whether nothing of it is on its way to the store, or will be when the message at hand was judged.
    pub(super) fn is_idle(&self) -> bool {
        self.rare().is_idle() && self.pending() == self.stored
    }

    /// The highest sequence it may reach.
    pub(super) fn end(&self) -> Seq {
        self.turn().map_or(Seq::MAX, |turn| turn.at - 1)
    }

    /// The store holds nothing from the place of a fork on any more.
    pub(super) fn end_at(&mut self, turn: Turn) {
        let end = turn.at - 1;
        if self.stored.height > end {
            // Nothing follows, so an older stamp would say no more.
            self.stored = Tip { height: end, hash: turn.prev, stamp: self.stored.stamp };
            self.holes_mut().end_at(end);
        }
        let stored = self.stored;
        let rare = self.rare_mut();
        if rare.pending.height > end {
            rare.pending = stored;
        }
        rare.turn = Some(Box::new(turn));
    }

    /// The store moved holes; an answer of it that is on its way may not know.
    pub(super) fn outdate(&mut self) {
        if let Some(frozen) = self.frozen_mut() {
            frozen.is_outdated = frozen.reading;
        }
    }

    /// Appends whose outcome is not known.
    pub(super) fn into_unsettled(self) -> Vec<Unsettled> {
        let frozen = self.rare.and_then(|rare| rare.frozen);
        frozen.map(|frozen| frozen.unsettled).unwrap_or_default()
    }
}
