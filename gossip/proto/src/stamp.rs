//! Time as the protocol sees it: wall milliseconds, monotonic ticks and hybrid stamps.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A hybrid logical clock stamp: 48 bits of wall milliseconds, 16 bits of counter.
///
/// Kulkarni et al., *Logical Physical Clocks* (2014). Ordered as one number, so the 65,536th
/// stamp in a millisecond rolls into the next one and stays in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(u64);

impl Stamp {
    /// Before every real stamp.
    pub const ZERO: Self = Self(0);
    /// After every real stamp.
    pub const MAX: Self = Self(u64::MAX);
    /// Largest millisecond that fits.
    pub const MAX_MILLIS: u64 = (1 << 48) - 1;

    /// The stamp of `millis` and `counter`; milliseconds beyond 48 bits are clamped.
    #[must_use]
    pub const fn new(millis: u64, counter: u16) -> Self {
        let millis = if millis > Self::MAX_MILLIS { Self::MAX_MILLIS } else { millis };
        Self(millis << 16 | counter as u64)
    }

    /// The stamp packed in one number.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One number: milliseconds above, counter below.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// Wall milliseconds since the Unix epoch.
    #[must_use]
    pub const fn millis(self) -> u64 {
        self.0 >> 16
    }

    /// Position among the stamps of one millisecond.
    #[must_use]
    pub const fn counter(self) -> u16 {
        self.0 as u16
    }

    /// The smallest later stamp, or `None` at the end of time.
    #[must_use]
    pub const fn next(self) -> Option<Self> {
        match self.0.checked_add(1) {
            Some(bits) => Some(Self(bits)),
            None => None,
        }
    }
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.millis(), self.counter())
    }
}

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// Milliseconds since the Unix epoch by this device's wall clock, which may jump.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WallMs(pub u64);

/// Microseconds on a monotonic clock with an arbitrary start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Tick(pub u64);

impl Tick {
    /// How long after `earlier` this is; zero if it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Tick {
    type Output = Self;
    fn add(self, by: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Tick {
    type Output = Self;
    fn sub(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(by.as_micros()).unwrap_or(u64::MAX)))
    }
}

/// The present, given with every input: a monotonic tick for timers, the wall for stamps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Monotonic time.
    pub tick: Tick,
    /// Wall time.
    pub wall: WallMs,
}
