//! Which small runs to join: what one step of a chore comes to, worked out from their sizes.

use std::ops::Range;

use gossip_proto::{LogId, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run, Seq};

/// Part of a log whose runs are to be joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Chore {
    pub(super) log: LogId,
    /// From the run that holds this entry or is the first after it.
    pub(super) from: Seq,
    /// No further than the run that holds this one.
    pub(super) last: Seq,
    /// Only to runs that nothing more fits into: more will come.
    pub(super) only_full: bool,
    /// About as many bytes as a full run was written as.
    pub(super) budget: usize,
}

/// Bytes that hold a full run and what follows it, unless that is a large entry alone.
pub(super) const WHOLE: usize = 2 * MAX_RUN_BYTES;

/// A run that is no full one yet must be this much heavier than the heaviest it was joined from. So
/// a byte is written again at most three times: twice on the way to a full run, once for that.
const GROWTH: usize = 8;

/// How much of a run's bounds something takes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) first: Seq,
    pub(super) count: u64,
    pub(super) bytes: usize,
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

    /// The first sequence behind it.
    pub(super) fn end(self) -> Seq {
        self.first + self.count
    }

    /// Large enough to be left alone for good.
    pub(super) fn is_settled(self) -> bool {
        self.count >= MAX_RUN_ENTRIES / 4 * 3 || self.bytes >= MAX_RUN_BYTES / 4 * 3
    }

    /// Enough for a run that nothing more fits into.
    pub(super) fn is_full(self) -> bool {
        self.weight() >= MAX_RUN_BYTES
    }

    fn fits(self) -> bool {
        self.count <= MAX_RUN_ENTRIES && self.bytes <= MAX_RUN_BYTES - 256
    }

    /// Comparable between many small entries and few large ones: that of a full run is
    /// [`MAX_RUN_BYTES`].
    pub(super) fn weight(self) -> usize {
        let entries = usize::try_from(self.count).unwrap_or(usize::MAX >> 9);
        self.bytes.max(entries * (MAX_RUN_BYTES / MAX_RUN_ENTRIES as usize))
    }

    /// Bytes to read for a full run of the like, and a little more to see that it is one.
    pub(super) fn budget(self) -> usize {
        let entry = self.bytes / usize::try_from(self.count.max(1)).unwrap_or(usize::MAX);
        (entry * (MAX_RUN_ENTRIES as usize / 4 * 5)).clamp(WHOLE / 8, WHOLE)
    }
}

/// What to do with the runs that were read for a chore.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan {
    /// Which neighbours to join.
    pub(super) groups: Vec<Range<usize>>,
    /// Where the next look at the log begins: what is before it is left alone for good.
    pub(super) from: Seq,
    /// The chore is not done.
    pub(super) more: bool,
    /// Small runs from there on that wait for more.
    pub(super) left: Vec<Size>,
}

impl Plan {
    /// `None` when too little was read: a full run may be more than `budget`.
    pub(super) fn of(chore: &Chore, sizes: &[Size], budget: usize) -> Option<Self> {
        let Some(last) = sizes.last() else { return Some(Self { from: chore.from, ..Self::default() }) };
        let more = last.end() <= chore.last;
        let (mut groups, mut open) = split(sizes, more || chore.only_full);
        if more && open == 0 {
            if budget < WHOLE {
                return None;
            }
            // Nothing that follows can be joined to it: a large entry, or damage.
            (groups, _) = split(sizes, false);
            open = sizes.len();
        }
        let from = sizes.get(open).map_or(last.end(), |size| size.first);
        let left = if chore.only_full && !more { sizes[open..].to_vec() } else { Vec::new() };
        Some(Self { groups, from, more, left })
    }
}

/// Which neighbours to join, and where the last of them begin that make no full run. With an open end
/// these wait for more.
fn split(sizes: &[Size], has_open_end: bool) -> (Vec<Range<usize>>, usize) {
    let (mut groups, mut at) = (Vec::new(), 0);
    while at < sizes.len() {
        let (end, sum) = reach(sizes, at);
        let is_last = end == sizes.len() && !sum.is_settled();
        let is_full =
            sum.is_settled() || end < sizes.len() && follows(sizes, end) && !sizes[end].is_settled();
        let skip = match is_full {
            true => Some(0),
            false if is_last && has_open_end => None,
            false => grows(&sizes[at..end]),
        };
        groups.extend(skip.map(|skip| at + skip..end).filter(|group| group.len() > 1));
        if is_last {
            return (groups, at);
        }
        at = end;
    }
    (groups, at)
}

/// How far from `at` on neighbours fit into one run. A settled one stays alone.
fn reach(sizes: &[Size], at: usize) -> (usize, Size) {
    let (mut end, mut sum) = (at + 1, sizes[at]);
    if sum.is_settled() {
        return (end, sum);
    }
    while end < sizes.len() && follows(sizes, end) && !sizes[end].is_settled() {
        let mut more = sum;
        more.add(sizes[end]);
        if !more.fits() {
            break;
        }
        (end, sum) = (end + 1, more);
    }
    (end, sum)
}

fn follows(sizes: &[Size], at: usize) -> bool {
    sizes[at - 1].end() == sizes[at].first
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
        ends(split(&sizes(counts), false).0)
    }

    fn chore(last: Seq, only_full: bool) -> Chore {
        Chore { log: LogId([1; 16]), from: 1, last, only_full, budget: WHOLE }
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
        assert_eq!(ends(split(&apart, false).0), [(0, 8), (8, 16)]);
        let (whole, open) = split(&sizes(&[1; 300]), true);
        assert_eq!((ends(whole), open), (vec![(0, 256)], 256));
        assert_eq!(split(&sizes(&[256]), true), (vec![], 1));
    }

    #[test]
    fn a_look_goes_on_where_what_is_left_begins() {
        let plan = |counts: &[u64], last, only_full| {
            let plan = Plan::of(&chore(last, only_full), &sizes(counts), WHOLE).expect("enough");
            assert_eq!(plan.left.len(), if only_full { 44 } else { 0 });
            (ends(plan.groups), plan.from, plan.more)
        };
        assert_eq!(plan(&[1; 300], 300, true), (vec![(0, 256)], 257, false), "the rest waits for more");
        assert_eq!(plan(&[1; 300], 300, false), (vec![(0, 256), (256, 300)], 257, false));
        assert_eq!(plan(&[1; 300], 999, false), (vec![(0, 256)], 257, true));
        assert_eq!(plan(&[256], 999, false), (vec![], 257, true));
        assert_eq!(plan(&[256], 256, false), (vec![], 257, false));
        assert_eq!(plan(&[], 256, false), (vec![], 1, false));
    }

    #[test]
    fn what_is_followed_by_nothing_that_fits_is_joined_and_left() {
        let few = sizes(&[1; 50]);
        assert_eq!(Plan::of(&chore(999, true), &few, WHOLE / 8), None, "it may be too little that was read");
        let plan = Plan::of(&chore(999, true), &few, WHOLE).expect("enough");
        assert_eq!((ends(plan.groups), plan.from, plan.more), (vec![(0, 50)], 51, true));
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
