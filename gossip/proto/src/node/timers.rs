//! Everything the node waits for, and the one deadline that follows.

use std::collections::BTreeMap;

use super::LinkId;
use super::wheel::{Index, Wheel};
use crate::{ChannelId, LogId, MemberKey, NodeId, Tick};

/// Something to be done later.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Say hello again.
    Hello(LinkId),
    /// Probe the link.
    Ping(LinkId),
    /// Send the list of channels again.
    Scan(LinkId),
    /// Compare a channel with a peer.
    Round(LinkId, ChannelId),
    /// Give up on answers that did not come.
    Wants(LinkId),
    /// Ask again for missing pieces.
    Pieces(NodeId),
    /// Read the head of a log whose last commit failed.
    Thaw(LogId),
    /// Write a change again whose outcome is unknown.
    Admin,
    /// Let the store be used again for what peers send.
    Store,
    /// Give up on answers about holes, or ask for some again.
    Refill,
    /// Ask peers again who holds an entry, or give up on it.
    Delivered,
    /// Write down what is remembered of peers.
    Hints,
    /// Go on making a sketch of a channel, or drop it.
    Sketch(ChannelId),
    /// Tell erasures again.
    Tell(LinkId, ChannelId),
    /// Try a step of an erasure again.
    Erase(u64),
    /// Look at branches again.
    Forks,
    /// Look for neighbours.
    Overlay,
    /// Try whether a member is near.
    Near,
    /// Try members that are down.
    Dead,
    /// Forget members that are gone.
    Gone,
    /// Compare tables of members.
    Table(LinkId),
    /// Tell of new members.
    News,
    /// Look for what beats told to be different.
    Content(LinkId),
    /// Announce heights.
    Have(LinkId),
    /// Ask for what was announced.
    Missing(LinkId),
    /// Ask again for hashes in the search for a fork.
    Search(LinkId),
    /// Say a beat.
    Beat,
    /// Say a beat on a link on which they are rare.
    Calm(LinkId),
    /// Miss a beat.
    Due(LinkId),
    /// Ask a member again that does not answer, or give up on it.
    Doubt(MemberKey),
    /// A suspicion is over.
    Suspicion(MemberKey),
    /// A member that dozed is back, or late.
    Doze(MemberKey),
}

/// Timers that fired and may be set again, at most.
const KEPT: usize = 64;

/// At most one due time for each timer. Those that fired last stay known, so that setting them again, as most
/// do, reserves no memory.
#[derive(Debug, Default)]
pub(super) struct Timers {
    known: BTreeMap<Timer, Index>,
    wheel: Wheel<Timer>,
}

impl Timers {
    /// Sets or moves a timer.
    pub(super) fn set(&mut self, timer: Timer, at: Tick) {
        let index = match self.known.get(&timer) {
            Some(index) => *index,
            None => {
                let index = self.wheel.insert(timer.clone());
                self.known.insert(timer, index);
                index
            }
        };
        self.wheel.arm(index, at);
    }

    /// Sets a timer, or moves it closer.
    pub(super) fn bring_forward(&mut self, timer: Timer, at: Tick) {
        if self.due(&timer).is_none_or(|old| old > at) {
            self.set(timer, at);
        }
    }

    /// Sets a timer unless it is set.
    pub(super) fn ensure(&mut self, timer: Timer, at: Tick) {
        if self.due(&timer).is_none() {
            self.set(timer, at);
        }
    }

    /// Forgets a timer.
    pub(super) fn cancel(&mut self, timer: &Timer) {
        self.known.remove(timer).and_then(|index| self.wheel.remove(index));
    }

    /// The next timer due by `now`, taken off.
    pub(super) fn take_due(&mut self, now: Tick) -> Option<Timer> {
        let timer = self.wheel.take_due(now);
        if let Some((index, oldest)) = self.wheel.oldest_beyond(KEPT) {
            self.known.remove(&oldest);
            self.wheel.remove(index);
        }
        timer
    }

    /// When the next timer is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.wheel.next()
    }

    pub(super) fn is_set(&self, timer: &Timer) -> bool {
        self.due(timer).is_some()
    }

    fn due(&self, timer: &Timer) -> Option<Tick> {
        self.known.get(timer).and_then(|index| self.wheel.due(*index))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Timers {
        /// How many are set, or stay known.
        pub(in crate::node) fn count(&self) -> usize {
            self.known.len()
        }
    }

    #[test]
    fn each_timer_is_due_once_and_in_order() {
        let mut timers = Timers::default();
        let [hello, ping] = [Timer::Hello(LinkId(1)), Timer::Ping(LinkId(1))];
        timers.set(hello.clone(), Tick(9));
        timers.bring_forward(hello.clone(), Tick(10));
        timers.ensure(hello.clone(), Tick(3));
        timers.set(ping.clone(), Tick(9));
        assert_eq!((timers.take_due(Tick(8)), timers.deadline()), (None, Some(Tick(9))));
        assert_eq!(timers.take_due(Tick(9)), Some(hello.clone()));
        timers.ensure(hello.clone(), Tick(9));
        assert_eq!([timers.take_due(Tick(9)), timers.take_due(Tick(9))], [Some(ping.clone()), Some(hello)]);
        timers.bring_forward(ping.clone(), Tick(20));
        timers.bring_forward(ping.clone(), Tick(12));
        assert_eq!(timers.deadline(), Some(Tick(12)));
        timers.cancel(&ping);
        assert_eq!((timers.deadline(), timers.take_due(Tick(99))), (None, None));
    }

    #[test]
    fn only_some_of_those_that_fired_stay_known() {
        let mut timers = Timers::default();
        for number in 0..1_000 {
            timers.set(Timer::Erase(number), Tick(number));
        }
        while timers.take_due(Tick(999)).is_some() {}
        assert_eq!(timers.known.len(), KEPT);
        timers.set(Timer::Erase(999), Tick(1_000));
        assert_eq!((timers.known.len(), timers.take_due(Tick(1_000))), (KEPT, Some(Timer::Erase(999))));
    }
}
