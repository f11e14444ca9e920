//! What a seed decides before anything happens: latencies, starts, victims, senders.
//!
//! Nothing here depends on what the nodes do, so another implementation run with the same plan meets the
//! same network and the same accidents.

use std::time::Duration;

use gossip_proto::Rng;

/// Latency of the fastest pair, one way, in microseconds,
const NEAREST: u64 = 10_000;
/// and what is added at most for the slowest.
const SPREAD: u64 = 40_000;
/// Everybody starts within this time, in microseconds.
const STARTS: u64 = 1_000_000;

/// For what randomness is drawn; each purpose has its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// One-way latency of a pair.
    Latency = 1,
    /// When nodes start.
    Start,
    /// Who crashes, leaves, is blocked or flaps.
    Victims,
    /// Who sends.
    Senders,
    /// When what was planned for a second happens within it.
    Phase,
    /// Which datagrams are lost.
    Loss,
    /// Which ordered pairs are deaf.
    Deaf,
    /// When interfaces are silent.
    Bursts,
    /// What an implementation draws for itself.
    Nodes,
}

/// One drawn network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Decides everything.
    pub seed: u64,
    /// How many nodes.
    pub nodes: usize,
    /// Datagrams lost of 1,000, independently, in both directions.
    pub loss: u64,
}

impl Plan {
    /// Randomness for one purpose, always the same.
    #[must_use]
    pub fn rng(&self, purpose: Purpose) -> Rng {
        Rng::new(self.mix(purpose, 0))
    }

    /// 64 bits for a purpose and a number, always the same.
    #[must_use]
    pub fn mix(&self, purpose: Purpose, number: u64) -> u64 {
        let of_seed = Rng::new(self.seed).next_u64() ^ (purpose as u64) << 56;
        Rng::new(Rng::new(of_seed).next_u64() ^ number).next_u64()
    }

    /// One way between two nodes, the same in both directions: 10 ms to just below 50 ms.
    #[must_use]
    pub fn latency(&self, a: usize, b: usize) -> Duration {
        let pair = (a.min(b) as u64) << 32 | a.max(b) as u64;
        let mut drawn = Rng::new(self.mix(Purpose::Latency, pair));
        Duration::from_micros(NEAREST + drawn.below(SPREAD))
    }

    /// When a node starts: within the first second.
    #[must_use]
    pub fn start(&self, node: usize) -> Duration {
        let mut drawn = Rng::new(self.mix(Purpose::Start, node as u64));
        Duration::from_micros(drawn.below(STARTS))
    }

    /// So many different nodes, in the order in which something happens to them.
    #[must_use]
    pub fn victims(&self, count: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..self.nodes).collect();
        shuffle(&mut all, &mut self.rng(Purpose::Victims));
        all.truncate(count);
        all
    }

    /// Who sends each of so many messages, of those that may.
    #[must_use]
    pub fn senders(&self, among: &[usize], count: usize) -> Vec<usize> {
        let mut rng = self.rng(Purpose::Senders);
        let any = |_| among.get(rng.below(among.len() as u64) as usize).copied();
        (0..count).filter_map(any).collect()
    }

    /// A moment within a second, for the number of something that happens.
    #[must_use]
    pub fn phase(&self, number: usize) -> Duration {
        let mut drawn = Rng::new(self.mix(Purpose::Phase, number as u64));
        Duration::from_micros(drawn.below(1_000_000))
    }
}

/// Puts things in a drawn order (Fisher and Yates 1938, as Durstenfeld 1964 does it in place).
pub(super) fn shuffle<T>(things: &mut [T], rng: &mut Rng) {
    for at in (1..things.len()).rev() {
        things.swap(at, rng.below(at as u64 + 1) as usize);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { seed: 7, nodes: 50, loss: 0 };

    #[test]
    fn latencies_are_spread_over_their_range_and_symmetric() {
        let pairs = (0..50).flat_map(|a| (0..a).map(move |b| (a, b)));
        let all: Vec<Duration> = pairs.clone().map(|(a, b)| PLAN.latency(a, b)).collect();
        assert!(pairs.clone().all(|(a, b)| PLAN.latency(a, b) == PLAN.latency(b, a)));
        let millis = |share: fn(&Duration) -> bool| all.iter().filter(|d| share(d)).count();
        assert_eq!(millis(|d| d.as_millis() < 10 || d.as_millis() >= 50), 0);
        let lower = millis(|d| d.as_millis() < 30);
        assert!((all.len() * 2 / 5..all.len() * 3 / 5).contains(&lower), "{lower} of {}", all.len());
    }

    #[test]
    fn victims_differ_from_each_other_and_between_seeds() {
        let mut victims = PLAN.victims(50);
        assert_ne!(victims, Plan { seed: 8, ..PLAN }.victims(50));
        victims.sort_unstable();
        assert_eq!(victims, (0..50).collect::<Vec<_>>());
    }
}
