//! How soon an engine that keeps failing is opened again.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many times it is tried at once: most failures pass.
const AT_ONCE: u32 = 3;

const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);

/// How long to wait after a failure with so many before it.
pub(crate) fn pause_after(failures: u32) -> Duration {
    LONGEST.min(SHORTEST * (1 << failures.min(10)))
}

/// Opening costs threads, files and a replay: callers who come back at once must not have each of
/// them opened a disk that does not get better.
#[derive(Debug, Default)]
pub(crate) struct Patience(Mutex<Tries>);

#[derive(Debug, Default)]
struct Tries {
    /// Since something came to stable storage.
    number: u32,
    next: Option<Instant>,
}

impl Patience {
    /// Whether it is time; if so this counts as a try.
    pub(crate) fn may_try(&self) -> bool {
        let (mut tries, now) = (self.lock(), Instant::now());
        if tries.next.is_some_and(|next| now < next) {
            return false;
        }
        tries.number = tries.number.saturating_add(1);
        let late = tries.number.checked_sub(AT_ONCE);
        tries.next = late.map(|doublings| now + pause_after(doublings));
        true
    }

    /// The disk works again.
    pub(crate) fn reset(&self) {
        *self.lock() = Tries::default();
    }

    fn lock(&self) -> MutexGuard<'_, Tries> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
