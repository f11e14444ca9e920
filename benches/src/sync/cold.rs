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
        for authors in [1, 10] {
            row(keep, plan.entries, authors, 256, figures)?;
        }
        for authors in [1, 10] {
            row(keep, (plan.entries / 10).max(1), authors, 1, figures)?;
        }
        let other = if plan.full { &[10_000, 100_000, 10_000_000][..] } else { &[10_000, 100_000] };
        for &entries in other.iter().filter(|&&entries| entries != plan.entries) {
            row(keep, entries, 1, 256, figures)?;
        }
    }
    Ok(())
}

fn row(keep: Keep, entries: u64, authors: usize, run: u64, figures: &mut Figures) -> Outcome {
    let history = History { run, ..History::new(1, authors, entries / authors as u64, PAYLOAD) };
    let window = sync(keep, history)?;
    let total = history.total();
    let ratio = window.bytes() as f64 / (total * PAYLOAD as u64) as f64;
    table::row(&[
        &keep.name(),
        &total,
        &authors,
        &run,
        &format!("{ratio:.3}"),
        &format!("{:.2}", window.cpu_each(total)),
        &table::number(window.rate(total)),
        &format!("{:.0} / {:.0}", window.giver.most_mib, window.taker.most_mib),
    ]);
    if authors == 1 && run > 1 && [100_000, 1_000_000].contains(&total) {
        let figure = Figure::new(&format!("cold, {total} entries"), &format!("gossip, {}", keep.name()));
        let figure = figure.said(window.bytes() as f64, window.taker.frames as f64, total * PAYLOAD as u64);
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
