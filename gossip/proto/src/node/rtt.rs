//! Round trips, measured (RFC 6298).

use std::time::Duration;

/// Smoothed round trip and its variation; microseconds inside.
#[derive(Debug, Clone, Default)]
pub(super) struct Rtt {
    smoothed: Option<Duration>,
    variation: Duration,
}

/// Assumed before anything was measured, as the RFC says.
const INITIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// A timeout is never shorter: the other side may be busy for a moment.
const MIN_TIMEOUT: Duration = Duration::from_millis(50);
/// A machine that is busy says something so much later.
const MIN_SLACK: Duration = Duration::from_millis(30);
const MAX_TIMEOUT: Duration = Duration::from_secs(60);
/// What a machine that is busy adds to a round trip, beside a quarter of it.
const MARGIN: Duration = Duration::from_millis(20);

impl Rtt {
    /// Takes in a measurement.
    pub(super) fn sample(&mut self, sample: Duration) {
        let sample = sample.max(Duration::from_micros(1));
        match self.smoothed {
            None => (self.smoothed, self.variation) = (Some(sample), sample / 2),
            Some(old) => {
                self.variation = (self.variation * 3 + old.abs_diff(sample)) / 4;
                self.smoothed = Some((old * 7 + sample) / 8);
            }
        }
    }

    /// The smoothed round trip, once measured.
    pub(super) fn smoothed(&self) -> Option<Duration> {
        self.smoothed
    }

    /// How long to wait for an answer.
    pub(super) fn timeout(&self) -> Duration {
        self.smoothed.map_or(INITIAL_TIMEOUT, |smoothed| {
            (smoothed + self.variation * 4).clamp(MIN_TIMEOUT, MAX_TIMEOUT)
        })
    }

    /// How long to wait for the answer to a beat. A quarter and a bit more than usual is no reason to doubt: where
    /// round trips do not vary, what the RFC says comes to the usual one exactly.
    pub(super) fn probe_timeout(&self) -> Duration {
        let usual = self.smoothed.map_or(Duration::ZERO, |smoothed| smoothed + smoothed / 4 + MARGIN);
        self.timeout().max(usual)
    }

    /// How much later than usual something may come before it is asked for. Asking in vain costs little.
    pub(super) fn slack(&self) -> Duration {
        (self.variation * 2).clamp(MIN_SLACK, MAX_TIMEOUT)
    }

    /// How long to wait before the `tries`-th repetition (0 = first), doubled each time.
    pub(super) fn backoff(&self, tries: u32, limit: Duration) -> Duration {
        self.timeout().saturating_mul(1 << tries.min(16)).min(limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_rfc() {
        let mut rtt = Rtt::default();
        assert_eq!(rtt.timeout(), INITIAL_TIMEOUT);
        rtt.sample(Duration::from_millis(100));
        assert_eq!(rtt.timeout(), Duration::from_millis(300));
        rtt.sample(Duration::from_millis(180));
        assert_eq!(rtt.smoothed(), Some(Duration::from_millis(110)));
        assert_eq!(rtt.timeout(), Duration::from_micros(110_000 + 4 * 57_500));
    }

    #[test]
    fn a_steady_round_trip_has_a_margin() {
        let mut rtt = Rtt::default();
        assert_eq!((rtt.probe_timeout(), rtt.slack()), (INITIAL_TIMEOUT, MIN_SLACK));
        (0..99).for_each(|_| rtt.sample(Duration::from_millis(200)));
        let timeouts = [rtt.timeout(), rtt.probe_timeout()].map(|timeout| timeout.as_millis());
        assert_eq!((timeouts, rtt.slack()), ([200, 270], MIN_SLACK));
    }

    #[test]
    fn a_round_trip_of_nothing_is_a_measurement() {
        let mut rtt = Rtt::default();
        rtt.sample(Duration::ZERO);
        assert_eq!(rtt.smoothed(), Some(Duration::from_micros(1)));
        assert_eq!(rtt.timeout(), MIN_TIMEOUT);
        assert_eq!(rtt.backoff(40, Duration::from_secs(9)), Duration::from_secs(9));
    }
}
