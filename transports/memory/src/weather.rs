//! What goes wrong, and between whom.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::time::Duration;

use gossip_core::proto::Rng;

/// What happens to frames on their way. The default is a perfect network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults {
    /// Chance in 1,000 that a frame vanishes.
    pub loss: u16,
    /// Chance in 1,000 that a frame arrives twice.
    pub duplicate: u16,
    /// Chance in 1,000 that a frame is held back for 1 to 5 ms more, so that later ones overtake it.
    pub reorder: u16,
    /// How long a frame travels, drawn for each; an empty range is its start. Delay alone keeps order.
    pub delay: Range<Duration>,
    /// Largest frame of links made from now on, raised to 256 if less. Of the two directions of a
    /// link the smaller counts.
    pub max_frame: usize,
}

impl Default for Faults {
    fn default() -> Self {
        Self { loss: 0, duplicate: 0, reorder: 0, delay: Duration::ZERO..Duration::ZERO, max_frame: 1 << 20 }
    }
}

impl Faults {
    pub(crate) fn travel(&self, rng: &mut Rng) -> Duration {
        let spread = self.delay.end.saturating_sub(self.delay.start);
        self.delay.start + micros_below(rng, spread)
    }

    /// Extra time for a frame that shall be overtaken.
    pub(crate) fn hold_back(&self, rng: &mut Rng) -> Option<Duration> {
        let held = rng.chance(self.reorder.into());
        held.then(|| Duration::from_millis(1) + micros_below(rng, Duration::from_millis(4)))
    }
}

fn micros_below(rng: &mut Rng, bound: Duration) -> Duration {
    Duration::from_micros(rng.below(u64::try_from(bound.as_micros()).unwrap_or(u64::MAX)))
}

/// The present weather of a network.
#[derive(Debug, Default)]
pub(crate) struct Weather {
    everywhere: Faults,
    between: BTreeMap<(String, String), Faults>,
    silenced: BTreeSet<(String, String)>,
    cut: BTreeSet<(String, String)>,
}

impl Weather {
    pub(crate) fn set_everywhere(&mut self, faults: Faults) {
        self.everywhere = faults;
        self.between.clear();
    }

    pub(crate) fn set_between(&mut self, from: &str, to: &str, faults: Faults) {
        self.between.insert((from.into(), to.into()), faults);
    }

    pub(crate) fn faults(&self, from: &str, to: &str) -> &Faults {
        if self.between.is_empty() {
            return &self.everywhere;
        }
        self.between.get(&(from.to_owned(), to.to_owned())).unwrap_or(&self.everywhere)
    }

    pub(crate) fn silence(&mut self, from: &str, to: &str) {
        self.silenced.insert((from.into(), to.into()));
    }

    pub(crate) fn is_silenced(&self, from: &str, to: &str) -> bool {
        !self.silenced.is_empty() && self.silenced.contains(&(from.to_owned(), to.to_owned()))
    }

    pub(crate) fn heal(&mut self) {
        self.silenced.clear();
    }

    pub(crate) fn cut(&mut self, a: &str, b: &str) {
        self.cut.insert(sorted(a, b));
    }

    pub(crate) fn restore(&mut self, a: &str, b: &str) {
        self.cut.remove(&sorted(a, b));
    }

    pub(crate) fn is_cut(&self, a: &str, b: &str) -> bool {
        self.cut.contains(&sorted(a, b))
    }
}

fn sorted(a: &str, b: &str) -> (String, String) {
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    (low.to_owned(), high.to_owned())
}
