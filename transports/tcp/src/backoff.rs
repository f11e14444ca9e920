//! How long to wait before the next attempt.

use std::time::Duration;

use gossip_core::proto::Rng;

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(30);

/// Doubles from 50 ms to 30 s; each pause is spread over half to one and a half of it, so that
/// nodes that lost each other at once do not come back at once.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    rng: Rng,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { next: FIRST, rng: Rng::new(seed) }
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST;
    }

    /// The next pause is the longest: trying soon again cannot help.
    pub(crate) fn exhaust(&mut self) {
        self.next = LONGEST;
    }

    pub(crate) fn pause(&mut self) -> Duration {
        let pause = self.rng.jitter(self.next);
        self.next = (self.next * 2).min(LONGEST);
        pause.min(LONGEST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_start_over() {
        let mut backoff = Backoff::new(1);
        let first = backoff.pause();
        assert!(first >= FIRST / 2 && first <= FIRST * 3 / 2);
        let pauses: Vec<_> = (0..20).map(|_| backoff.pause()).collect();
        assert!(pauses.iter().all(|pause| *pause <= LONGEST));
        assert!(pauses[19] >= LONGEST / 2);
        backoff.reset();
        assert!(backoff.pause() <= FIRST * 3 / 2);
    }
}
