//! Percentiles of measured times.

use std::time::Duration;

use super::message::Nanos;

/// Times, sorted.
#[derive(Debug, Clone, Default)]
pub struct Times(Vec<Nanos>);

impl Times {
    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The smallest time that at least `percent` of all do not exceed (nearest rank); `None` when
    /// there are none.
    #[must_use]
    pub fn percentile(&self, percent: u32) -> Option<Duration> {
        let rank = (self.0.len() * percent.min(100) as usize).div_ceil(100);
        self.0.get(rank.saturating_sub(1)).map(|nanos| Duration::from_nanos(*nanos))
    }
}

impl FromIterator<Nanos> for Times {
    fn from_iter<I: IntoIterator<Item = Nanos>>(times: I) -> Self {
        let mut times: Vec<Nanos> = times.into_iter().collect();
        times.sort_unstable();
        Self(times)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_rank() {
        let times: Times = (1..=100).rev().collect();
        let at = |percent| times.percentile(percent).unwrap().as_nanos();
        assert_eq!((at(0), at(1), at(50), at(99), at(100)), (1, 1, 50, 99, 100));
        let few: Times = [10, 30, 20].into_iter().collect();
        assert_eq!(few.percentile(50), Some(Duration::from_nanos(20)));
        assert_eq!(few.percentile(99), Some(Duration::from_nanos(30)));
        assert_eq!(Times::default().percentile(50), None);
    }
}
