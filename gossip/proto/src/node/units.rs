//! What is sent of a log at a time.
//!
//! Small neighbours are joined: what was written entry by entry is sent, checked and stored in runs of up
//! to [`MAX_RUN_ENTRIES`], with one seal. A log whose author is a key is taken only as far as a seal
//! reaches, so of such a log everything up to a seal goes in one message, and what no seal follows stays.

use crate::{ChainHash, Check, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run, Seq, StoredRun};

/// Runs that follow each other and go in one message; nearly always one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unit {
    /// Chain hash before the first entry.
    pub(super) prev: ChainHash,
    pub(super) first: Seq,
    pub(super) last: Seq,
    /// Of the chain at the last entry.
    pub(super) check: Check,
    pub(super) runs: Vec<Run>,
}

impl Unit {
    fn new(runs: &[StoredRun]) -> Option<Self> {
        let (first, last) = (runs.first()?, runs.last()?);
        Some(Self {
            prev: first.prev,
            first: first.run.first(),
            last: last.run.last(),
            check: last.run.check(),
            runs: runs.iter().map(|stored| stored.run.clone()).collect(),
        })
    }
}

/// The runs of a log, in order, as they are to be sent. With `seals`, only what a seal follows, or the end of
/// a log that forks.
pub(super) fn units(runs: &[StoredRun], seals: bool, end: Seq) -> Vec<Unit> {
    let pieces = pieces(runs, seals, end);
    let (mut pieces, mut units) = (&pieces[..], Vec::new());
    while !pieces.is_empty() {
        let (group, rest) = pieces.split_at(group(pieces));
        let together: Vec<&StoredRun> = group.iter().copied().flatten().collect();
        match StoredRun::join(&together).filter(|_| together.len() > 1) {
            Some(joined) => units.extend(Unit::new(&[joined])),
            // What cannot be joined is for the receiver to judge.
            None => units.extend(group.iter().filter_map(|piece| Unit::new(piece))),
        }
        pieces = rest;
    }
    units
}

/// Parts that may each be the last of a message.
fn pieces(runs: &[StoredRun], seals: bool, end: Seq) -> Vec<&[StoredRun]> {
    let (mut pieces, mut from) = (Vec::new(), 0);
    for (at, stored) in runs.iter().enumerate() {
        if at > from && !follows(&runs[at - 1], stored) {
            // What ends before a gap without a seal stays; it comes back to others as a filling.
            from = at;
        }
        if !seals || stored.run.seal().is_some() || stored.run.last() == end {
            pieces.push(&runs[from..=at]);
            from = at + 1;
        }
    }
    pieces
}

/// How many of the first pieces make one run together.
fn group(pieces: &[&[StoredRun]]) -> usize {
    let (mut entries, mut bytes, mut before) = (0, 0, None);
    let fits = pieces.iter().take_while(|piece| {
        entries += piece.iter().map(|stored| stored.run.count()).sum::<u64>();
        bytes += piece.iter().map(|stored| stored.run.encoded().len()).sum::<usize>();
        let continues = before.zip(piece.first()).is_none_or(|(before, next)| follows(before, next));
        before = piece.last();
        continues && entries <= MAX_RUN_ENTRIES && bytes <= MAX_RUN_BYTES
    });
    fits.count().max(1)
}

fn follows(before: &StoredRun, next: &StoredRun) -> bool {
    next.run.first() == before.run.last() + 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{LogId, Payload, RunBuilder, Stamp};

    /// Runs of so many entries each; those of odd length are sealed.
    fn runs(counts: &[u64], size: usize) -> Vec<StoredRun> {
        let (mut next, mut prev) = (1, ChainHash([7; 32]));
        let mut run_of = |count: &u64| {
            let mut builder = RunBuilder::new(LogId([1; 16]), next, prev);
            for at in 0..*count {
                let payload = Payload::Present(vec![3; size].into());
                builder.push(Stamp::new(next + at, 0), &payload).unwrap();
            }
            let (run, end) = builder.finish((count % 2 == 1).then_some(&[9; 64][..])).unwrap();
            let stored = StoredRun { prev, run };
            (next, prev) = (next + count, end);
            stored
        };
        counts.iter().map(&mut run_of).collect()
    }

    fn shape(units: &[Unit]) -> Vec<Vec<u64>> {
        units.iter().map(|unit| unit.runs.iter().map(Run::count).collect()).collect()
    }

    #[test]
    fn neighbours_are_joined_as_far_as_a_run_reaches() {
        let found = units(&runs(&[1; 600], 10), false, Seq::MAX);
        assert_eq!(shape(&found), [[256], [256], [88]]);
        assert!(found.windows(2).all(|two| two[0].last + 1 == two[1].first));
        for unit in found {
            assert_eq!(unit.runs[0].verify(unit.prev).map(|end| end.check()), Ok(unit.check));
        }
        let large = units(&runs(&[3; 9], 10_000), false, Seq::MAX);
        assert_eq!(shape(&large), [[6], [6], [6], [6], [3]]);
    }

    #[test]
    fn nothing_is_joined_across_a_gap() {
        let mut gappy = runs(&[1; 10], 10);
        gappy.remove(4);
        assert_eq!(shape(&units(&gappy, false, Seq::MAX)), [[4], [5]]);
    }

    #[test]
    fn units_of_sealed_logs_end_at_seals_and_joined_runs_keep_the_last() {
        let found = units(&runs(&[2, 2, 1, 2, 3, 2], 10), true, Seq::MAX);
        assert_eq!(shape(&found), [[10]]);
        assert!(found[0].runs[0].seal().is_some());
        // Too large to be joined: what a seal vouches for goes together all the same.
        let found = units(&runs(&[2, 2, 2, 3, 2], 10_000), true, Seq::MAX);
        assert_eq!(shape(&found), [[2, 2, 2, 3]]);
        assert!(units(&runs(&[2; 5], 10), true, Seq::MAX).is_empty());
    }

    #[test]
    fn what_ends_unsealed_before_a_gap_stays() {
        let mut gappy = runs(&[2, 2, 2, 1, 1], 10);
        gappy.remove(1);
        let found = units(&gappy, true, Seq::MAX);
        assert_eq!((shape(&found), found[0].first), (vec![vec![4]], 5));
    }
}
