//! The node-wide hybrid logical clock.

use std::time::Duration;

use crate::{Stamp, WallMs};

/// What became of a remote stamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Observed {
    /// The next local stamp will be later than it.
    Merged,
    /// It is further ahead of our wall clock than the drift bound: not merged.
    TooFarAhead {
        /// How far ahead of the wall clock it stands.
        by: Duration,
    },
}

/// The clock cannot move forward any more (year 10889).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the hybrid clock has reached its last stamp")]
pub struct ClockExhausted;

/// A hybrid logical clock: strictly increasing whatever the wall clock does, never poisoned by
/// a remote stamp beyond the drift bound.
#[derive(Debug, Clone)]
pub struct Hlc {
    last: Stamp,
    max_drift: Duration,
}

impl Hlc {
    /// A clock that continues after `last`.
    #[must_use]
    pub fn new(last: Stamp, max_drift: Duration) -> Self {
        Self { last, max_drift }
    }

    /// The newest stamp given out or merged.
    #[must_use]
    pub fn last(&self) -> Stamp {
        self.last
    }

    /// A new stamp, later than every stamp given out or merged before.
    ///
    /// # Errors
    /// [`ClockExhausted`] when no later stamp exists.
    pub fn tick(&mut self, wall: WallMs) -> Result<Stamp, ClockExhausted> {
        let next = self.last.next().ok_or(ClockExhausted)?;
        self.last = next.max(Stamp::new(wall.0, 0));
        Ok(self.last)
    }

    /// Merges a remote stamp unless it is beyond the drift bound.
    pub fn observe(&mut self, remote: Stamp, wall: WallMs) -> Observed {
        let by = Duration::from_millis(remote.millis().saturating_sub(wall.0));
        if by > self.max_drift {
            return Observed::TooFarAhead { by };
        }
        self.last = self.last.max(remote);
        Observed::Merged
    }

    /// Whether a stamp lies further ahead of the wall than the drift bound.
    #[must_use]
    pub fn is_too_far_ahead(&self, stamp: Stamp, wall: WallMs) -> bool {
        Duration::from_millis(stamp.millis().saturating_sub(wall.0)) > self.max_drift
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DRIFT: Duration = Duration::from_secs(300);

    #[test]
    fn stamps_increase_when_the_wall_stands_still_or_goes_back() {
        let mut clock = Hlc::new(Stamp::ZERO, DRIFT);
        let mut last = Stamp::ZERO;
        for wall in [1000, 1000, 999, 0, 1001, 1001] {
            let stamp = clock.tick(WallMs(wall)).unwrap();
            assert!(stamp > last);
            last = stamp;
        }
    }

    #[test]
    fn more_stamps_than_a_millisecond_holds_roll_into_the_next() {
        let mut clock = Hlc::new(Stamp::ZERO, DRIFT);
        let first = clock.tick(WallMs(7)).unwrap();
        let mut last = first;
        for _ in 0..70_000 {
            let stamp = clock.tick(WallMs(7)).unwrap();
            assert!(stamp > last);
            last = stamp;
        }
        assert_eq!((first.millis(), last.millis()), (7, 8));
    }

    #[test]
    fn a_merged_stamp_sorts_before_the_next_local_one() {
        let mut clock = Hlc::new(Stamp::ZERO, DRIFT);
        let remote = Stamp::new(2000, 9);
        assert_eq!(clock.observe(remote, WallMs(1000)), Observed::Merged);
        assert!(clock.tick(WallMs(1000)).unwrap() > remote);
    }

    #[test]
    fn a_far_future_stamp_does_not_poison_the_clock() {
        let mut clock = Hlc::new(Stamp::ZERO, DRIFT);
        let before = clock.tick(WallMs(1000)).unwrap();
        let far = Stamp::new(1000 + 300_001, 0);
        assert!(matches!(clock.observe(far, WallMs(1000)), Observed::TooFarAhead { .. }));
        assert_eq!(clock.last(), before);
        assert_eq!(clock.observe(Stamp::new(301_000, 0), WallMs(1000)), Observed::Merged);
    }

    #[test]
    fn the_end_of_time_is_an_error_not_a_wrap() {
        let mut clock = Hlc::new(Stamp::MAX, DRIFT);
        assert_eq!(clock.tick(WallMs(5)), Err(ClockExhausted));
    }
}
