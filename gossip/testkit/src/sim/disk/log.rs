//! One log on a disk.

use gossip_proto::{ChainHash, LogHead, LogName, Pruned, Seq, SeqRange, Stamp, StoredRun, Turn};

use super::decay;

/// One log as stored.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) head: LogHead,
    /// In the order they were told.
    pub(crate) runs: Vec<StoredRun>,
    /// Some of them came later than what follows them.
    pub(crate) filled: bool,
}

impl Log {
    pub(super) fn new(name: &LogName) -> Self {
        Self { head: LogHead::empty(name.clone()), runs: Vec::new(), filled: false }
    }

    /// Chain hash at a position, if stored.
    pub(crate) fn hash_at(&self, position: Seq) -> Option<ChainHash> {
        if position == self.head.height {
            return Some(self.head.hash);
        }
        self.runs.iter().find_map(|stored| stored.hash_at(position).ok())
    }

    /// The same, and where nothing is stored but the hash is known.
    pub(super) fn known_at(&self, position: Seq) -> Option<ChainHash> {
        match position {
            0 => Some(self.head.name.root()),
            at if at == self.head.floor => Some(self.head.floor_hash),
            at => self.hash_at(at),
        }
    }

    /// Drops what follows the place of a fork.
    pub(super) fn end_at(&mut self, turn: &Turn) {
        let end = turn.at - 1;
        self.head.turn = Some(*turn);
        if self.head.height <= end {
            return;
        }
        let front = |stored: &StoredRun| match stored.run.first() {
            first if first > end => None,
            _ => Some(stored.cut_back(stored.run.last().min(end)).ok()?.0),
        };
        self.runs = self.runs.iter().filter_map(front).collect();
        (self.head.height, self.head.hash) = (end, turn.prev);
        self.head.seal = self.head.seal.take().filter(|(at, _)| *at <= end);
        for ranges in [&mut self.head.gaps, &mut self.head.missed] {
            ranges.retain(|range| range.first <= end);
            ranges.iter_mut().for_each(|range| range.last = range.last.min(end));
        }
    }

    /// Joins what follows each other, as a node does with its store: one seal is left, at the end.
    pub(crate) fn join(&mut self) {
        let mut joined: Vec<StoredRun> = Vec::with_capacity(self.runs.len());
        for run in self.runs.drain(..) {
            match joined.last_mut().and_then(|last| StoredRun::join(&[&*last, &run]).map(|both| (last, both)))
            {
                Some((last, both)) => *last = both,
                None => joined.push(run),
            }
        }
        self.runs = joined;
    }

    /// The run that holds a position, if stored.
    pub(crate) fn run_at(&self, position: Seq) -> Option<&StoredRun> {
        self.runs.iter().find(|stored| stored.run.range().contains(position))
    }
}

/// Keeps the seal of the newest entry, if there is one.
pub(super) fn seal(head: &mut LogHead, at: Seq, found: Option<&(impl AsRef<[u8]> + ?Sized)>) {
    if let Some(found) = found.filter(|_| at == head.height) {
        head.seal = Some((at, found.as_ref().to_vec().into()));
    }
}

/// Moves a head up to a floor that peers pruned to.
pub(super) fn adopt(head: &mut LogHead, floor: Seq, hash: ChainHash, stamp: Stamp) {
    if floor <= head.height {
        return;
    }
    let missing = SeqRange { first: head.height + 1, last: floor };
    decay::append(&mut head.missed, missing);
    if head.height == head.floor {
        (head.floor, head.floor_hash) = (floor, hash);
    } else {
        decay::append(&mut head.gaps, missing);
    }
    (head.height, head.hash, head.stamp) = (floor, hash, head.stamp.max(stamp));
}

/// Drops what lies at or below a floor; a floor inside a gap moves to the end of the gap.
pub(super) fn prune(log: &mut Log, floor: Seq, freed: &mut Pruned) {
    let gap = log.head.gaps.iter().find(|gap| gap.contains(floor));
    let floor = gap.map_or(floor, |gap| gap.last).min(log.head.height);
    let Some(hash) = log.hash_at(floor).filter(|_| floor > log.head.floor) else { return };
    let held: u64 = log.runs.iter().map(|stored| stored.run.count()).sum();
    let bytes: usize = log.runs.iter().map(|stored| stored.run.encoded().len()).sum();
    let cut = |stored: &StoredRun| {
        let from = stored.run.first().max(floor + 1);
        if stored.run.last() <= floor { None } else { stored.cut_front(from).ok() }
    };
    log.runs = log.runs.iter().filter_map(cut).collect();
    log.head.gaps.retain(|gap| gap.first > floor);
    (log.head.floor, log.head.floor_hash) = (floor, hash);
    let left: usize = log.runs.iter().map(|stored| stored.run.encoded().len()).sum();
    freed.entries += held - log.runs.iter().map(|stored| stored.run.count()).sum::<u64>();
    freed.bytes += bytes.saturating_sub(left) as u64;
}
