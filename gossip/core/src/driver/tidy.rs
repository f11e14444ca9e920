//! Joining small runs to large ones, so that a log written one entry at a time reads and syncs like
//! one written in bulk. Runs in the lane that writes: an erasure in between would come back.

use std::ops::Range;
use std::time::Duration;

use gossip_proto::{Fault, LogId, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run, RunBuilder, Seq, StoredRun};

use crate::{Store, StoreResult, TimerPort};

/// Part of a log whose runs are to be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chore {
    pub(super) log: LogId,
    /// From the run that holds this entry or is the first after it.
    pub(super) from: Seq,
    /// No further than the run that holds this one.
    pub(super) last: Seq,
}

/// What one step of a chore did.
#[derive(Debug, Default)]
pub(super) struct Tidied {
    /// Runs that were replaced.
    pub(super) runs: u64,
    /// Bytes of the runs in their place: what was written once more.
    pub(super) bytes: u64,
    /// Where the chore goes on.
    pub(super) next: Option<Seq>,
}

/// Bytes read by one step.
const STEP_BYTES: usize = 512 << 10;
/// A step that took so long ends at the next run it has written.
const STEP_TIME: Duration = Duration::from_millis(4);
/// A run that is no full one yet must be this much heavier than the heaviest it was joined from. So
/// a byte is written again at most three times: twice on the way to a full run, once for that.
const GROWTH: usize = 8;

/// Carries out one step of a chore: a few milliseconds, then writes have their turn.
pub(super) async fn tidy(store: &dyn Store, chore: Chore, timer: &dyn TimerPort) -> StoreResult<Tidied> {
    let end = timer.now().tick + STEP_TIME;
    let runs = store.read(chore.log, chore.from, STEP_BYTES).await?;
    let sizes: Vec<Size> = runs.iter().map(|stored| Size::of(&stored.run)).collect();
    let more = runs.last().is_some_and(|stored| stored.run.last() < chore.last);
    let (groups, rest) = plan(&sizes, more);
    // At least behind what was read if that held nothing but the beginning of a group.
    let behind = runs.last().map_or(chore.from, |stored| stored.run.last()) + 1;
    let next = rest.map(|at| sizes[at].first).map(|next| if next > chore.from { next } else { behind });
    let mut done = Tidied { next, ..Tidied::default() };
    for group in groups {
        if done.runs > 0 && timer.now().tick >= end {
            done.next = Some(sizes[group.start].first);
            break;
        }
        let bytes = replace(store, chore.log, &runs[group.clone()]).await?;
        if bytes > 0 {
            done.runs += group.len() as u64;
            done.bytes += bytes;
        }
    }
    Ok(done)
}

/// Puts one run in the place of several; returns its bytes, 0 when it was not done.
async fn replace(store: &dyn Store, log: LogId, runs: &[StoredRun]) -> StoreResult<u64> {
    let Some(joined) = join(runs) else { return Ok(0) };
    let bytes = joined.run.encoded().len() as u64;
    match store.replace(log, joined.run.range(), joined).await {
        Ok(()) => Ok(bytes),
        // The store holds something else by now: nothing is lost by leaving it.
        Err(error) if error.fault == Fault::Rejected => {
            tracing::debug!(%log, %error, "runs were not joined");
            Ok(0)
        }
        Err(error) => Err(error),
    }
}

/// Joins neighbours; the seal of the last one stays, it vouches for all before it.
fn join(runs: &[StoredRun]) -> Option<StoredRun> {
    let (first, last) = (runs.first()?, runs.last()?);
    let mut builder = RunBuilder::new(first.run.log(), first.run.first(), first.prev);
    for entry in runs.iter().flat_map(|stored| stored.run.entries()) {
        builder.push(entry.stamp, &entry.payload)?;
    }
    let (run, _) = builder.finish(last.run.seal().map(|seal| &seal[..]))?;
    (run.check() == last.run.check()).then_some(StoredRun { prev: first.prev, run })
}

/// How much of a run's bounds something takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    first: Seq,
    count: u64,
    bytes: usize,
}

impl Size {
    pub(super) fn of(run: &Run) -> Self {
        // What a builder reckons with for an entry beside its encoding.
        const SLACK: usize = 10;
        let bytes = run.encoded().len() + SLACK * usize::try_from(run.count()).unwrap_or(usize::MAX / SLACK);
        Self { first: run.first(), count: run.count(), bytes }
    }

    pub(super) fn add(&mut self, other: Self) {
        self.count += other.count;
        self.bytes += other.bytes;
    }

    /// Large enough to be left alone for good.
    pub(super) fn is_settled(self) -> bool {
        self.count >= MAX_RUN_ENTRIES / 4 * 3 || self.bytes >= MAX_RUN_BYTES / 4 * 3
    }

    /// Enough for a run that nothing more fits into.
    pub(super) fn is_full(self) -> bool {
        self.count >= MAX_RUN_ENTRIES || self.bytes >= MAX_RUN_BYTES
    }

    fn fits(self) -> bool {
        self.count <= MAX_RUN_ENTRIES && self.bytes <= MAX_RUN_BYTES - 256
    }

    /// Comparable between many small entries and few large ones.
    fn weight(self) -> usize {
        let entries = usize::try_from(self.count).unwrap_or(usize::MAX >> 9);
        self.bytes.max(entries * (MAX_RUN_BYTES / MAX_RUN_ENTRIES as usize))
    }
}

/// Which neighbours to join, and, if there are more runs than these, from which one on to look at
/// them together with those.
fn plan(sizes: &[Size], more: bool) -> (Vec<Range<usize>>, Option<usize>) {
    let (mut groups, mut at) = (Vec::new(), 0);
    while at < sizes.len() {
        let (end, sum) = reach(sizes, at);
        let is_full =
            sum.is_settled() || end < sizes.len() && follows(sizes, end) && !sizes[end].is_settled();
        if more && end == sizes.len() && !sum.is_settled() {
            return (groups, Some(at));
        }
        let from = if is_full { Some(at) } else { grows(&sizes[at..end]).map(|skip| at + skip) };
        groups.extend(from.map(|from| from..end).filter(|group| group.len() > 1));
        at = end;
    }
    (groups, more.then(|| sizes.len().saturating_sub(1)))
}

/// How far from `at` on neighbours fit into one run. A settled one stays alone.
fn reach(sizes: &[Size], at: usize) -> (usize, Size) {
    let (mut end, mut sum) = (at + 1, sizes[at]);
    while end < sizes.len() && !sum.is_settled_alone(end - at) && follows(sizes, end) {
        let mut more = sum;
        more.add(sizes[end]);
        if sizes[end].is_settled() || !more.fits() {
            break;
        }
        (end, sum) = (end + 1, more);
    }
    (end, sum)
}

impl Size {
    fn is_settled_alone(self, runs: usize) -> bool {
        runs == 1 && self.is_settled()
    }
}

fn follows(sizes: &[Size], at: usize) -> bool {
    sizes[at - 1].first + sizes[at - 1].count == sizes[at].first
}

/// The longest tail of neighbours that is worth joining although it makes no full run.
fn grows(sizes: &[Size]) -> Option<usize> {
    (0..sizes.len()).find(|from| {
        let tail = &sizes[*from..];
        let mut sum = Size::default();
        tail.iter().for_each(|size| sum.add(*size));
        let heaviest = tail.iter().map(|size| size.weight()).max().unwrap_or(0);
        tail.len() > 1 && sum.weight() >= GROWTH * heaviest
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(counts: &[u64]) -> Vec<Size> {
        let mut first = 1;
        let size = |count: &u64| {
            let size = Size { first, count: *count, bytes: *count as usize * 100 };
            first += count;
            size
        };
        counts.iter().map(size).collect()
    }

    /// First of each group and the one after its last.
    fn ends(groups: Vec<Range<usize>>) -> Vec<(usize, usize)> {
        groups.into_iter().map(|group| (group.start, group.end)).collect()
    }

    fn groups(counts: &[u64]) -> Vec<(usize, usize)> {
        ends(plan(&sizes(counts), false).0)
    }

    #[test]
    fn full_runs_are_made_and_left_alone() {
        assert_eq!(groups(&[1; 256]), [(0, 256)]);
        assert_eq!(groups(&[1; 520]), [(0, 256), (256, 512), (512, 520)]);
        assert_eq!(groups(&[256, 256, 200]), []);
        assert_eq!(groups(&[200, 1, 1, 1]), [], "a settled run takes no part");
        assert_eq!(groups(&[100, 100, 100]), [(0, 2)]);
    }

    #[test]
    fn what_makes_no_full_run_must_grow_eightfold() {
        assert_eq!(groups(&[1; 7]), []);
        assert_eq!(groups(&[1; 8]), [(0, 8)]);
        assert_eq!(groups(&[8, 1, 1, 1, 1, 1, 1, 1, 1]), [(1, 9)]);
        assert_eq!(groups(&[8; 8]), [(0, 8)]);
        assert_eq!(groups(&[64, 64]), []);
        assert_eq!(groups(&[64, 64, 64]), [(0, 3)], "three quarters are enough to be left alone");
    }

    #[test]
    fn runs_apart_are_not_joined_and_open_ends_wait_for_more() {
        let mut apart = sizes(&[1; 16]);
        apart[8..].iter_mut().for_each(|size| size.first += 5);
        assert_eq!(ends(plan(&apart, false).0), [(0, 8), (8, 16)]);
        let (whole, rest) = plan(&sizes(&[1; 300]), true);
        assert_eq!((ends(whole), rest), (vec![(0, 256)], Some(256)));
        assert_eq!(plan(&sizes(&[256]), true), (vec![], Some(0)));
    }

    /// However appends and looks alternate, a byte is written again at most three times.
    #[test]
    fn the_rewriting_is_bounded() {
        for every in [1, 8, 9, 63, 64, 100, 256] {
            let (mut runs, mut rewritten): (Vec<u64>, u64) = (Vec::new(), 0);
            for n in 1..=4096 {
                runs.push(1);
                if n % every != 0 {
                    continue;
                }
                for (start, end) in groups(&runs).into_iter().rev() {
                    let sum = runs[start..end].iter().sum();
                    rewritten += sum;
                    runs.splice(start..end, [sum]);
                }
            }
            assert!(rewritten <= 3 * 4096, "{rewritten} at every {every}");
            assert!(every > 64 || runs.len() <= 4096 / 192 + 24, "{} runs at every {every}", runs.len());
        }
    }
}
