//! Everything that is due some time, with the next one at hand: a hierarchical timer wheel (Varghese, Lauck
//! 1987).
//!
//! Time is written in digits of six bits. An entry lies on the level of the highest digit in which its time
//! differs from that of the wheel, in the slot of its own digit there: so all of a level come before all of the
//! next one, and slots of a level in their order. When the wheel's time moves on to another digit of a level, what
//! lies in that slot is laid out anew on the levels below, at most once each. Setting and cancelling cost the same
//! however much there is; times stay exact, as only the slot of the next entry is looked through.

use crate::Tick;

/// The lowest digit counts slots of 1,024 microseconds.
const GRAIN: u32 = 10;
const DIGIT: u32 = 6;
const SLOTS: usize = 1 << DIGIT;
/// Enough for all of a tick.
const LEVELS: usize = (u64::BITS - GRAIN).div_ceil(DIGIT) as usize;
/// The list of entries that are not armed: the one that rests longest comes first.
const RESTING: usize = LEVELS * SLOTS;
const NONE: u32 = u32::MAX;

/// Where an entry lies, until it is removed.
pub(super) type Index = u32;

#[derive(Debug)]
pub(super) struct Wheel<T> {
    entries: Vec<Entry<T>>,
    free: Vec<Index>,
    /// Rings of entries: those of each slot, and those that rest.
    lists: Box<[Index; RESTING + 1]>,
    /// A bit for each slot of a level that is not empty.
    taken: [u64; LEVELS],
    resting: usize,
    /// The wheel's own time: nothing that is armed lies before it, but what was due already when it was armed.
    time: Tick,
    armed: u64,
    first: Option<Index>,
}

#[derive(Debug)]
struct Entry<T> {
    value: Option<T>,
    /// When it is due; of two that are due at once the one that was armed first comes first.
    due: (Tick, u64),
    list: usize,
    before: Index,
    after: Index,
}

impl<T> Default for Wheel<T> {
    fn default() -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            lists: Box::new([NONE; RESTING + 1]),
            taken: [0; LEVELS],
            resting: 0,
            time: Tick(0),
            armed: 0,
            first: None,
        }
    }
}

impl<T: Clone> Wheel<T> {
    /// Takes in an entry, which rests.
    pub(super) fn insert(&mut self, value: T) -> Index {
        let (value, due) = (Some(value), (Tick(0), 0));
        let entry = Entry { value, due, list: RESTING, before: NONE, after: NONE };
        let index = match self.free.pop() {
            Some(index) => {
                self.entries[index as usize] = entry;
                index
            }
            None => {
                self.entries.push(entry);
                (self.entries.len() - 1) as Index
            }
        };
        self.link(index, RESTING);
        index
    }

    /// Takes an entry out; its place is given to another one.
    pub(super) fn remove(&mut self, index: Index) -> Option<T> {
        self.rest(index);
        self.unlink(index);
        self.free.push(index);
        self.entries[index as usize].value.take()
    }

    /// Makes an entry due at a time, whether it was already or not.
    pub(super) fn arm(&mut self, index: Index, at: Tick) {
        self.rest(index);
        self.unlink(index);
        self.armed += 1;
        self.entries[index as usize].due = (at, self.armed);
        self.link(index, self.slot_of(at));
        if self.first.is_none_or(|first| self.entries[first as usize].due > (at, self.armed)) {
            self.first = Some(index);
        }
    }

    /// Makes an entry rest.
    pub(super) fn rest(&mut self, index: Index) {
        if self.entries[index as usize].list == RESTING {
            return;
        }
        self.unlink(index);
        self.link(index, RESTING);
        if self.first == Some(index) {
            self.first = self.find_first();
        }
    }

    /// When an entry is due, unless it rests.
    pub(super) fn due(&self, index: Index) -> Option<Tick> {
        let entry = &self.entries[index as usize];
        (entry.list != RESTING).then_some(entry.due.0)
    }

    /// When the next one is due.
    pub(super) fn next(&self) -> Option<Tick> {
        self.first.and_then(|first| self.due(first))
    }

    /// The next entry that is due by `now`, put to rest.
    pub(super) fn take_due(&mut self, now: Tick) -> Option<T> {
        let due = self.next().filter(|due| *due <= now);
        let Some((first, due)) = self.first.zip(due) else {
            self.advance(now);
            return None;
        };
        self.rest(first);
        self.advance(due);
        self.entries[first as usize].value.clone()
    }

    /// The entry that has rested longest, if more than so many rest.
    pub(super) fn oldest_beyond(&self, most: usize) -> Option<(Index, T)> {
        let oldest = self.lists[RESTING];
        let value = self.entries.get(oldest as usize).filter(|_| self.resting > most)?.value.clone()?;
        Some((oldest, value))
    }

    /// Moves the wheel's time on. Nothing armed may be due before.
    fn advance(&mut self, to: Tick) {
        if to <= self.time {
            return;
        }
        let level = level(self.time, to);
        self.time = to;
        let slot = level * SLOTS + digit(to, level);
        while level > 0 && self.lists[slot] != NONE {
            let index = self.lists[slot];
            self.unlink(index);
            self.link(index, self.slot_of(self.entries[index as usize].due.0));
        }
    }

    fn slot_of(&self, at: Tick) -> usize {
        let at = at.max(self.time);
        let level = level(self.time, at);
        level * SLOTS + digit(at, level)
    }

    fn find_first(&self) -> Option<Index> {
        let level = self.taken.iter().position(|taken| *taken != 0)?;
        let head = self.lists[level * SLOTS + self.taken[level].trailing_zeros() as usize];
        let after = |index: &Index| Some(self.entries[*index as usize].after).filter(|next| *next != head);
        std::iter::successors(Some(head), after).min_by_key(|index| self.entries[*index as usize].due)
    }

    /// Puts an entry at the end of a list.
    fn link(&mut self, index: Index, list: usize) {
        let head = self.lists[list];
        let (before, after) = match head {
            NONE => (index, index),
            head => (self.entries[head as usize].before, head),
        };
        let entry = &mut self.entries[index as usize];
        (entry.list, entry.before, entry.after) = (list, before, after);
        self.entries[before as usize].after = index;
        self.entries[after as usize].before = index;
        if head == NONE {
            self.lists[list] = index;
        }
        match self.taken.get_mut(list / SLOTS) {
            Some(taken) => *taken |= 1 << (list % SLOTS),
            None => self.resting += 1,
        }
    }

    fn unlink(&mut self, index: Index) {
        let &Entry { list, before, after, .. } = &self.entries[index as usize];
        self.entries[before as usize].after = after;
        self.entries[after as usize].before = before;
        if self.lists[list] == index {
            self.lists[list] = if after == index { NONE } else { after };
        }
        match self.taken.get_mut(list / SLOTS) {
            Some(taken) if self.lists[list] == NONE => *taken &= !(1 << (list % SLOTS)),
            Some(_) => {}
            None => self.resting -= 1,
        }
    }
}

/// Of the highest digit in which two times differ.
fn level(one: Tick, other: Tick) -> usize {
    let differ = (one.0 ^ other.0) >> GRAIN;
    differ.checked_ilog2().unwrap_or(0) as usize / DIGIT as usize
}

fn digit(at: Tick, level: usize) -> usize {
    (at.0 >> (GRAIN + DIGIT * level as u32)) as usize % SLOTS
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// What a wheel is to be: everything in one order.
    #[derive(Default)]
    struct Model {
        due: BTreeMap<u8, (Tick, u64)>,
        order: BTreeSet<(Tick, u64, u8)>,
        armed: u64,
    }

    impl Model {
        fn rest(&mut self, name: u8) {
            let due = self.due.remove(&name);
            due.into_iter().for_each(|(at, armed)| _ = self.order.remove(&(at, armed, name)));
        }

        fn arm(&mut self, name: u8, at: Tick) {
            self.rest(name);
            self.armed += 1;
            self.due.insert(name, (at, self.armed));
            self.order.insert((at, self.armed, name));
        }

        fn take_due(&mut self, now: Tick) -> Option<u8> {
            let (_, _, name) = *self.order.first().filter(|(at, ..)| *at <= now)?;
            self.rest(name);
            Some(name)
        }
    }

    #[derive(Debug, Clone)]
    enum Step {
        Arm(u8, u64),
        Rest(u8),
        Remove(u8),
        Pass(u64),
    }

    /// Times of all sizes: pauses of a microsecond, of seconds, of years.
    fn span() -> impl Strategy<Value = u64> {
        (0..=63_u32, any::<u64>()).prop_map(|(bits, random)| random >> bits)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (0..40_u8, span()).prop_map(|(name, after)| Step::Arm(name, after)),
            1 => (0..40_u8).prop_map(Step::Rest),
            1 => (0..40_u8).prop_map(Step::Remove),
            3 => (0..45_u32, any::<u64>()).prop_map(|(bits, random)| Step::Pass(random >> 19 >> bits)),
        ]
    }

    proptest! {
        #[test]
        fn it_is_an_ordered_set(steps in proptest::collection::vec(step(), 1..200)) {
            let (mut wheel, mut model) = (Wheel::default(), Model::default());
            let (mut now, mut places) = (Tick(1 << 40), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Arm(name, after) => {
                        // Some are due already when they are armed.
                        let at = Tick((now.0 - 2_000_000).saturating_add(after));
                        let index = *places.entry(name).or_insert_with(|| wheel.insert(name));
                        wheel.arm(index, at);
                        model.arm(name, at);
                        prop_assert_eq!(wheel.due(index), Some(at));
                    }
                    Step::Rest(name) => {
                        places.get(&name).into_iter().for_each(|index| wheel.rest(*index));
                        model.rest(name);
                    }
                    Step::Remove(name) => {
                        places.remove(&name).into_iter().for_each(|at| assert_eq!(wheel.remove(at), Some(name)));
                        model.rest(name);
                    }
                    Step::Pass(span) => {
                        now = Tick(now.0.saturating_add(span));
                        loop {
                            let due = wheel.take_due(now);
                            prop_assert_eq!(due, model.take_due(now));
                            if due.is_none() {
                                break;
                            }
                        }
                    }
                }
                prop_assert_eq!(wheel.next(), model.order.first().map(|(at, ..)| *at));
                prop_assert_eq!(wheel.resting, places.len() - model.due.len());
            }
        }
    }

    #[test]
    fn what_rests_longest_is_known() {
        let mut wheel = Wheel::default();
        let [a, b, c] = ["a", "b", "c"].map(|name| wheel.insert(name));
        wheel.arm(a, Tick(5));
        assert_eq!(wheel.oldest_beyond(1), Some((b, "b")));
        assert_eq!(wheel.take_due(Tick(5)), Some("a"));
        wheel.arm(b, Tick(9));
        assert_eq!((wheel.oldest_beyond(1), wheel.oldest_beyond(2)), (Some((c, "c")), None));
    }

    /// A slot of a high level is laid out below when its time comes, once.
    #[test]
    fn what_is_far_comes_nearer() {
        let mut wheel = Wheel::default();
        let far = Tick(3 << 40 | 77);
        let indices: Vec<Index> = (0..100).map(|name| wheel.insert(name)).collect();
        for (name, index) in indices.iter().enumerate() {
            wheel.arm(*index, Tick(far.0 + name as u64 * 1_000_000));
        }
        assert!(wheel.taken[5..].iter().any(|taken| *taken != 0));
        assert_eq!(wheel.take_due(Tick(far.0 - 1)), None);
        assert!(wheel.taken[5..].iter().all(|taken| *taken == 0), "{:?}", wheel.taken);
        assert_eq!(wheel.take_due(far), Some(0));
        assert_eq!(wheel.next(), Some(Tick(far.0 + 1_000_000)));
    }
}
