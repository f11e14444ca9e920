//! Virtual time: what happens next, and when.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use gossip_proto::Tick;

/// The queue of happenings, in order of time, then of planning. What lies in the heap is small; the
/// happenings themselves rest in slots that are used again.
#[derive(Debug)]
pub(super) struct Calendar<T> {
    now: Tick,
    planned: u64,
    order: BinaryHeap<Reverse<(Tick, u64, u32)>>,
    slots: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Calendar<T> {
    fn default() -> Self {
        Self { now: Tick(0), planned: 0, order: BinaryHeap::new(), slots: Vec::new(), free: Vec::new() }
    }
}

impl<T> Calendar<T> {
    pub(super) fn now(&self) -> Tick {
        self.now
    }

    /// Plans something; what should have happened already happens now.
    pub(super) fn plan(&mut self, at: Tick, what: T) {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() as u32 - 1
        });
        self.slots[slot as usize] = Some(what);
        self.planned += 1;
        self.order.push(Reverse((at.max(self.now), self.planned, slot)));
    }

    /// The next happening at or before `until`; when there is none, time stands at `until`.
    pub(super) fn next(&mut self, until: Tick) -> Option<T> {
        match self.order.peek() {
            Some(Reverse((at, _, slot))) if *at <= until => {
                let (at, slot) = (*at, *slot);
                self.order.pop();
                self.now = at;
                self.free.push(slot);
                self.slots[slot as usize].take()
            }
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_planned_first_happens_first_and_slots_are_used_again() {
        let mut calendar = Calendar::default();
        for (at, name) in [(5, "b"), (3, "a"), (5, "c"), (9, "d")] {
            calendar.plan(Tick(at), name);
        }
        let seen: Vec<_> = std::iter::from_fn(|| calendar.next(Tick(8))).collect();
        assert_eq!((seen, calendar.now()), (vec!["a", "b", "c"], Tick(8)));
        calendar.plan(Tick(1), "late");
        assert_eq!((calendar.next(Tick(8)), calendar.slots.len()), (Some("late"), 4));
    }
}
