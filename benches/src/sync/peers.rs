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

    /// Prints a table of ours and theirs, workload by workload, and then where theirs cost less.
    pub(super) fn beside(&self, path: &Path) -> Outcome {
        let text = std::fs::read_to_string(path)?;
        let theirs: Vec<Figure> = text
            .lines()
            .filter(|line| line.starts_with('{'))
            .map(serde_json::from_str)
            .collect::<Result<_, _>>()?;
        let columns = [&["workload", "system"][..], &COSTS, &["what to know"]].concat();
        table::head("Ours beside theirs; bold: theirs cost less", &columns);
        let mut workloads: Vec<&str> = Vec::new();
        for figure in self.0.iter().chain(&theirs) {
            if !workloads.contains(&figure.workload.as_str()) {
                workloads.push(&figure.workload);
            }
        }
        let mut lost = Vec::new();
        for workload in workloads {
            let theirs: Vec<&Figure> = theirs.iter().filter(|figure| figure.workload == workload).collect();
            for figure in self.0.iter().filter(|figure| figure.workload == workload) {
                lost.extend(figure.against(&theirs));
            }
            theirs.iter().for_each(|figure| figure.show([false; COSTS.len()]));
        }
        table::head("Where theirs cost less", &["workload", "ours", "cost", "ours", "theirs", "whose"]);
        lost.iter().for_each(|row| table::cells(row));
        Ok(())
    }
}

/// What has a price, in the order of [`Figure::costs`].
const COSTS: [&str; 6] = ["bytes", "beyond payload", "messages", "CPU µs (both)", "p50 µs", "p99 µs"];

impl Figure {
    fn costs(&self) -> [Option<f64>; COSTS.len()] {
        [self.bytes, self.beyond, self.messages, self.cpu_us, self.p50_us, self.p99_us]
    }

    /// Prints one of ours, and returns a row for each price at which one of them does the same for less.
    fn against(&self, theirs: &[&Self]) -> Vec<[String; 6]> {
        let (mut dear, mut lost) = ([false; COSTS.len()], Vec::new());
        for (at, cost) in self.costs().into_iter().enumerate() {
            let cheapest = theirs
                .iter()
                .filter_map(|other| Some((other.costs()[at]?, &other.system)))
                .min_by(|one, other| one.0.total_cmp(&other.0));
            let (Some(ours), Some((cost, whose))) = (cost, cheapest) else { continue };
            if ours > cost {
                dear[at] = true;
                let [ours, cost] = [ours, cost].map(table::number);
                let [workload, system] = [&self.workload, &self.system].map(Clone::clone);
                lost.push([workload, system, COSTS[at].to_owned(), ours, cost, whose.clone()]);
            }
        }
        self.show(dear);
        lost
    }

    fn show(&self, dear: [bool; COSTS.len()]) {
        let mut at = dear.into_iter();
        let costs = self.costs().map(|cost| {
            let cost = cost.map_or_else(|| "-".to_owned(), table::number);
            if at.next() == Some(true) { format!("**{cost}**") } else { cost }
        });
        let [workload, system] = [&self.workload, &self.system].map(Clone::clone);
        table::cells(&[&[workload, system][..], &costs, std::slice::from_ref(&self.note)].concat());
    }
}
