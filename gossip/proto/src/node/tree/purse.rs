//! A link is pushed no more than it carries: a bucket of tokens whose rate grows by as much a second, and is halved
//! whenever the link says that it is full (additive increase, multiplicative decrease: Chiu, Jain 1989).

use std::time::Duration;

use crate::Tick;

/// Bytes at once.
const ROOM: u64 = 1 << 20;
/// Bytes a second, at first,
const FIRST: u64 = 1 << 20;
/// more of them each second,
const MORE: u64 = 64 << 10;
/// and at least.
const LEAST: u64 = 16 << 10;

/// What may be sent on a link without being asked for.
#[derive(Debug)]
pub(super) struct Purse {
    bytes: u64,
    rate: u64,
    at: Tick,
}

impl Default for Purse {
    fn default() -> Self {
        Self { bytes: ROOM, rate: FIRST, at: Tick(0) }
    }
}

impl Purse {
    /// Whether so much may be sent now; it is paid for if so.
    pub(super) fn pay(&mut self, now: Tick, bytes: usize) -> bool {
        self.fill(now);
        let bytes = bytes as u64;
        let may = bytes <= self.bytes;
        self.bytes -= if may { bytes } else { 0 };
        may
    }

    /// The link is full.
    pub(super) fn halve(&mut self, now: Tick) {
        self.fill(now);
        self.rate = (self.rate / 2).max(LEAST);
        self.bytes = self.bytes.min(self.rate);
    }

    fn fill(&mut self, now: Tick) {
        let passed = now.since(self.at).min(Duration::from_secs(60));
        let of = |rate: u64, passed: Duration| {
            u64::try_from(passed.as_micros()).unwrap_or(u64::MAX).saturating_mul(rate) / 1_000_000
        };
        // A pause in which nothing was sent says nothing of what the link carries, nor does what is no burden.
        let more = of(MORE, passed.min(Duration::from_secs(1)));
        let grows = if self.bytes < self.rate.min(ROOM) / 2 { more } else { 0 };
        // Too soon to count: it is counted the next time.
        if more > 0 {
            self.bytes = self.bytes.saturating_add(of(self.rate, passed)).min(ROOM);
            self.rate = self.rate.saturating_add(grows).min(u64::from(u32::MAX));
            self.at = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Tick {
        Tick(millis * 1_000)
    }

    fn spend(purse: &mut Purse, now: Tick) -> usize {
        (0..100_000).take_while(|_| purse.pay(now, 1_024)).count()
    }

    #[test]
    fn it_is_filled_as_fast_as_the_link_takes() {
        let mut purse = Purse::default();
        assert_eq!((spend(&mut purse, at(0)), spend(&mut purse, at(0))), (1_024, 0));
        assert_eq!(spend(&mut purse, at(500)), 512);
        // Half a second ago it grew by half of what a second brings.
        assert_eq!(spend(&mut purse, at(1_000)), 528);
        assert_eq!(spend(&mut purse, at(60_000)), 1_024, "no more than it holds");
        let mut slow = Purse::default();
        (0..20).for_each(|_| slow.halve(at(0)));
        assert_eq!((spend(&mut slow, at(0)), spend(&mut slow, at(1_000))), (16, 16));
        assert_eq!(spend(&mut slow, at(2_000)), 80, "and more each second");
        assert_eq!(
            (spend(&mut slow, at(60_000)), spend(&mut slow, at(60_500))),
            (1_024, 104),
            "but once for a pause"
        );
    }
}
