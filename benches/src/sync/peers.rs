//! Figures of other people's crates, as `gossip-peers` in `benches/peers` prints them, beside ours.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::{Outcome, table};

/// One figure: a line of JSON.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Figure {
    /// What was done; the same text for all who did the same.
    workload: String,
    /// Who did it, with its version.
    system: String,
    /// Bytes over the wire, both ways: of one exchange, of the whole sync, or for each entry when live.
    bytes: Option<f64>,
    /// What of that is not payload; all of it where entries are found but not sent.
    beyond: Option<f64>,
    /// Messages, both ways.
    messages: Option<f64>,
    /// Processor microseconds of both sides, of the same.
    cpu_us: Option<f64>,
    /// Microseconds until the other side's application has the entry, half of all times.
    p50_us: Option<f64>,
    /// 99 of a hundred times.
    p99_us: Option<f64>,
    /// What else has to be known.
    note: String,
}

impl Figure {
    pub(super) fn new(workload: &str, system: &str) -> Self {
        Self { workload: workload.to_owned(), system: system.to_owned(), ..Self::default() }
    }

    /// Bytes and messages, of which so many bytes are payload.
    pub(super) fn said(self, bytes: f64, messages: f64, payload: u64) -> Self {
        let beyond = Some(bytes - payload as f64);
        Self { bytes: Some(bytes), beyond, messages: Some(messages), ..self }
    }

    pub(super) fn cpu(self, micros: f64) -> Self {
        Self { cpu_us: Some(micros), ..self }
    }

    pub(super) fn times(self, p50: f64, p99: f64) -> Self {
        Self { p50_us: Some(p50), p99_us: Some(p99), ..self }
    }
}

/// Ours, in the order measured.
#[derive(Debug, Default)]
pub(super) struct Figures(Vec<Figure>);

impl Figures {
    pub(super) fn add(&mut self, figure: Figure) {
        self.0.push(figure);
    }

    /// Prints a table of ours and theirs, workload by workload.
    pub(super) fn beside(&self, path: &Path) -> Outcome {
        let text = std::fs::read_to_string(path)?;
        let theirs: Vec<Figure> = text
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let columns = [
            "workload",
            "system",
            "bytes",
            "beyond payload",
            "messages",
            "CPU µs (both)",
            "p50 µs",
            "p99 µs",
            "what to know",
        ];
        table::head("Ours beside theirs", &columns);
        let mut workloads: Vec<&str> = Vec::new();
        for figure in self.0.iter().chain(&theirs) {
            if !workloads.contains(&figure.workload.as_str()) {
                workloads.push(&figure.workload);
            }
        }
        for workload in workloads {
            for figure in self.0.iter().chain(&theirs).filter(|figure| figure.workload == workload) {
                show(figure);
            }
        }
        Ok(())
    }
}

fn show(figure: &Figure) {
    let number = |value: Option<f64>| value.map_or_else(|| "-".to_owned(), table::number);
    let numbers = [figure.bytes, figure.beyond, figure.messages, figure.cpu_us, figure.p50_us, figure.p99_us]
        .map(number);
    let [workload, system] = [&figure.workload, &figure.system].map(Clone::clone);
    let note = figure.note.clone();
    table::cells(&[&[workload, system][..], &numbers, &[note]].concat());
}
