//! A wall clock moved by hand beside a monotonic clock that runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use gossip::proto::{Now, Tick, WallMs};
use gossip::{BoxFuture, RealTime, TimerPort};

/// Where the walls of tests begin: somewhere in 2023.
pub(crate) const NOON: u64 = 1_700_000_000_000;

/// A wall clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone)]
pub(crate) struct Hand {
    wall: Arc<AtomicU64>,
    real: RealTime,
}

impl Hand {
    pub(crate) fn at(wall: u64) -> Self {
        Self { wall: Arc::new(AtomicU64::new(wall)), real: RealTime::default() }
    }

    pub(crate) fn set(&self, wall: u64) {
        self.wall.store(wall, Relaxed);
    }
}

impl TimerPort for Hand {
    fn now(&self) -> Now {
        Now { tick: self.real.now().tick, wall: WallMs(self.wall.load(Relaxed)) }
    }

    fn sleep_until(&self, at: Tick) -> BoxFuture<'static, ()> {
        self.real.sleep_until(at)
    }
}

/// The real clocks, the wall ahead of itself.
pub(crate) struct Skewed {
    by: Duration,
    real: RealTime,
}

impl Skewed {
    pub(crate) fn ahead(by: Duration) -> Self {
        Self { by, real: RealTime::default() }
    }
}

impl TimerPort for Skewed {
    fn now(&self) -> Now {
        let Now { tick, wall } = self.real.now();
        Now { tick, wall: WallMs(wall.0 + self.by.as_millis() as u64) }
    }

    fn sleep_until(&self, at: Tick) -> BoxFuture<'static, ()> {
        self.real.sleep_until(at)
    }
}
