//! Processor time of this process, all threads, user and system.

use std::time::Duration;

/// What was used so far.
#[cfg(unix)]
pub(crate) fn used() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Not known here.
#[cfg(not(unix))]
pub(crate) fn used() -> Duration {
    Duration::ZERO
}
