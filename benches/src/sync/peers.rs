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
    /// One of ours.
    pub(super) fn new(workload: &str, system: &str) -> Self {
        let note = "stored; over TCP".to_owned();
        Self { workload: workload.to_owned(), system: system.to_owned(), note, ..Self::default() }
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

    /// Prints a table of ours and theirs, workload by workload as they were measured, and then where theirs
    /// cost less.
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
        for figure in &self.0 {
            if !workloads.contains(&figure.workload.as_str()) {
                workloads.push(&figure.workload);
            }
        }
        let mut lost = Vec::new();
        for workload in workloads {
            let of = |all: &'_ [Figure]| -> Vec<Figure> {
                all.iter().filter(|figure| figure.workload == workload).cloned().collect()
            };
            let (ours, theirs) = (of(&self.0), of(&theirs));
            let best = cheapest(&theirs);
            ours.iter().for_each(|figure| figure.show(Some(&best)));
            theirs.iter().for_each(|figure| figure.show(None));
            lost.extend(losses(workload, &cheapest(&ours), &best));
        }
        table::head("Where the cheapest of theirs costs less than the cheapest of ours", &LOST);
        lost.iter().for_each(|row| table::cells(row));
        Ok(())
    }
}

/// What has a price, in the order of [`Figure::costs`].
const COSTS: [&str; 6] = ["bytes", "beyond payload", "messages", "CPU µs (both)", "p50 µs", "p99 µs"];
const LOST: [&str; 6] = ["workload", "cost", "ours", "theirs", "our system", "their system"];

/// The least that one of them pays at each price, and who that is.
type Cheapest = [Option<(f64, String)>; COSTS.len()];

fn cheapest(all: &[Figure]) -> Cheapest {
    std::array::from_fn(|at| {
        let paid = all.iter().filter_map(|figure| Some((figure.costs()[at]?, figure.system.clone())));
        paid.min_by(|one, other| one.0.total_cmp(&other.0))
    })
}

fn losses(workload: &str, ours: &Cheapest, theirs: &Cheapest) -> Vec<[String; 6]> {
    let each = COSTS.iter().zip(ours.iter().zip(theirs));
    let lost = each.filter_map(|(cost, pair)| match pair {
        (Some((ours, us)), Some((theirs, them))) if ours > theirs => {
            let [ours, theirs] = [*ours, *theirs].map(table::number);
            Some([workload.to_owned(), (*cost).to_owned(), ours, theirs, us.clone(), them.clone()])
        }
        _ => None,
    });
    lost.collect()
}

impl Figure {
    fn costs(&self) -> [Option<f64>; COSTS.len()] {
        [self.bytes, self.beyond, self.messages, self.cpu_us, self.p50_us, self.p99_us]
    }

    /// Prints a row, with what others do for less in bold.
    fn show(&self, others: Option<&Cheapest>) {
        let costs: Vec<String> = self
            .costs()
            .into_iter()
            .enumerate()
            .map(|(at, cost)| {
                let text = cost.map_or_else(|| "-".to_owned(), table::number);
                let least = others.and_then(|others| others[at].as_ref());
                let dear = cost.zip(least).is_some_and(|(cost, (least, _))| cost > *least);
                if dear { format!("**{text}**") } else { text }
            })
            .collect();
        let [workload, system] = [&self.workload, &self.system].map(Clone::clone);
        table::cells(&[&[workload, system][..], &costs, std::slice::from_ref(&self.note)].concat());
    }
}
