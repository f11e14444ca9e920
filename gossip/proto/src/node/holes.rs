//! What is missing of a log below its height: everything up to the floor, and gaps above it.

use crate::{LogHead, Retention, Seq, SeqRange, Stamp};

/// The holes of a log, as its store has them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Holes {
    /// Nothing is held up to here.
    pub(super) floor: Seq,
    /// Not held above the floor, in order and apart.
    pub(super) gaps: Vec<SeqRange>,
    /// What of all this never arrived here, as opposed to what was pruned or damaged.
    missed: Vec<SeqRange>,
}

impl Holes {
    /// Those of a log that lacks nothing.
    pub(super) const NONE: Self = Self { floor: 0, gaps: Vec::new(), missed: Vec::new() };

    pub(super) fn of_head(head: &LogHead) -> Self {
        Self { floor: head.floor, gaps: head.gaps.clone(), missed: head.missed.clone() }
    }

    /// The uppermost hole that shares something with a range.
    pub(super) fn touched_by(&self, range: &SeqRange) -> Option<SeqRange> {
        let below = SeqRange { first: 1, last: self.floor };
        let gaps = self.gaps.iter().rev().copied();
        gaps.chain([below]).find(|hole| hole.overlap(range).is_some())
    }

    /// The first sequence at or after this one that lies in no hole.
    pub(super) fn next_held(&self, seq: Seq) -> Seq {
        self.touched_by(&SeqRange { first: seq, last: seq }).map_or(seq, |hole| hole.last + 1)
    }

    /// What was held up to a height, by what was known before, and is a gap now.
    pub(super) fn new_gaps(&self, before: &Self, height: Seq) -> Vec<SeqRange> {
        let held = SeqRange { first: before.floor.max(self.floor) + 1, last: height };
        let gaps = self.gaps.iter().filter_map(|gap| gap.overlap(&held)).collect::<Vec<_>>();
        before.gaps.iter().fold(gaps, |gaps, known| without(&gaps, *known))
    }

    /// The log goes on at `to`, nothing in between came.
    pub(super) fn skip(&mut self, height: Seq, to: Seq) {
        let missing = SeqRange { first: height + 1, last: to };
        append(&mut self.missed, missing);
        if self.floor == height { self.floor = to } else { append(&mut self.gaps, missing) }
    }

    /// A range turned out to be damaged.
    pub(super) fn isolate(&mut self, range: SeqRange) {
        let mut gaps = std::mem::take(&mut self.gaps);
        gaps.push(range);
        gaps.sort_unstable();
        gaps.into_iter().for_each(|gap| append(&mut self.gaps, gap));
    }

    /// Everything above a place was dropped.
    pub(super) fn end_at(&mut self, end: Seq) {
        let above = SeqRange { first: end + 1, last: Seq::MAX - 1 };
        (self.gaps, self.missed) = (without(&self.gaps, above), without(&self.missed, above));
    }

    /// Everything up to a floor was dropped; inside a gap it comes to rest at the end of the gap.
    pub(super) fn raise(&mut self, asked: Seq) {
        let gap = self.gaps.iter().find(|gap| gap.contains(asked));
        self.floor = self.floor.max(gap.map_or(asked, |gap| gap.last));
        let floor = self.floor;
        self.gaps.retain(|gap| gap.last > floor);
    }

    /// A range came that ends where a hole ends. Returns what of it had never arrived before.
    pub(super) fn fill(&mut self, range: SeqRange) -> Vec<SeqRange> {
        if self.touched_by(&range).is_none() {
            return Vec::new();
        }
        let fresh = self.missed_in(range);
        self.missed = without(&self.missed, range);
        self.gaps = without(&self.gaps, range);
        if range.contains(self.floor) {
            self.floor = range.first - 1;
        }
        fresh
    }

    /// What of a range never arrived.
    pub(super) fn missed_in(&self, range: SeqRange) -> Vec<SeqRange> {
        self.missed.iter().filter_map(|missed| missed.overlap(&range)).collect()
    }
}

/// Adds a range at the end of a list; one that touches the last is joined to it.
fn append(list: &mut Vec<SeqRange>, range: SeqRange) {
    match list.last_mut().filter(|last| range.first <= last.last + 1) {
        Some(last) => last.last = last.last.max(range.last),
        None => list.push(range),
    }
}

/// What is left of ranges when another one is taken out.
pub(super) fn without(list: &[SeqRange], taken: SeqRange) -> Vec<SeqRange> {
    let parts = list.iter().flat_map(|range| {
        let before = SeqRange { last: range.last.min(taken.first.saturating_sub(1)), ..*range };
        let after = SeqRange { first: range.first.max(taken.last + 1), ..*range };
        if range.overlap(&taken).is_some() { [Some(before), Some(after)] } else { [Some(*range), None] }
    });
    parts.flatten().filter(|range| range.first <= range.last).collect()
}

/// Whether a stream that keeps this much would keep an entry that so many of its author's are newer
/// than, and that is older than `stamp` if that is known.
pub(super) fn keeps(retention: &Retention, newer: u64, stamp: Option<Stamp>, wall: u64) -> bool {
    match retention {
        Retention::KeepAll => true,
        Retention::CountBased(count) => newer < *count,
        Retention::TimeBased(age) => {
            let oldest = wall.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            stamp.is_none_or(|stamp| stamp.millis() >= oldest)
        }
        Retention::Composite(any) => any.iter().any(|one| keeps(one, newer, stamp, wall)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(first: Seq, last: Seq) -> SeqRange {
        SeqRange { first, last }
    }

    #[test]
    fn a_log_that_begins_late_has_a_floor_and_later_gaps() {
        let mut holes = Holes::default();
        holes.skip(0, 10);
        holes.skip(20, 30);
        assert_eq!((holes.floor, holes.gaps.clone()), (10, vec![range(21, 30)]));
        assert_eq!(holes.touched_by(&range(5, 25)), Some(range(21, 30)));
        assert_eq!(holes.fill(range(26, 30)), [range(26, 30)]);
        assert_eq!(holes.fill(range(21, 25)), [range(21, 25)]);
        assert_eq!(holes.fill(range(8, 10)), [range(8, 10)]);
        assert_eq!(holes, Holes { floor: 7, gaps: vec![], missed: vec![range(1, 7)] });
    }

    #[test]
    fn what_was_damaged_did_arrive() {
        let mut holes = Holes::default();
        holes.isolate(range(5, 6));
        holes.isolate(range(3, 4));
        assert_eq!(holes.gaps, [range(3, 6)]);
        assert!(holes.fill(range(4, 6)).is_empty());
        assert_eq!(holes.gaps, [range(3, 3)]);
        assert!(holes.fill(range(40, 60)).is_empty(), "nothing is missing there");
    }

    #[test]
    fn a_floor_inside_a_gap_rests_at_its_end() {
        let mut holes = Holes::default();
        holes.isolate(range(5, 9));
        holes.isolate(range(20, 20));
        holes.raise(7);
        assert_eq!((holes.floor, holes.gaps), (9, vec![range(20, 20)]));
    }
}
