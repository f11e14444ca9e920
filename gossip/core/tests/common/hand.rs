//! Time that stands still until it is moved.

use std::time::Duration;

use gossip_core::proto::{Now, Tick, WallMs};
use gossip_core::{BoxFuture, TimerPort};
use tokio::sync::watch;

/// A clock moved by hand; its clones show the same time.
#[derive(Clone)]
pub(crate) struct Hand(watch::Sender<Duration>);

impl Hand {
    /// Wall time at the beginning.
    pub(crate) const WALL: u64 = 1_700_000_000_000;

    pub(crate) fn new() -> Self {
        Self(watch::Sender::new(Duration::ZERO))
    }

    /// Moves both clocks on.
    pub(crate) fn advance(&self, by: Duration) {
        self.0.send_modify(|now| *now += by);
    }
}

impl TimerPort for Hand {
    fn now(&self) -> Now {
        let now = *self.0.borrow();
        let wall = WallMs(Self::WALL + u64::try_from(now.as_millis()).expect("short"));
        Now { tick: Tick(u64::try_from(now.as_micros()).expect("short")), wall }
    }

    fn sleep_until(&self, at: Tick) -> BoxFuture<'static, ()> {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            let due = Duration::from_micros(at.0);
            now.wait_for(|now| *now >= due).await.expect("the clock outlives its sleepers");
        })
    }
}
