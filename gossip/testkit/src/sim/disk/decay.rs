//! What happens inside a log: bit rot becomes a gap, gaps are filled, payloads are erased.

use std::collections::BTreeSet;

use gossip_proto::{ChainHash, LogHead, LogId, Payload, Run, RunEntry, Seq, SeqRange, StoredRun};

use super::Log;

/// Adds a range at the end of a list; one that touches the last is joined to it.
pub(super) fn append(list: &mut Vec<SeqRange>, range: SeqRange) {
    match list.last_mut().filter(|last| range.first <= last.last + 1) {
        Some(last) => last.last = last.last.max(range.last),
        None => list.push(range),
    }
}

/// Whether a run ends where a hole ends and lies inside it.
pub(super) fn fits(head: &LogHead, run: &Run) -> bool {
    let below = SeqRange { first: 1, last: head.floor };
    let mut holes = head.gaps.iter().copied().chain([below]);
    holes.any(|hole| hole.last == run.last() && hole.first <= run.first())
}

/// Whether something is held where the run is to go.
pub(super) fn overlaps(log: &Log, run: &Run) -> bool {
    let held = log.runs.iter().map(|stored| stored.run.range());
    held.filter(|range| *range != run.range()).any(|range| range.overlap(&run.range()).is_some())
}

/// What is wrong with a fill, if anything is.
pub(super) fn misfit(log: &Log, run: &Run, end: ChainHash) -> Option<String> {
    let held = log.runs.iter().any(|stored| stored.run.range().overlap(&run.range()).is_some());
    let next = log.runs.iter().find(|stored| stored.run.first() == run.last() + 1).map(|stored| stored.prev);
    let floor = (log.head.floor == run.last()).then_some(log.head.floor_hash);
    let top = (log.head.height == run.last()).then_some(log.head.hash);
    let apart = floor.or(top).or(next).is_none_or(|hash| hash != end);
    (held || apart)
        .then(|| format!("{:?} of {:?} fills (held: {held}, apart: {apart})", run.range(), run.log()))
}

/// Puts a run into a hole; returns how many of its entries had never arrived.
pub(super) fn fill(log: &mut Log, stored: StoredRun) -> u64 {
    let (range, prev) = (stored.run.range(), stored.prev);
    log.filled = true;
    log.runs.push(stored);
    log.runs.sort_by_key(|stored| stored.run.first());
    if log.head.floor == range.last {
        (log.head.floor, log.head.floor_hash) = (range.first - 1, prev);
    }
    log.head.gaps = without(&log.head.gaps, range);
    let missed = log.head.missed.iter().filter_map(|missed| missed.overlap(&range));
    let fresh = missed.map(|missed| missed.count()).sum();
    log.head.missed = without(&log.head.missed, range);
    fresh
}

/// Drops a run and makes a gap of its place.
pub(super) fn isolate(log: &mut Log, range: SeqRange) {
    log.runs.retain(|stored| stored.run.range() != range);
    let mut gaps = std::mem::take(&mut log.head.gaps);
    gaps.push(range);
    gaps.sort_unstable();
    gaps.into_iter().for_each(|gap| append(&mut log.head.gaps, gap));
}

/// Replaces payloads by their hashes; returns how many.
pub(super) fn erase(log: &mut Log, ranges: &[SeqRange]) -> u64 {
    let present = |entry: &RunEntry| matches!(entry.payload, Payload::Present(_));
    let meant = |entry: &RunEntry| ranges.iter().any(|range| range.contains(entry.sequence));
    let mut gone = 0;
    for stored in &mut log.runs {
        let here = stored.run.entries().filter(|entry| present(entry) && meant(entry)).count() as u64;
        if here > 0
            && let Some(hollow) = stored.hollowed(meant)
        {
            *stored = hollow;
            gone += here;
        }
    }
    gone
}

/// Forgets the marks of runs that a prune dropped or cut.
pub(super) fn follow_cut(rotten: &mut BTreeSet<(LogId, Seq)>, id: LogId, log: &Log) {
    let there = |first: Seq| log.runs.iter().any(|stored| stored.run.first() == first);
    rotten.retain(|(of, first)| *of != id || there(*first));
}

fn without(list: &[SeqRange], taken: SeqRange) -> Vec<SeqRange> {
    let parts = list.iter().flat_map(|range| {
        let before = SeqRange { last: range.last.min(taken.first - 1), ..*range };
        let after = SeqRange { first: range.first.max(taken.last + 1), ..*range };
        if range.overlap(&taken).is_some() { [Some(before), Some(after)] } else { [Some(*range), None] }
    });
    parts.flatten().filter(|range| range.first <= range.last).collect()
}
