//! How often something may happen: a few times at once, then once in a while (the virtual scheduling of ITU-T
//! I.371, in one number).

use std::time::Duration;

use crate::Tick;

/// When it would have been due if it had happened at an even pace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::node) struct Bucket(Tick);

impl Bucket {
    /// Whether it happened less than a pause ago.
    pub(super) fn is_spent(&self, now: Tick) -> bool {
        self.0 > now
    }

    /// How far it is ahead of an even pace.
    pub(super) fn owes(&self, now: Tick) -> Duration {
        self.0.since(now)
    }

    /// Counts something that takes so long at an even pace.
    pub(super) fn spend(&mut self, now: Tick, cost: Duration) {
        self.0 = self.0.max(now) + cost;
    }

    /// Whether it may happen now; counted if so.
    pub(in crate::node) fn take(&mut self, now: Tick, at_once: u32, pause: Duration) -> bool {
        let may = self.owes(now) <= pause * at_once.saturating_sub(1);
        if may {
            self.spend(now, pause);
        }
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_few_at_once_and_then_one_a_while() {
        let (mut bucket, second) = (Bucket::default(), Duration::from_secs(1));
        let mut count = |at: Duration| (0..10).filter(|_| bucket.take(Tick(77) + at, 4, second)).count();
        assert_eq!(
            [0, 999, 1_000, 3_500, 60_000].map(|at| count(Duration::from_millis(at))),
            [4, 0, 1, 2, 4]
        );
    }
}
