//! What a run measured, in named series, and what is said of a series.

use std::collections::BTreeMap;
use std::time::Duration;

use super::meter::Spent;

/// Measurements of one run, or of several.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Samples {
    series: BTreeMap<&'static str, Vec<f64>>,
    /// Datagrams and bytes of each type of message, per node and second of the time that was metered.
    pub(super) messages: BTreeMap<&'static str, (f64, f64)>,
    /// Processor time of the metered part.
    pub(super) cpu: Duration,
    /// How many runs this is.
    pub(super) runs: usize,
}

/// What is said of a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Statistic {
    Mean,
    Max,
    Sum,
    /// So many of 1,000 are not larger.
    Quantile(usize),
}

impl Samples {
    /// Of one run, with nothing measured yet.
    #[must_use]
    pub fn new() -> Self {
        Self { runs: 1, ..Self::default() }
    }

    /// Notes a measurement. Series have the names under which scenarios note them; another one is in no figure.
    pub fn add(&mut self, series: &'static str, value: f64) {
        self.series.entry(series).or_default().push(value);
    }

    /// Notes what was said and what it cost in a metered time.
    pub(super) fn spend(&mut self, spent: &Spent, nodes: usize) {
        let share = nodes as f64 * spent.seconds;
        self.cpu += spent.cpu;
        for kind in spent.meter.kinds() {
            let sum = self.messages.entry(kind.name).or_default();
            sum.0 += kind.datagrams as f64 / share;
            sum.1 += kind.bytes as f64 / share;
        }
    }

    /// Adds what other runs measured.
    pub fn merge(&mut self, other: Self) {
        for (name, values) in other.series {
            self.series.entry(name).or_default().extend(values);
        }
        for (name, (datagrams, bytes)) in other.messages {
            let sum = self.messages.entry(name).or_default();
            (sum.0, sum.1) = (sum.0 + datagrams, sum.1 + bytes);
        }
        self.cpu += other.cpu;
        self.runs += other.runs;
    }

    /// `None` when nothing was measured.
    pub(super) fn of(&self, series: &str, statistic: Statistic) -> Option<f64> {
        let values = self.series.get(series)?;
        let sum: f64 = values.iter().sum();
        match statistic {
            Statistic::Mean => Some(sum / values.len() as f64),
            Statistic::Max => values.iter().copied().max_by(f64::total_cmp),
            Statistic::Sum => Some(sum),
            Statistic::Quantile(share) => {
                let mut sorted = values.clone();
                sorted.sort_by(f64::total_cmp);
                share_of(&sorted, sorted.len(), share)
            }
        }
    }
}

/// Of sorted values the smallest such that so many of 1,000 of a whole are not larger, if there are as many.
pub(super) fn share_of<T: Copy>(sorted: &[T], whole: usize, share: usize) -> Option<T> {
    sorted.get((whole * share).div_ceil(1_000).max(1) - 1).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_those_of_all_runs() {
        let (mut all, mut other) = (Samples::new(), Samples::new());
        all.add("a", 1.0);
        (2..=10).for_each(|value| other.add("a", f64::from(value)));
        all.merge(other);
        let of = |statistic| all.of("a", statistic);
        assert_eq!((of(Statistic::Mean), of(Statistic::Max), all.runs), (Some(5.5), Some(10.0), 2));
        assert_eq!((of(Statistic::Quantile(500)), of(Statistic::Quantile(999))), (Some(5.0), Some(10.0)));
        assert_eq!((of(Statistic::Sum), all.of("b", Statistic::Max)), (Some(55.0), None));
    }
}
