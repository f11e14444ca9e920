//! A reader ten thousand times slower than the wire.

use super::order::{Answer, Order};
use super::pair::{Pair, Terms};
use super::peers::Figures;
use super::{PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

/// Milliseconds between two entries taken.
const PAUSE: u64 = 100;

pub(super) fn measure(plan: &Plan, _: &mut Figures) -> Outcome {
    let columns = [
        "stores",
        "entries",
        "arrived in s",
        "taken meanwhile",
        "taken in all, in order",
        "taker MiB at most",
        "MiB without a reader",
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
        table::row(&[
            &keep.name(),
            &history.total(),
            &format!("{:.2}", window.time.as_secs_f64()),
            &slowly,
            &all,
            &table::number(window.taker.most_mib),
            &table::number(without),
        ]);
        pair.quit()?;
    }
    Ok(())
}
