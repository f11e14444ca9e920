//! Processor time and memory of this process, all threads, user and system.

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

/// Resident memory of this process, now and at most, in MiB; zero where there is no `/proc`.
pub(crate) fn resident() -> (f64, f64) {
    let text = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let kib = line.and_then(|rest| rest.split_whitespace().next()?.parse::<f64>().ok());
        kib.unwrap_or_default() / 1024.0
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// Nanoseconds on a clock that all processes share.
#[cfg(unix)]
pub(crate) fn clock() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    Duration::try_from(time).map_or(0, |time| time.as_nanos() as u64)
}

/// Not known here.
#[cfg(not(unix))]
pub(crate) fn clock() -> u64 {
    0
}
