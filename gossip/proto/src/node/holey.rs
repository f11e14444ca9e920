//! Logs that may have a hole worth asking for, and when each is looked at next.
//!
//! There may be a hundred thousand of them that nobody can fill: what is done follows what happens, not
//! their number. So a log that was looked at in vain is put off until something happens to it, or for
//! a time; only those that are due are in a queue, one for each channel.

use std::collections::{BTreeMap, BTreeSet};

use crate::{ChannelId, LogId, Tick};

#[derive(Debug, Default)]
pub(super) struct Holey {
    logs: BTreeMap<LogId, (ChannelId, Place)>,
    /// To be looked at, in turns.
    due: BTreeMap<(ChannelId, u64), LogId>,
    later: BTreeSet<(Tick, LogId)>,
    number: u64,
}

#[derive(Debug, Clone, Copy)]
enum Place {
    Due(u64),
    Later(Tick),
    /// A peer is being asked.
    Asked,
}

impl Holey {
    /// Has a log looked at: a new one, or one to which something happened.
    pub(super) fn add(&mut self, log: LogId, channel: &ChannelId) {
        match self.logs.get(&log) {
            Some((_, Place::Due(_) | Place::Asked)) => {}
            Some((_, Place::Later(_))) => self.back(log),
            None => {
                self.logs.insert(log, (channel.clone(), Place::Asked));
                self.back(log);
            }
        }
    }

    pub(super) fn remove(&mut self, log: &LogId) {
        self.take_out(log);
        self.logs.remove(log);
    }

    /// It waits until then, or for something to happen to it.
    pub(super) fn put_off(&mut self, log: LogId, until: Tick) {
        if self.take_out(&log) {
            self.later.insert((until, log));
            self.put(log, Place::Later(until));
        }
    }

    /// A peer is being asked, until [`Holey::answered`].
    pub(super) fn asked(&mut self, log: LogId) {
        if self.take_out(&log) {
            self.put(log, Place::Asked);
        }
    }

    pub(super) fn answered(&mut self, log: LogId) {
        if let Some((_, Place::Asked)) = self.logs.get(&log) {
            self.back(log);
        }
    }

    /// It is due, after all others.
    pub(super) fn back(&mut self, log: LogId) {
        if !self.take_out(&log) {
            return;
        }
        self.number += 1;
        if let Some((channel, place)) = self.logs.get_mut(&log) {
            *place = Place::Due(self.number);
            self.due.insert((channel.clone(), self.number), log);
        }
    }

    /// Those whose time has come are due.
    pub(super) fn wake_due(&mut self, now: Tick) {
        while let Some((_, log)) = self.later.first().filter(|(until, _)| *until <= now) {
            self.back(*log);
        }
    }

    /// Something happened to all of them.
    pub(super) fn wake_all(&mut self) {
        self.wake_due(Tick(u64::MAX));
    }

    /// When the next one is due by itself.
    pub(super) fn next_due(&self) -> Option<Tick> {
        self.later.first().map(|(until, _)| *until)
    }

    /// Channels with logs that are due.
    pub(super) fn channels(&self) -> Vec<ChannelId> {
        let mut channels: Vec<ChannelId> = Vec::new();
        let first = self.due.first_key_value();
        let mut next = first.map(|((channel, _), _)| channel);
        while let Some(channel) = next {
            channels.push(channel.clone());
            let behind = (channel.clone(), u64::MAX);
            next = self.due.range(behind..).next().map(|((channel, _), _)| channel);
        }
        channels
    }

    /// The mark up to which a round goes that begins now.
    pub(super) fn mark(&self) -> u64 {
        self.number
    }

    /// The first that is due in a channel, of those before a mark.
    pub(super) fn first(&self, channel: &ChannelId, mark: u64) -> Option<LogId> {
        let due = self.due.range((channel.clone(), 0)..=(channel.clone(), mark)).next();
        due.map(|(_, log)| *log)
    }

    fn take_out(&mut self, log: &LogId) -> bool {
        let Some((channel, place)) = self.logs.get(log) else { return false };
        match place {
            Place::Due(number) => drop(self.due.remove(&(channel.clone(), *number))),
            Place::Later(until) => drop(self.later.remove(&(*until, *log))),
            Place::Asked => {}
        }
        true
    }

    fn put(&mut self, log: LogId, to: Place) {
        if let Some((_, place)) = self.logs.get_mut(&log) {
            *place = to;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(number: u8) -> LogId {
        LogId([number; 16])
    }

    #[test]
    fn a_log_is_in_one_place_and_comes_back_from_each() {
        let (ours, others) = (ChannelId::new("a").unwrap(), ChannelId::new("b").unwrap());
        let mut holey = Holey::default();
        holey.add(log(1), &others);
        holey.add(log(2), &ours);
        holey.add(log(3), &ours);
        holey.add(log(2), &ours);
        assert_eq!(holey.channels(), [ours.clone(), others.clone()]);
        let mark = holey.mark();
        assert_eq!(holey.first(&ours, mark), Some(log(2)));
        holey.back(log(2));
        assert_eq!(holey.first(&ours, mark), Some(log(3)), "they take turns");
        holey.asked(log(3));
        assert_eq!(holey.first(&ours, mark), None, "one round");
        holey.put_off(log(2), Tick(9));
        holey.add(log(3), &ours);
        assert_eq!(holey.channels(), std::slice::from_ref(&others), "an answer is waited for");
        holey.answered(log(3));
        holey.answered(log(2));
        assert_eq!((holey.first(&ours, u64::MAX), holey.next_due()), (Some(log(3)), Some(Tick(9))));
        holey.wake_due(Tick(8));
        assert_eq!(holey.next_due(), Some(Tick(9)));
        holey.wake_due(Tick(9));
        holey.remove(&log(3));
        assert_eq!((holey.first(&ours, u64::MAX), holey.next_due()), (Some(log(2)), None));
        holey.put_off(log(2), Tick(99));
        holey.add(log(2), &ours);
        assert_eq!(holey.first(&ours, u64::MAX), Some(log(2)), "something happened to it");
        [1, 2].map(log).iter().for_each(|log| holey.remove(log));
        assert!(holey.logs.is_empty() && holey.due.is_empty() && holey.later.is_empty());
    }
}
