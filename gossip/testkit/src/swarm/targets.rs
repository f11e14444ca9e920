//! What is said of each scenario, what is aimed at, and what the best of other systems reached.

use super::cases::{Case, SHORT};
use super::samples::Statistic;
use super::scenario::{Scenario, Weather};

/// One figure of a scenario.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Measure {
    pub(super) name: &'static str,
    pub(super) series: &'static str,
    pub(super) of: Statistic,
    /// At most this is aimed at.
    pub(super) target: Option<f64>,
    /// Measured once on the same network.
    pub(super) best: &'static str,
}

const fn measure(name: &'static str, series: &'static str, of: Statistic) -> Measure {
    Measure { name, series, of, target: None, best: "" }
}

impl Measure {
    const fn at_most(self, target: f64) -> Self {
        Self { target: Some(target), ..self }
    }

    /// Aimed at only sometimes.
    const fn at_most_if(self, condition: bool, target: f64) -> Self {
        Self { target: if condition { Some(target) } else { None }, ..self }
    }

    const fn best(self, best: &'static str) -> Self {
        Self { best, ..self }
    }
}

use Statistic::{Max, Mean, Quantile, Sum};

/// Nobody is called unreachable who is there.
const NONE_FALSE: Measure = measure("false Down", "false", Sum).at_most(0.0);
/// Everything reaches everybody who is there.
const NONE_MISSING: Measure = measure("deliveries missing", "missing", Sum).at_most(0.0);

/// The figures of a case, in the order of the table.
pub(super) fn measures(case: &Case) -> Vec<Measure> {
    let (fair, large) = (case.loss == 0, case.nodes > 100);
    match case.scenario {
        Scenario::Idle { weather, .. } => idle(fair && weather == Weather::Fair),
        Scenario::Crash { .. } => crash(case.loss, large),
        Scenario::Message { .. } => message(fair, large),
        Scenario::Join => join(fair),
        Scenario::Split { .. } => split(fair),
        Scenario::Blocked { millis, .. } => blocked(millis),
        Scenario::Leave { .. } => vec![
            measure("known to all, ms, worst", "all", Max).at_most_if(fair, 200.0).best("50 (memberlist)"),
            measure("observers that never knew", "unseen", Sum).at_most(0.0),
            NONE_FALSE,
        ],
        Scenario::Exodus { .. } => vec![
            NONE_MISSING,
            measure("p99.9 of delivery, s", "late", Quantile(999)).at_most(3.0),
            measure("latest delivery, s", "late", Max),
            measure("crashed but reachable", "unseen", Sum).at_most(0.0),
            NONE_FALSE,
        ],
        Scenario::Apart { .. } => vec![
            NONE_MISSING.best("49 % (foca, memberlist)"),
            measure("p99.9 after healing, s", "late", Quantile(999)).at_most(2.0),
            measure("latest after healing, s", "late", Max),
            measure("share reached while apart", "reached while apart", Mean),
        ],
    }
}

fn idle(fair: bool) -> Vec<Measure> {
    vec![
        measure("datagrams per node and s", "datagrams", Mean).at_most_if(fair, 1.0).best("2.0 (memberlist)"),
        measure("bytes per node and s", "bytes", Mean).at_most_if(fair, 30.0).best("52 (memberlist)"),
        NONE_FALSE,
        measure("false Down per node-hour", "false per node-hour", Mean)
            .best("0 (memberlist), 795 (foca, 30 %)"),
        measure("status changes per node-hour", "told per node-hour", Mean),
    ]
}

fn crash(loss: u64, large: bool) -> Vec<Measure> {
    let (first, all) = if large { (1.6, 2.2) } else { (1.5, 2.0) };
    let (fair, foul) = (loss == 0, loss > 0);
    vec![
        measure("first suspects, s, mean", "suspected", Mean),
        measure("first Down, s, mean", "first", Mean).at_most_if(fair, first).best("7.0 (chitchat)"),
        measure("half Down, s, mean", "half", Mean),
        measure("99 % Down, s, mean", "most", Mean),
        measure("all Down, s, mean", "all", Mean)
            .at_most(if foul { 4.0 } else { all })
            .best("10.1 (chitchat)"),
        measure("all Down, s, worst", "all", Max).at_most_if(fair, 3.0).best("11.2 (memberlist)"),
        measure("observers that never saw", "unseen", Sum).at_most(0.0),
        NONE_FALSE,
    ]
}

fn message(fair: bool, large: bool) -> Vec<Measure> {
    let all = if large { 350.0 } else { 200.0 };
    let best = if large { "526 (iroh-gossip)" } else { "268 (iroh-gossip)" };
    vec![
        measure("to half, ms, mean", "any half", Mean),
        measure("to 99 %, ms, mean", "any most", Mean),
        measure("to all, ms, mean", "any all", Mean).at_most_if(fair, all).best(best),
        measure("to all, ms, worst", "any all", Max),
        measure("copies per delivery", "any copies", Mean).at_most_if(fair, 1.05).best("1.4 (iroh-gossip)"),
        measure("bytes per node and message", "any bytes", Mean)
            .at_most_if(fair, 160.0)
            .best("383 (iroh-gossip)"),
        measure("to all, one sender, ms, mean", "one all", Mean).at_most_if(fair, all),
        measure("copies, one sender", "one copies", Mean).at_most_if(fair, 1.05).best("1.08 (iroh-gossip)"),
        measure("bytes, one sender", "one bytes", Mean).at_most_if(fair, 160.0),
        NONE_MISSING,
        // In small groups half of that is usual; where links that were given up do not come back it is more.
        measure("p99.9 of delivery, s", "late", Quantile(999)).at_most(if large { 1.0 } else { 0.5 }),
        NONE_FALSE,
    ]
}

fn join(fair: bool) -> Vec<Measure> {
    vec![
        measure("all views full, s, worst", "complete", Max)
            .at_most_if(fair, 3.0)
            .best("2.0, N=100 (memberlist)"),
        measure("pairs that never met", "pairs missing", Sum).at_most(0.0).best("1 view of 1,000 (foca)"),
        measure("KB per node", "kilobytes", Mean).at_most_if(fair, 45.0).best("148 (foca)"),
        measure("KB of the busiest node", "busiest kilobytes", Mean),
    ]
}

fn split(fair: bool) -> Vec<Measure> {
    vec![
        measure("all views full, s, worst", "healed", Max).at_most_if(fair, 2.0).best("3.8 (chitchat)"),
        measure("pairs that stayed apart", "pairs missing", Sum).at_most(0.0),
        measure("bytes per node", "bytes", Mean).at_most_if(fair, 2_048.0).best("135,000 (chitchat)"),
        measure("pairs parted before", "parted", Mean),
        measure("pairs that never parted", "not parted", Sum).at_most(0.0),
    ]
}

/// Who is blocked for a moment only is called nothing.
fn blocked(millis: u64) -> Vec<Measure> {
    let short = millis <= SHORT;
    vec![
        NONE_FALSE.best("10 to 3,283 (memberlist)"),
        measure("of these by healthy ones", "false by healthy", Sum)
            .at_most(0.0)
            .best("0 to 2,112 (memberlist)"),
        measure("healthy suspected by healthy ones", "doubted by healthy", Sum).at_most(0.0),
        measure("blocked called Down", "blocked called down", Sum).at_most_if(short, 0.0),
    ]
}
