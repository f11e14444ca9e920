//! Pauses that grow: what was in vain is tried again after twice the time.

use std::time::Duration;

/// The first pause, and the longest.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Pauses(pub(in crate::node) Duration, pub(in crate::node) Duration);

impl Pauses {
    /// The pause that was made twice as long so often.
    pub(in crate::node) fn doubled(self, times: u32) -> Duration {
        self.0.saturating_mul(1 << times.min(31)).min(self.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_twice_the_one_before_up_to_the_longest() {
        let pauses = Pauses(Duration::from_secs(3), Duration::from_secs(60));
        let seconds = [0, 1, 2, 4, 5, 31, u32::MAX].map(|times| pauses.doubled(times).as_secs());
        assert_eq!(seconds, [3, 6, 12, 48, 60, 60, 60]);
    }
}
