//! What one measurement says, and many pairs of them.

use std::time::Duration;

pub(super) use crate::payload::payload;
use crate::table;

/// One measurement.
#[derive(Debug, Clone, Default)]
pub(super) struct Sample {
    pub(super) entries: u64,
    pub(super) time: Duration,
    pub(super) cpu: Duration,
    /// How long each caller waited.
    pub(super) acks: Vec<Duration>,
}

impl Sample {
    pub(super) fn rate(&self) -> f64 {
        self.entries as f64 / self.time.as_secs_f64()
    }

    /// Processor microseconds for each entry.
    pub(super) fn each(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.entries.max(1) as f64
    }

    /// Microseconds that so many of a thousand callers waited at most.
    pub(super) fn ack(&mut self, of_a_thousand: usize) -> f64 {
        percentile(&mut self.acks, of_a_thousand).as_secs_f64() * 1e6
    }
}

/// Time that so many of a thousand do not exceed.
pub(super) fn percentile(times: &mut [Duration], of_a_thousand: usize) -> Duration {
    if times.is_empty() {
        return Duration::ZERO;
    }
    let at = (times.len() * of_a_thousand / 1000).min(times.len() - 1);
    *times.select_nth_unstable(at).1
}

/// The one in the middle.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The bare engine and gossip, measured one right after the other, again and again: disks and
/// machines have moods, pairs share them.
#[derive(Debug, Default)]
pub(super) struct Pairs(Vec<(Sample, Sample)>);

impl Pairs {
    pub(super) fn push(&mut self, raw: Sample, gossip: Sample) {
        self.0.push((raw, gossip));
    }

    fn of(&mut self, mut what: impl FnMut(&mut Sample, &mut Sample) -> f64) -> f64 {
        median(self.0.iter_mut().map(|(raw, gossip)| what(raw, gossip)).collect())
    }

    /// Rates, median ratio and processor time, as [`Pairs::COLUMNS`] names them.
    pub(super) fn cells(&mut self) -> Vec<String> {
        let ratios = self.0.iter().map(|(raw, gossip)| gossip.rate() / raw.rate());
        let (low, high) = ratios.fold((f64::MAX, 0.0_f64), |(low, high), r| (low.min(r), high.max(r)));
        vec![
            table::number(self.of(|raw, _| raw.rate())),
            table::number(self.of(|_, gossip| gossip.rate())),
            format!("{:.2} ({low:.2}-{high:.2})", self.of(|raw, gossip| gossip.rate() / raw.rate())),
            table::number(self.of(|raw, _| raw.each())),
            table::number(self.of(|_, gossip| gossip.each())),
        ]
    }

    pub(super) const COLUMNS: [&str; 5] =
        ["bare/s", "gossip/s", "ratio (of all pairs)", "bare CPU µs", "gossip CPU µs"];

    /// How long callers waited, as [`Pairs::ACKS`] names it.
    pub(super) fn acks(&mut self) -> Vec<String> {
        let half = (self.of(|raw, _| raw.ack(500)), self.of(|_, gossip| gossip.ack(500)));
        let most = (self.of(|raw, _| raw.ack(990)), self.of(|_, gossip| gossip.ack(990)));
        vec![
            format!("{:.0} / {:.0}", half.0, half.1),
            format!("{:.0} / {:.0}", most.0, most.1),
            format!("{:.2}", self.of(|raw, gossip| gossip.ack(990) / raw.ack(990).max(1.0))),
        ]
    }

    pub(super) const ACKS: [&str; 3] = ["ack p50 µs, bare / gossip", "ack p99 µs", "p99 ratio"];
}
