//! A small seeded generator for jitter and choices; never for secrets.

/// SplitMix64 (Steele, Lea, Flood 2014): the same seed gives the same numbers.
#[derive(Debug, Clone)]
pub struct Rng(u64);

impl Rng {
    /// A generator of this seed.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    pub fn next_u64(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    /// A number below `bound`, 0 when `bound` is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// Whether a chance of `per_mille` in 1,000 came up.
    pub fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// A duration between half and one and a half of `mean`.
    pub fn jitter(&mut self, mean: std::time::Duration) -> std::time::Duration {
        let micros = u64::try_from(mean.as_micros()).unwrap_or(u64::MAX / 2).min(u64::MAX / 2);
        std::time::Duration::from_micros(micros / 2 + self.below(micros + 1))
    }
}
