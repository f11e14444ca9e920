//! How often one has to ask: as often as the loss that was measured demands.

/// Beats that are remembered: what is older counts half, and half of that.
const MEMORY: u32 = 256;
/// A gap in the numbers of beats is a loss of so many at most: longer ones are interruptions.
const GAP: u32 = 8;
/// Fewer beats than these tell little.
const ENOUGH: u32 = 64;
/// Chances are counted in this unit.
const ONE: u64 = 1 << 32;
/// No network is better than that: 1.5 %.
const LEAST: u64 = ONE * 3 / 200;
/// Above this share asking more often does not help any more: 60 %.
const WORST: u64 = ONE * 3 / 5;

/// Beats that came, and that did not.
#[derive(Debug, Default)]
pub(super) struct Loss {
    lost: u32,
    all: u32,
}

/// Tries until silence is an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tries {
    /// If others ask as well: one in a thousand is silence by chance.
    pub(super) few: u32,
    /// If nobody does: one in a hundred thousand.
    pub(super) many: u32,
}

impl Loss {
    /// A beat came, and so many before it did not.
    pub(super) fn note(&mut self, missing: u8) {
        let missing = u32::from(missing).min(GAP);
        self.lost += missing;
        self.all += missing + 1;
        if self.all >= MEMORY {
            (self.lost, self.all) = (self.lost / 2, self.all / 2);
        }
    }

    /// So many of a thousand were lost, as far as enough came to tell.
    pub(super) fn per_mille(&self) -> u16 {
        u16::try_from(self.lost * 1_000 / self.all.max(ENOUGH)).unwrap_or(u16::MAX)
    }

    /// How often to ask.
    pub(super) fn tries(&self) -> Tries {
        let one_way = self.share();
        let silent = ONE - both(ONE - one_way, ONE - one_way);
        Tries { few: until(silent, 1_000), many: until(silent, 100_000) }
    }

    /// The share that is lost: what was measured, and as much more as that may be wrong by.
    fn share(&self) -> u64 {
        let all = u64::from(self.all.max(1));
        let share = u64::from(self.lost) * ONE / all;
        // The standard deviation of a share of so many, sqrt(p (1 - p) / n).
        let deviation = (share * (ONE - share) / all).isqrt();
        (share + deviation).clamp(LEAST, WORST)
    }
}

/// Two at least; and until all of them fail by chance once in so many times.
fn until(chance: u64, rarely: u64) -> u32 {
    let (mut all, mut tries) = (chance, 1);
    while all > ONE / rarely || tries < 2 {
        all = both(all, chance);
        tries += 1;
    }
    tries
}

/// The chance that both happen.
fn both(one: u64, other: u64) -> u64 {
    (u128::from(one) * u128::from(other) / u128::from(ONE)) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of so many lost, many times.
    fn measured(one_of: u32) -> Tries {
        let mut loss = Loss::default();
        for _ in 0..2_000 {
            loss.note(1);
            (2..one_of).for_each(|_| loss.note(0));
        }
        loss.tries()
    }

    #[test]
    fn the_more_is_lost_the_more_often_one_asks() {
        assert_eq!(Loss::default().tries(), Tries { few: 2, many: 4 });
        let found = [1_000, 10, 5, 3].map(|one_of| (measured(one_of).few, measured(one_of).many));
        assert_eq!(found, [(2, 4), (5, 8), (8, 13), (14, 23)]);
    }

    #[test]
    fn an_interruption_is_not_a_bad_network() {
        let mut loss = Loss::default();
        (0..200).for_each(|_| loss.note(0));
        loss.note(120);
        assert!(loss.share() < ONE * 6 / 100, "{}", loss.share() * 100 / ONE);
    }
}
