//! Head and runs of one log.

use std::collections::BTreeMap;

use gossip_core::proto::{ChainHash, Fault, LogHead, Pruned, Seq, SeqRange, StoredRun};
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
            0 => Some(self.head.name.hash().root()),
            _ if position < self.head.floor => None,
            _ if position == self.head.floor => Some(self.head.floor_hash),
            _ if position == self.head.height => Some(self.head.hash),
            _ => hash_in(&self.runs, position),
        }
    }

    /// Runs from the one that holds `from`: about `budget` bytes, at least one.
    pub(crate) fn read(&self, from: Seq, budget: usize) -> Vec<StoredRun> {
        let (mut runs, mut bytes) = (Vec::new(), 0);
        for stored in self.runs.range(from..).map(|(_, stored)| stored) {
            bytes += stored.run.encoded().len();
            if bytes > budget && !runs.is_empty() {
                break;
            }
            runs.push(stored.clone());
        }
        runs
    }

    /// Runs that hold what is still kept of a range.
    pub(crate) fn covering(&self, range: SeqRange) -> impl Iterator<Item = &StoredRun> {
        let from = self.runs.range(range.first..).map(|(_, stored)| stored);
        from.take_while(move |stored| stored.run.first() <= range.last)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.runs.values().map(encoded_len).sum()
    }

    /// Puts one run in the place of those that make up exactly `range`.
    pub(crate) fn replace(&mut self, range: SeqRange, new: StoredRun) -> StoreResult<()> {
        let old: Vec<_> = self.covering(range).collect();
        if !same_chain(&old, range, self.head.name.id() == new.run.log(), &new) {
            let why = "the run does not stand for exactly the runs stored there";
            return Err(StoreError::new(Fault::Rejected, "replacing runs", why));
        }
        self.runs.retain(|last, _| !range.contains(*last));
        self.runs.insert(range.last, new);
        Ok(())
    }

    /// Drops entries up to a floor; a run across it is cut.
    pub(crate) fn prune(&mut self, asked: Seq) -> StoreResult<Pruned> {
        let Some(floor) = continuity::resting_floor(&self.head, asked) else {
            return Ok(Pruned::default());
        };
        let hash = self.hash_at(floor).ok_or_else(|| damaged("no chain hash at the floor"))?;
        let across = self.runs.range(floor + 1..).next().map(|(_, stored)| stored);
        let cut = across.filter(|stored| stored.run.first() <= floor);
        let cut = cut.map(|stored| stored.cut_front(floor + 1)).transpose().map_err(damaged)?;
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

fn same_chain(old: &[&StoredRun], range: SeqRange, same_log: bool, new: &StoredRun) -> bool {
    let (Some(first), Some(last)) = (old.first(), old.last()) else { return false };
    let whole = first.run.first() == range.first && last.run.last() == range.last;
    let joined = old.windows(2).all(|pair| pair[0].run.last() + 1 == pair[1].run.first());
    let end = last.hash_at(range.last).ok();
    let placed = same_log && new.run.range() == range && new.prev == first.prev;
    whole && joined && placed && end.is_some() && new.run.verify(new.prev).ok() == end
}

fn damaged(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::new(Fault::Corrupt, "pruning a log", why)
}

fn encoded_len(stored: &StoredRun) -> u64 {
    stored.run.encoded().len() as u64
}
