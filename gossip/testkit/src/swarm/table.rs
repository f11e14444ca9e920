//! What came out, as text and as JSON.

use std::fmt::Write;

use serde::{Deserialize, Serialize};

use super::cases::Case;
use super::samples::Samples;
use super::scenario::{Scenario, Weather};
use super::targets::{Measure, measures};

/// Processor seconds of one core for a minute of 1,000 idle nodes.
const CPU_OF_MINUTE: f64 = 5.0;

/// One figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it says.
    pub name: String,
    /// `None` when it never came to that.
    pub value: Option<f64>,
    /// At most this is aimed at.
    pub target: Option<f64>,
    /// What the best of other systems reached on such a network.
    pub best: String,
}

impl Figure {
    fn of(measure: &Measure, samples: &Samples) -> Self {
        let value = samples.of(measure.series, measure.of).map(|value| (value * 1e4).round() / 1e4);
        Self { name: measure.name.into(), value, target: measure.target, best: measure.best.into() }
    }

    /// Whether it is as good as wanted; `None` where nothing is wanted.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        let target = self.target?;
        Some(self.value.is_some_and(|value| value <= target))
    }
}

/// One type of message in the time that was metered, per node and second.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Talk {
    /// Its name.
    pub message: String,
    /// Datagrams.
    pub datagrams: f64,
    /// Their bytes.
    pub bytes: f64,
}

/// A case and its figures.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// As scenarios are numbered.
    pub scenario: String,
    /// What happened.
    pub title: String,
    /// Nodes.
    pub nodes: usize,
    /// Datagrams lost of 1,000.
    pub loss: u64,
    /// Runs.
    pub runs: usize,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What was said meanwhile.
    pub talk: Vec<Talk>,
}

impl Row {
    /// What all runs of a case together came to: the same for the same seeds.
    #[must_use]
    pub fn of(case: &Case, samples: &Samples) -> Self {
        let round = |value: f64| (value / samples.runs as f64 * 1e4).round() / 1e4;
        let talk = samples.messages.iter();
        Self {
            scenario: case.scenario.id().into(),
            title: case.scenario.title(),
            nodes: case.nodes,
            loss: case.loss,
            runs: samples.runs,
            figures: measures(case).iter().map(|measure| Figure::of(measure, samples)).collect(),
            talk: talk
                .map(|(message, (datagrams, bytes))| Talk {
                    message: (*message).into(),
                    datagrams: round(*datagrams),
                    bytes: round(*bytes),
                })
                .collect(),
        }
    }

    /// The same with the processor time it took, which is another each time.
    #[must_use]
    pub fn with_cpu(mut self, case: &Case, samples: &Samples) -> Self {
        let minute = Scenario::Idle { seconds: 60, weather: Weather::Fair };
        let is_aimed_at = case.nodes == 1_000 && case.loss == 0 && case.scenario == minute;
        self.figures.push(Figure {
            name: "processor s per run".into(),
            value: Some((samples.cpu.as_secs_f64() / samples.runs as f64 * 1e4).round() / 1e4),
            target: is_aimed_at.then_some(CPU_OF_MINUTE),
            best: if is_aimed_at { "6 (foca)".into() } else { String::new() },
        });
        self
    }

    /// Puts what another system reached in the same case, under the same plan, in place of what its best is known
    /// for.
    pub fn put_beside(&mut self, name: &str, theirs: &[Self]) {
        let place = |row: &Self| (row.scenario.clone(), row.title.clone(), row.nodes, row.loss);
        let own = place(self);
        let same = theirs.iter().filter(|row| place(row) == own);
        for other in same.flat_map(|row| &row.figures) {
            let ours = self.figures.iter_mut().filter(|ours| ours.name == other.name);
            let value = other.value.map_or_else(|| "never".into(), short);
            ours.for_each(|ours| ours.best = format!("{value} ({name})"));
        }
    }

    /// How many targets are met, and how many are not.
    #[must_use]
    pub fn verdict(&self) -> (usize, usize) {
        let met = self.figures.iter().filter_map(Figure::is_met);
        met.fold((0, 0), |(yes, no), met| (yes + usize::from(met), no + usize::from(!met)))
    }

    /// Lines of the table.
    #[must_use]
    pub fn text(&self) -> String {
        let Self { scenario, title, nodes, loss, runs, .. } = self;
        let mut text =
            format!("{scenario} {title}: N={nodes}, {} % loss, {runs} runs\n", *loss as f64 / 10.0);
        for figure in &self.figures {
            let number = |value: Option<f64>| value.map_or_else(|| "never".into(), short);
            let target = figure.target.map_or_else(String::new, |target| format!("<= {}", short(target)));
            let mark = match figure.is_met() {
                Some(true) => "ok",
                Some(false) => "MISSED",
                None => "",
            };
            let (name, value, best) = (&figure.name, number(figure.value), &figure.best);
            let _ = writeln!(text, "    {name:<30} {value:>12}  {target:<10} {mark:<6}  {best}");
        }
        text
    }
}

fn short(value: f64) -> String {
    let digits = if value.fract() == 0.0 {
        0
    } else if value.abs() < 10.0 {
        3
    } else {
        1
    };
    format!("{value:.digits$}")
}

/// All rows as JSON.
#[must_use]
pub fn json(rows: &[Row]) -> String {
    serde_json::to_string_pretty(rows).expect("rows are numbers and texts")
}

/// Rows that were written as JSON.
///
/// # Errors
/// When the text is something else.
pub fn rows(json: &str) -> Result<Vec<Row>, serde_json::Error> {
    serde_json::from_str(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minute(bytes: f64) -> Row {
        let scenario = Scenario::Idle { seconds: 60, weather: Weather::Fair };
        let mut samples = Samples::new();
        samples.add("bytes", bytes);
        Row::of(&Case { scenario, nodes: 20, loss: 0, seeds: 1 }, &samples)
    }

    #[test]
    fn a_figure_that_never_came_misses_its_target() {
        // Of three targets one was measured.
        assert_eq!(minute(29.0).verdict(), (1, 2));
        assert_eq!(minute(31.0).verdict(), (0, 3));
    }

    #[test]
    fn others_are_put_beside_the_same_case() {
        let (mut ours, theirs) = (minute(29.0), minute(49.0));
        let written = json(std::slice::from_ref(&theirs));
        ours.put_beside("foca", &rows(&written).unwrap());
        assert_eq!(ours.figures[1].best, "49 (foca)");
        ours.put_beside("foca", &[Row { nodes: 100, ..minute(89.0) }]);
        assert_eq!(ours.figures[1].best, "49 (foca)");
    }
}
