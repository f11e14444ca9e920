//! Where an answer may end: in the log of an author whose id is a key at a seal only, because the
//! receiver drops what follows the last one.

use super::serve::PAGE;
use crate::StoredRun;

/// How far is read for a seal when a page holds none.
pub(super) const LOOK_AHEAD: usize = 4 * PAGE;

/// Splits runs of one log into those that go out together. What is followed by no seal, because a gap
/// comes first or the page ends, is left out: the receiver takes it as part of the gap, or is sent it
/// with the next page.
pub(super) fn stretches(runs: Vec<StoredRun>, is_sealed: bool) -> Vec<Vec<StoredRun>> {
    let (mut all, mut open) = (Vec::new(), Vec::<StoredRun>::new());
    for stored in runs {
        if open.last().is_some_and(|before| before.run.last() + 1 != stored.run.first()) {
            open.clear();
        }
        let ends = !is_sealed || stored.run.seal().is_some();
        open.push(stored);
        if ends {
            all.push(std::mem::take(&mut open));
        }
    }
    all
}

/// How many of these runs may be joined: no seal is lost but those that a later one makes superfluous.
pub(super) fn upto_seal(runs: &[StoredRun]) -> usize {
    runs.iter().rposition(|stored| stored.run.seal().is_some()).map_or(runs.len(), |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ChainHash, LogId, NewPayload, RunBuilder, Seq, Stamp};

    /// A run of one entry.
    fn run(at: Seq, is_sealed: bool) -> StoredRun {
        let prev = ChainHash([0; 32]);
        let mut builder = RunBuilder::new(LogId([1; 16]), at, prev);
        builder.push_new(Stamp::new(at, 0), &NewPayload::new("x")).expect("room");
        let (run, _) = builder.finish(is_sealed.then_some(&[7; 64][..])).expect("a run");
        StoredRun { prev, run }
    }

    fn ends(runs: &[(Seq, bool)], is_sealed: bool) -> Vec<(Seq, Seq)> {
        let runs = runs.iter().map(|(at, sealed)| run(*at, *sealed)).collect();
        let ends = |part: Vec<StoredRun>| (part[0].run.first(), part[part.len() - 1].run.last());
        stretches(runs, is_sealed).into_iter().map(ends).collect()
    }

    #[test]
    fn a_sealed_log_goes_out_up_to_seals() {
        let runs = [(1, true), (2, false), (3, false), (4, true), (5, false)];
        assert_eq!(ends(&runs, true), [(1, 1), (2, 4)]);
        assert_eq!(ends(&runs, false), [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5)]);
        assert_eq!(ends(&[(1, false), (3, true), (4, false), (6, true)], true), [(3, 3), (6, 6)]);
    }

    #[test]
    fn joining_keeps_a_seal_at_the_end() {
        let runs = [run(1, true), run(2, true), run(3, false)];
        assert_eq!((upto_seal(&runs), upto_seal(&runs[2..]), upto_seal(&runs[..1])), (2, 1, 1));
    }
}
