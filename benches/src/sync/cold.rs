//! A replica without anything takes in everything.

use super::order::{Keep, Order};
use super::pair::{Pair, Terms, Window};
use super::peers::{Figure, Figures};
use super::{PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

pub(super) fn measure(plan: &Plan, figures: &mut Figures) -> Outcome {
    let columns = [
        "stores",
        "seals",
        "entries",
        "authors",
        "written at once",
        "wire/payload",
        "CPU µs/entry (both)",
        "entries/s",
        "MiB at most, giver / taker",
    ];
    table::head(&format!("Cold sync of entries of {PAYLOAD} bytes"), &columns);
    for &keep in plan.keeps() {
        let of = |authors: usize, entries: u64| History::new(1, authors, entries / authors as u64, PAYLOAD);
        let mut rows = vec![of(1, plan.entries), of(1, plan.entries).sealed(), of(10, plan.entries).sealed()];
        let few = (plan.entries / 10).max(10);
        rows.extend([1, 10].map(|authors| History { run: 1, ..of(authors, few).sealed() }));
        let other = if plan.full { &[10_000, 100_000, 10_000_000][..] } else { &[10_000, 100_000] };
        rows.extend(other.iter().map(|&entries| of(1, entries).sealed()));
        for history in rows {
            row(keep, history, figures)?;
        }
    }
    Ok(())
}

fn row(keep: Keep, history: History, figures: &mut Figures) -> Outcome {
    let window = sync(keep, history)?;
    let (total, payload) = (history.total(), history.total() * PAYLOAD as u64);
    let seals = if history.sealed { "sealed" } else { "plain" };
    table::row(&[
        &keep.name(),
        &seals,
        &total,
        &history.authors,
        &history.run,
        &format!("{:.3}", window.bytes() as f64 / payload as f64),
        &format!("{:.2}", window.cpu_each(total)),
        &table::number(window.rate(total)),
        &format!("{:.0} / {:.0}", window.giver.most_mib, window.taker.most_mib),
    ]);
    if history.authors == 1 && history.run > 1 && [100_000, 1_000_000].contains(&total) {
        let system = format!("gossip, {}, {seals}", keep.name());
        let figure = Figure::new(&format!("cold, {total} entries"), &system);
        let figure = figure.said(window.bytes() as f64, window.taker.frames as f64, payload);
        figures.add(figure.cpu(window.cpu_each(1)));
    }
    Ok(())
}

/// From dialling until the taker's store has everything.
pub(super) fn sync(keep: Keep, history: History) -> Outcome<Window> {
    let mut pair = Pair::open(&Terms { giver: Some(history), ..Terms::new(keep) })?;
    let window = pair.during(|pair| {
        pair.meet()?;
        pair.taker.run(Order::Holds(history.total()))
    })?;
    pair.quit()?;
    Ok(window)
}
