//! Time for the driver: real or by hand.

use std::future::Future;
use std::pin::Pin;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use gossip_proto::{Now, Tick, WallMs};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Where a coordinator takes the time from.
pub trait TimerPort: Send + Sync + 'static {
    /// The present.
    fn now(&self) -> Now;
    /// Completes when the monotonic clock reaches `at`; at once when it already has.
    fn sleep_until(&self, at: Tick) -> BoxFuture<'static, ()>;
}

/// The system's clocks and tokio's timer.
#[derive(Debug, Clone)]
pub struct RealTime {
    start: Instant,
}

impl Default for RealTime {
    fn default() -> Self {
        Self { start: Instant::now() }
    }
}

impl TimerPort for RealTime {
    fn now(&self) -> Now {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            tick: Tick(u64::try_from(self.start.elapsed().as_micros()).unwrap_or(u64::MAX)),
            wall: WallMs(u64::try_from(wall.as_millis()).unwrap_or(u64::MAX)),
        }
    }

    fn sleep_until(&self, at: Tick) -> BoxFuture<'static, ()> {
        let at = self.start + std::time::Duration::from_micros(at.0);
        Box::pin(tokio::time::sleep_until(at.into()))
    }
}
