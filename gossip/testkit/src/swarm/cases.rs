//! Which scenarios are run, with how many nodes, in which weather and how often.

use super::plan::Plan;
use super::samples::Samples;
use super::scenario::{Scenario, Weather};

/// Anybody may pause for so many milliseconds: what it says then is with all within 0.8 s of the first question,
/// which comes after a beat was missed.
pub(super) const SHORT: u64 = 740;

/// One line of the table before it is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// What happens.
    pub scenario: Scenario,
    /// To how many nodes.
    pub nodes: usize,
    /// Datagrams lost of 1,000.
    pub loss: u64,
    /// Runs, each of a seed of its own.
    pub seeds: u64,
}

impl Case {
    /// One run of it.
    #[must_use]
    pub fn run(&self, seed: u64) -> Samples {
        self.scenario.run(Plan { seed, nodes: self.nodes, loss: self.loss })
    }
}

/// How much is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// What fits into minutes.
    Bounded,
    /// Everything that is promised: hours of idle, the whole grid, more seeds.
    Long,
}

/// All cases for groups of these sizes.
#[must_use]
pub fn cases(length: Length, sizes: &[usize]) -> Vec<Case> {
    let all = sizes.iter().flat_map(|nodes| of_size(length, *nodes));
    let mut all: Vec<Case> = all.chain(grid(length)).collect();
    all.sort_by_key(|case| case.scenario.id());
    all
}

fn of_size(length: Length, nodes: usize) -> Vec<Case> {
    let large = nodes > 100;
    // Runs of large groups are few and take long.
    let runs = |small: u64| match length {
        Length::Bounded if large => 1,
        Length::Bounded => small,
        Length::Long if large => 3,
        Length::Long => 20,
    };
    let case = |scenario, seeds| Case { scenario, nodes, loss: 0, seeds };
    let mut all = idle(length, nodes);
    let crash = case(Scenario::Crash { victims: if large { 5 } else { 1 } }, runs(20));
    let message = case(Scenario::Message { each: 50 }, runs(3));
    // With losses crashes differ by seconds, and five of them tell little.
    all.extend([crash, Case { loss: 300, seeds: runs(5).max(4), ..crash }]);
    all.extend([0, 100, 300].map(|loss| Case { loss, ..message }));
    all.push(case(Scenario::Join, runs(3)));
    all.push(case(Scenario::Split { seconds: 60 }, runs(3)));
    let leavers = if length == Length::Long { (nodes / 2).min(100) } else { 10 };
    all.push(case(Scenario::Leave { leavers }, runs(3)));
    all.extend([10, 20, 50].map(|percent| case(Scenario::Exodus { percent }, runs(2))));
    all.push(case(Scenario::Apart { seconds: 60 }, runs(2)));
    all.push(case(Scenario::Blocked { count: nodes / 8, millis: SHORT }, runs(3)));
    all
}

fn idle(length: Length, nodes: usize) -> Vec<Case> {
    // What is said once in some minutes is seen in a longer run only.
    let seconds = |loss| match length {
        Length::Long => 3_600,
        Length::Bounded if loss == 0 && nodes <= 100 => 1_200,
        Length::Bounded => 60,
    };
    let (scenario, seeds) = (Scenario::Idle { seconds: 60, weather: Weather::Fair }, 1);
    let minute = Case { scenario, nodes, loss: 0, seeds };
    let longer = |loss| Scenario::Idle { seconds: seconds(loss), weather: Weather::Fair };
    let lossy = [0, 100, 200, 300].map(|loss| Case { scenario: longer(loss), loss, ..minute });
    let foul = [Weather::OneWay, Weather::Bursts, Weather::Flapping, Weather::Dozing];
    let foul = foul.map(|weather| Case { scenario: Scenario::Idle { seconds: 120, weather }, ..minute });
    let mut all = vec![minute];
    all.extend(lossy.into_iter().filter(|case| *case != minute));
    all.extend(foul);
    all
}

/// The grid of S6, which has a size of its own.
fn grid(length: Length) -> Vec<Case> {
    let (counts, times, seeds): (&[usize], &[u64], u64) = match length {
        Length::Bounded => (&[16, 32], &[8_192, 16_384], 1),
        Length::Long => (&[1, 4, 16, 32], &[2_048, 8_192, 16_384], 5),
    };
    let cells = counts.iter().flat_map(|count| times.iter().map(move |millis| (*count, *millis)));
    let cell = |(count, millis)| Scenario::Blocked { count, millis };
    cells.map(|at| Case { scenario: cell(at), nodes: 128, loss: 0, seeds }).collect()
}
