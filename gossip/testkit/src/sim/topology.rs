//! Who is linked to whom.

use gossip_proto::Rng;

/// Shapes of a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Mesh,
    Chain,
    Star,
    Ring,
    Random,
}

impl Shape {
    pub(super) fn draw(rng: &mut Rng) -> Self {
        [Self::Mesh, Self::Chain, Self::Star, Self::Ring, Self::Random][rng.below(5) as usize]
    }

    /// Pairs of hosts that are linked; the whole is connected.
    pub(super) fn pairs(self, hosts: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
        let chain = (1..hosts).map(|b| (b - 1, b));
        match self {
            Self::Mesh => (1..hosts).flat_map(|b| (0..b).map(move |a| (a, b))).collect(),
            Self::Chain => chain.collect(),
            Self::Star => (1..hosts).map(|b| (0, b)).collect(),
            Self::Ring => chain.chain([(0, hosts - 1)]).collect(),
            Self::Random => random(hosts, rng),
        }
    }
}

/// A random tree and some more pairs.
fn random(hosts: usize, rng: &mut Rng) -> Vec<(usize, usize)> {
    let mut pairs: Vec<_> = (1..hosts).map(|b| (rng.below(b as u64) as usize, b)).collect();
    for b in 1..hosts {
        let a = rng.below(b as u64) as usize;
        if rng.chance(400) && !pairs.contains(&(a, b)) {
            pairs.push((a, b));
        }
    }
    pairs
}
