//! Head and runs of one log.

use std::collections::BTreeMap;

use gossip_core::proto::{ChainHash, Fault, LogHead, Pruned, Seq, SeqRange, Stamp, StoredRun, Turn};
use gossip_core::{StoreError, StoreResult, continuity};

/// One log. Runs are keyed by their last sequence, so that the run that holds a sequence, or the
/// first after it, is the first one at or above that key.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) head: LogHead,
    pub(crate) runs: BTreeMap<Seq, StoredRun>,
}

impl Log {
    pub(crate) fn new(head: LogHead) -> Self {
        Self { head, runs: BTreeMap::new() }
    }

    /// Chain hash at a position, `None` where it is not known.
    pub(crate) fn hash_at(&self, position: Seq) -> Option<ChainHash> {
        match position {
            0 => Some(self.head.name.root()),
            _ if position < self.head.floor => None,
            _ if position == self.head.floor => Some(self.head.floor_hash),
            _ if position == self.head.height => Some(self.head.hash),
            _ => hash_in(&self.runs, position),
        }
    }

    /// Runs from the one that holds `from`: about `budget` bytes, at least one; ends before what was
    /// lost.
    pub(crate) fn read(&self, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>> {
        let (mut runs, mut bytes, mut next) = (Vec::new(), 0, from);
        for stored in self.runs.range(from..).map(|(_, stored)| stored) {
            bytes += stored.run.encoded().len();
            let lost = self.due(SeqRange { first: next, last: stored.run.first() - 1 });
            if !runs.is_empty() && (lost.is_some() || bytes > budget) {
                return Ok(runs);
            }
            lost.map_or(Ok(()), |at| Err(damaged("reading a log", format!("entry {at} is lost"))))?;
            next = stored.run.last() + 1;
            runs.push(stored.clone());
        }
        match self.due(SeqRange { first: next, last: self.head.height }) {
            Some(at) if runs.is_empty() => Err(damaged("reading a log", format!("entry {at} is lost"))),
            _ => Ok(runs),
        }
    }

    /// The lowest sequence of a range that head and gaps say is held.
    fn due(&self, range: SeqRange) -> Option<Seq> {
        let first = range.first.max(self.head.floor + 1);
        let gaps = self.head.gaps.iter();
        let at = gaps.fold(first, |at, gap| if gap.contains(at) { gap.last + 1 } else { at });
        (at <= range.last.min(self.head.height)).then_some(at)
    }

    /// The lowest sequence of a range that should be held and is not.
    pub(crate) fn lost(&self, range: SeqRange) -> Option<Seq> {
        let mut next = range.first;
        for stored in self.covering(range) {
            if let Some(lost) = self.due(SeqRange { first: next, last: stored.run.first() - 1 }) {
                return Some(lost);
            }
            next = stored.run.last() + 1;
        }
        self.due(SeqRange { first: next, last: range.last })
    }

    /// Runs that hold what is still kept of a range.
    pub(crate) fn covering(&self, range: SeqRange) -> impl Iterator<Item = &StoredRun> {
        let from = self.runs.range(range.first..).map(|(_, stored)| stored);
        from.take_while(move |stored| stored.run.first() <= range.last)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.runs.values().map(encoded_len).sum()
    }

    /// Whether a run may be put in the place of those that make up exactly its range.
    pub(crate) fn stands(&self, new: &StoredRun) -> bool {
        let old: Vec<_> = self.covering(new.run.range()).collect();
        continuity::stands_for(&old, new).is_some()
    }

    /// Puts one run in the place of those that make up exactly its range.
    pub(crate) fn replace(&mut self, new: StoredRun) {
        let lasts: Vec<_> = self.covering(new.run.range()).map(|stored| stored.run.last()).collect();
        lasts.iter().for_each(|last| drop(self.runs.remove(last)));
        self.runs.insert(new.run.last(), new);
    }

    /// Ends the log where another history parts from it.
    pub(crate) fn turn(&mut self, turn: &Turn) -> StoreResult<()> {
        let Self { head, runs } = self;
        let across = runs.range(turn.at..).next().map(|(_, stored)| stored);
        let across = across.filter(|stored| stored.run.first() < turn.at);
        let front = across.map(|stored| stored.cut_back(turn.at - 1)).transpose();
        let front = front.map_err(|error| StoreError::new(Fault::Rejected, "cutting a run", error))?;
        let front = front.map(|(front, _)| front);
        let below = runs.range(..turn.at).next_back().map(|(_, stored)| stored);
        let newest = front.as_ref().or(below).map_or(Stamp::ZERO, |stored| stored.run.last_stamp());
        if continuity::turn(head, turn, newest, |at| Ok(hash_in(runs, at)))? {
            runs.split_off(&turn.at);
            runs.extend(front.map(|front| (front.run.last(), front)));
        }
        Ok(())
    }

    /// Makes a gap of the place of a run that was lost; lost neighbours go with it, because the
    /// chain is known only beside runs that are held.
    pub(crate) fn isolate(&mut self, at: Seq) -> Option<SeqRange> {
        self.lost(SeqRange { first: at, last: at })?;
        let Self { head, runs } = self;
        let before = runs.range(..at).next_back().map_or(head.floor, |(last, _)| head.floor.max(*last));
        let after = runs.range(at..).next().map_or(head.height + 1, |(_, stored)| stored.run.first());
        let below = head.gaps.iter().map(|gap| gap.last).filter(|last| *last < at);
        let above = head.gaps.iter().map(|gap| gap.first).filter(|first| *first > at);
        let gap = SeqRange { first: below.fold(before, Seq::max) + 1, last: above.fold(after, Seq::min) - 1 };
        continuity::isolate(head, gap);
        Some(gap)
    }

    /// Loses the run that holds a sequence; whether there was one.
    pub(crate) fn lose(&mut self, at: Seq) -> bool {
        let run = self.covering(SeqRange { first: at, last: at }).next();
        let last = run.map(|stored| stored.run.last());
        last.is_some_and(|last| self.runs.remove(&last).is_some())
    }

    /// Drops entries up to a floor; a run across it is cut.
    pub(crate) fn prune(&mut self, asked: Seq) -> StoreResult<Pruned> {
        let Some(mut floor) = continuity::resting_floor(&self.head, asked) else {
            return Ok(Pruned::default());
        };
        let across = self.runs.range(floor + 1..).next().map(|(_, stored)| stored);
        let across = across.filter(|stored| stored.run.first() <= floor);
        let cut = across.and_then(|stored| stored.cut_front(floor + 1).ok());
        if let (Some(whole), None) = (across, &cut) {
            // A stranger may pack a run so tightly that a part of it is over the bounds. It is
            // kept whole and the floor stays before it, so that no such run stops all pruning.
            floor = whole.run.first() - 1;
            if floor <= self.head.floor {
                return Ok(Pruned::default());
            }
        }
        let hash = self
            .hash_at(floor)
            .ok_or_else(|| damaged("pruning a log", "no chain hash at the floor".into()))?;
        let entries = continuity::entries_held(&self.head);
        let kept = self.runs.split_off(&(floor + 1));
        let mut dropped = std::mem::replace(&mut self.runs, kept);
        let remainder = cut.as_ref().map_or(0, encoded_len);
        if let Some(stored) = cut {
            dropped.extend(self.runs.insert(stored.run.last(), stored).map(|whole| (floor, whole)));
        }
        continuity::raise_floor(&mut self.head, floor, hash);
        let entries = entries - continuity::entries_held(&self.head);
        let bytes = dropped.values().map(encoded_len).sum::<u64>().saturating_sub(remainder);
        Ok(Pruned { entries, bytes })
    }
}

/// Chain hash at a position inside a run or just before one.
pub(crate) fn hash_in(runs: &BTreeMap<Seq, StoredRun>, position: Seq) -> Option<ChainHash> {
    runs.range(position..).next().and_then(|(_, stored)| stored.hash_at(position).ok())
}

fn damaged(doing: &'static str, why: String) -> StoreError {
    StoreError::new(Fault::Corrupt, doing, why)
}

fn encoded_len(stored: &StoredRun) -> u64 {
    stored.run.encoded().len() as u64
}
