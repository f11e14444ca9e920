//! A few earlier states at growing distances, to go back to.

use gossip_proto::OrderKey;

use super::progress::Progress;

/// Earlier states in order of their keys: the first one, and about two for each doubling of the
/// distance from the newest, counted in entries. One more is pinned.
pub(super) struct Checkpoints<S>(Vec<Kept<S>>);

struct Kept<S> {
    pinned: bool,
    at: Progress<S>,
}

impl<S: Clone> Checkpoints<S> {
    pub(super) fn new(first: Progress<S>) -> Self {
        Self(vec![Kept { pinned: false, at: first }])
    }

    /// Adds a state later than all kept ones and thins the older ones.
    pub(super) fn push(&mut self, at: Progress<S>) {
        let Some(newest) = self.0.last() else { return };
        if newest.at.key == at.key {
            return;
        }
        self.0.push(Kept { pinned: false, at });
        self.thin();
    }

    /// Adds a state, or takes the newest one, that is kept until the next is pinned.
    pub(super) fn pin(&mut self, at: Progress<S>) {
        for kept in &mut self.0 {
            kept.pinned = false;
        }
        self.push(at);
        if let Some(newest) = self.0.last_mut() {
            newest.pinned = true;
        }
    }

    /// Forgets the states at or after `key`; gives the newest before it. The first one stays.
    pub(super) fn rewind(&mut self, key: &OrderKey) -> Option<Progress<S>> {
        self.0.retain(|kept| kept.at.key.as_ref().is_none_or(|at| at < key));
        self.0.last().map(|kept| kept.at.clone())
    }

    /// Forgets the oldest states as long as they are of no use.
    pub(super) fn drop_front(&mut self, useless: impl Fn(&Progress<S>) -> bool) {
        let first = self.0.iter().position(|kept| !useless(&kept.at)).unwrap_or(self.0.len());
        self.0.drain(..first);
    }

    /// The oldest state there is to go back to.
    pub(super) fn oldest(&self) -> Option<&Progress<S>> {
        self.0.first().map(|kept| &kept.at)
    }

    /// Begins anew with this state, when none is left.
    pub(super) fn restart(&mut self, at: Progress<S>) {
        if self.0.is_empty() {
            self.0.push(Kept { pinned: false, at });
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Drops a state when its older neighbour is at most twice as far from the newest as its
    /// younger one: going back never costs much more than twice what is needed.
    fn thin(&mut self) {
        let newest = self.0.last().map_or(0, |kept| kept.at.position());
        let distance = |kept: &Kept<S>| newest.saturating_sub(kept.at.position());
        for middle in (1..self.0.len().saturating_sub(1)).rev() {
            let (older, younger) = (distance(&self.0[middle - 1]), distance(&self.0[middle + 1]));
            if !self.0[middle].pinned && older <= 2 * younger {
                self.0.remove(middle);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use gossip_proto::{Epoch, LogId, NodeId, Stamp};

    use super::*;

    fn at(n: u64) -> Progress<()> {
        let author = NodeId::new("ann").unwrap();
        let (epoch, log) = (Epoch::new(1, 0), LogId([0; 16]));
        let key = OrderKey { stamp: Stamp::new(n, 0), author, epoch, sequence: n, log };
        Progress { key: (n > 0).then_some(key), folded: n, ..Progress::new(()) }
    }

    #[test]
    fn few_are_kept_and_a_late_entry_never_costs_more_than_a_few_times_its_distance() {
        for distance in [1_u64, 2, 3, 7, 20, 100, 500, 999] {
            let mut kept = Checkpoints::new(at(0));
            (1..=1000).for_each(|n| kept.push(at(n)));
            assert!(kept.len() <= 2 + 2 * 10, "{} kept", kept.len());
            let key = at(1000 - distance + 1).key.unwrap();
            let back = kept.rewind(&key).unwrap().position();
            assert!(1000 - back <= 2 * distance + 1, "{distance} back cost {}", 1000 - back);
        }
    }

    #[test]
    fn the_pinned_one_stays_until_the_next_is_pinned() {
        let mut kept = Checkpoints::new(at(0));
        kept.pin(at(1));
        (2..=64).for_each(|n| kept.push(at(n)));
        assert_eq!(kept.rewind(&at(2).key.unwrap()).unwrap().position(), 1);
        kept.pin(at(3));
        (4..=64).for_each(|n| kept.push(at(n)));
        assert_eq!(kept.rewind(&at(3).key.unwrap()).unwrap().position(), 0);
    }
}
