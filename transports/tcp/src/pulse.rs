//! Keepalive: say that we live, notice that the peer does not.

use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::outbox::Outbox;

/// Looks per keepalive interval.
const LOOKS: u32 = 2;
/// Intervals without a sign of life after which a link is closed.
const SILENT_INTERVALS: u32 = 3;
/// Looks in vain after which its way may be gone: a peer that lives says something in two of them.
const WORRY: u32 = 3;

/// What the reader knows about the peer's life.
#[derive(Debug, Default)]
pub(crate) struct Signs {
    heard: AtomicBool,
    busy: AtomicBool,
    /// Another connection is tried since nothing was heard.
    renewed: AtomicBool,
}

impl Signs {
    pub(crate) fn heard(&self) {
        self.heard.store(true, Ordering::Relaxed);
    }

    /// While we do not read because our own receiver is slow, the peer's silence proves nothing.
    pub(crate) async fn while_busy(&self, work: impl Future<Output = ()>) {
        self.busy.store(true, Ordering::Relaxed);
        work.await;
        self.busy.store(false, Ordering::Relaxed);
    }

    /// Says whether another connection is to be tried: none is already. What was heard before proves nothing.
    pub(crate) fn begin_renewal(&self) -> bool {
        self.heard.store(false, Ordering::Relaxed);
        !self.renewed.swap(true, Ordering::Relaxed)
    }

    /// Whether nothing was heard since.
    pub(crate) fn is_renewed(&self) -> bool {
        self.renewed.load(Ordering::Relaxed)
    }

    fn take(&self) -> bool {
        self.heard.swap(false, Ordering::Relaxed) || self.busy.load(Ordering::Relaxed)
    }
}

/// Beats when nothing was written for an interval; worries when nothing was heard for one and a half, and returns when
/// nothing was heard for three.
pub(crate) async fn pulse(keepalive: Duration, signs: &Signs, outbox: &Outbox, worry: impl Fn()) {
    let period = keepalive / LOOKS;
    let mut looks = interval_at(Instant::now() + period, period);
    // A process that was suspended must hear for a while before it calls a peer silent.
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut silent, mut idle) = (0, 0);
    loop {
        looks.tick().await;
        silent = if signs.take() { 0 } else { silent + 1 };
        if silent == 0 {
            signs.renewed.store(false, Ordering::Relaxed);
        } else if silent == WORRY {
            worry();
        }
        if silent >= SILENT_INTERVALS * LOOKS {
            return;
        }
        idle = if outbox.take_wrote() { 0 } else { idle + 1 };
        if idle >= LOOKS {
            outbox.beat();
            idle = 0;
        }
    }
}
