//! Everything the node waits for, and the one deadline that follows.

use std::collections::{BTreeMap, BTreeSet};

use super::LinkId;
use crate::{ChannelId, LogId, NodeId, Tick};

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
    /// Ask again for hashes in the search for a fork.
    Search(LinkId),
}

/// At most one due time for each timer.
#[derive(Debug, Default)]
pub(super) struct Timers {
    due: BTreeMap<Timer, Tick>,
    order: BTreeSet<(Tick, Timer)>,
}

impl Timers {
    /// Sets or moves a timer.
    pub(super) fn set(&mut self, timer: Timer, at: Tick) {
        if let Some(old) = self.due.insert(timer.clone(), at) {
            self.order.remove(&(old, timer.clone()));
        }
        self.order.insert((at, timer));
    }

    /// Sets a timer, or moves it closer.
    pub(super) fn bring_forward(&mut self, timer: Timer, at: Tick) {
        if self.due.get(&timer).is_none_or(|old| *old > at) {
            self.set(timer, at);
        }
    }

    /// Sets a timer unless it is set.
    pub(super) fn ensure(&mut self, timer: Timer, at: Tick) {
        if !self.due.contains_key(&timer) {
            self.set(timer, at);
        }
    }

    /// Forgets a timer.
    pub(super) fn cancel(&mut self, timer: &Timer) {
        if let Some(old) = self.due.remove(timer) {
            self.order.remove(&(old, timer.clone()));
        }
    }

    /// The next timer due by `now`, taken off.
    pub(super) fn take_due(&mut self, now: Tick) -> Option<Timer> {
        let (at, _) = self.order.first()?;
        if *at > now {
            return None;
        }
        let (_, timer) = self.order.pop_first()?;
        self.due.remove(&timer);
        Some(timer)
    }

    /// When the next timer is due.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.order.first().map(|(at, _)| *at)
    }
}
