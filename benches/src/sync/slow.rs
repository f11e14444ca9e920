//! A reader ten thousand times slower than the wire.

use super::order::{Answer, Order};
use super::pair::{Pair, Terms};
use super::{Findings, PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

/// Times slower than the wire, at least.
const SLOWER: f64 = 10_000.0;
/// MiB that a slow reader may cost.
const MIB: f64 = 32.0;
/// Milliseconds between two entries taken.
const PAUSE: u64 = 100;

pub(super) fn measure(plan: &Plan, findings: &mut Findings) -> Outcome {
    let columns = [
        "stores",
        "entries",
        "arrived in s",
        "taken meanwhile",
        "taken in all, in order",
        "taker MiB at most",
        "MiB without a reader",
        "targets",
    ];
    table::head(&format!("A reader that takes one entry per {PAUSE} ms while everything arrives"), &columns);
    for &keep in plan.keeps() {
        let history = History::new(1, 10, plan.entries / 10, PAYLOAD).sealed();
        let without = super::cold::sync(keep, history)?.taker.most_mib;
        let mut pair = Pair::open(&Terms { giver: Some(history), ..Terms::new(keep) })?;
        pair.taker.run(Order::Crawl(PAUSE))?;
        let window = pair.during(|pair| {
            pair.meet()?;
            pair.taker.run(Order::Holds(history.total()))
        })?;
        let Answer::Crawled { slowly, all } = pair.taker.ask(Order::CatchUp(history.total()))? else {
            return Err("nobody crawled".into());
        };
        let slower = window.rate(history.total()) * PAUSE as f64 / 1e3;
        let name = |of: &str| format!("slow reader, {}: {of}", keep.name());
        let (goals, over) = (&mut findings.goals, window.taker.most_mib - without);
        let (slow, taken) = (format!("{slower:.0} times"), format!("{all} of {}", history.total()));
        let targets = [
            goals.note(&name("slower than the wire"), "≥ 10,000 times", &slow, slower >= SLOWER),
            goals.note(&name("entries, in order"), "all", &taken, all == history.total()),
            goals.most(&name("memory over that without it"), over, MIB, "MiB"),
        ];
        table::row(&[
            &keep.name(),
            &history.total(),
            &format!("{:.2}", window.time.as_secs_f64()),
            &slowly,
            &all,
            &table::number(window.taker.most_mib),
            &table::number(without),
            &targets.join(", "),
        ]);
        pair.quit()?;
    }
    Ok(())
}
