//! Hashes of the table that move with each change, at the same cost however many members there are.
//!
//! A sum of 64 bits modulo 2^64 is no defence against a member that lies, who can do worse; it finds what
//! differs by accident.

use crate::wire::Summed;
use crate::{MemberKey, MemberState};

/// Arcs of the ring, by the first byte of a key.
const ARCS: usize = 256;
/// Arcs in one message.
const STEP: usize = 16;

/// Both hashes of a table, in all and for each arc.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Sums {
    present: Arcs,
    roster: Arcs,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Arcs {
    all: u64,
    arcs: Box<[u64; ARCS]>,
}

impl Default for Arcs {
    fn default() -> Self {
        Self { all: 0, arcs: Box::new([0; ARCS]) }
    }
}

impl Sums {
    /// Of all of it.
    pub(super) fn all(&self, of: Summed) -> u64 {
        self.arcs(of).all
    }

    /// Of sixteen arcs: those of the first four bits, or of the second four below these.
    pub(super) fn step(&self, of: Summed, path: Option<u8>) -> [u64; STEP] {
        let (arcs, _) = self.arcs(of).arcs.as_chunks::<STEP>();
        match path {
            Some(path) => arcs[usize::from(path) % STEP],
            None => {
                std::array::from_fn(|arc| arcs[arc].iter().fold(0, |sum: u64, arc| sum.wrapping_add(*arc)))
            }
        }
    }

    /// Takes in a row.
    pub(super) fn add(&mut self, key: MemberKey, incarnation: u64, state: MemberState) {
        self.change(key, incarnation, state, u64::wrapping_add);
    }

    /// Takes out a row that was taken in like that.
    pub(super) fn take(&mut self, key: MemberKey, incarnation: u64, state: MemberState) {
        self.change(key, incarnation, state, u64::wrapping_sub);
    }

    fn change(&mut self, key: MemberKey, incarnation: u64, state: MemberState, by: fn(u64, u64) -> u64) {
        let (present, roster) = marks(state);
        for (arcs, mark) in [(&mut self.present, present), (&mut self.roster, roster)] {
            let Some(mark) = mark else { continue };
            let mixed = mix(key, incarnation, mark);
            arcs.all = by(arcs.all, mixed);
            let arc = &mut arcs.arcs[usize::from(key.bucket())];
            *arc = by(*arc, mixed);
        }
    }

    fn arcs(&self, of: Summed) -> &Arcs {
        match of {
            Summed::Present => &self.present,
            Summed::Roster => &self.roster,
        }
    }
}

/// As what a member of that state counts among those present, and on the roster.
fn marks(state: MemberState) -> (Option<u64>, Option<u64>) {
    match state {
        MemberState::Live => (Some(1), Some(3)),
        MemberState::Left => (Some(2), None),
        MemberState::Down => (None, Some(3)),
    }
}

fn mix(key: MemberKey, incarnation: u64, mark: u64) -> u64 {
    finish(finish(key.0 ^ mark).wrapping_add(incarnation.wrapping_mul(0x9e37_79b9_7f4a_7c15)))
}

/// The end of SplitMix64 (Steele, Lea, Flood 2014): each bit changes half of all bits.
fn finish(mut z: u64) -> u64 {
    z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ z >> 31
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: MemberKey = MemberKey(0x12 << 56 | 7);

    #[test]
    fn who_is_where_counts() {
        let sum = |state| {
            let mut sums = Sums::default();
            sums.add(KEY, 5, state);
            (sums.all(Summed::Present), sums.all(Summed::Roster))
        };
        let [live, down, left] = [MemberState::Live, MemberState::Down, MemberState::Left].map(sum);
        assert!(live.0 != left.0 && live.1 == down.1);
        assert_eq!((down.0, left.1), (0, 0));
        // The other side may be of another build.
        assert_eq!(live, (7_541_960_559_394_743_603, 15_874_343_311_575_326_198));
    }

    #[test]
    fn sums_lead_to_the_arc() {
        let mut sums = Sums::default();
        sums.add(KEY, 5, MemberState::Live);
        let (all, first) = (sums.all(Summed::Present), sums.step(Summed::Present, None));
        assert!(first[1] == all && first.iter().filter(|sum| **sum != 0).count() == 1);
        let second = sums.step(Summed::Present, Some(1));
        assert!(second[2] == all && second.iter().filter(|sum| **sum != 0).count() == 1);
        assert_eq!(sums.step(Summed::Present, Some(2)), [0; STEP]);
        sums.take(KEY, 5, MemberState::Live);
        assert_eq!(sums, Sums::default());
    }
}
