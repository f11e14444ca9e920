//! A replica without anything takes in everything.

use super::order::{Keep, Order};
use super::pair::{Pair, Terms, Window};
use super::peers::Figure;
use super::{Findings, PAYLOAD, Plan};
use crate::fill::History;
use crate::{Outcome, table};

/// Cost that grows no more than so from the fewest entries to the most is flat.
const FLAT: f64 = 1.25;
/// Sizes that are told apart, beside the one asked for.
const SIZES: [u64; 2] = [10_000, 100_000];
/// With `--full`.
const LARGE: u64 = 10_000_000;

pub(super) fn measure(plan: &Plan, findings: &mut Findings) -> Outcome {
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
        "targets",
    ];
    table::head(&format!("Cold sync of entries of {PAYLOAD} bytes"), &columns);
    for &keep in plan.keeps() {
        let of = |authors: usize, entries: u64| History::new(1, authors, entries / authors as u64, PAYLOAD);
        let sizes = SIZES.into_iter().filter(|size| *size < plan.entries).chain([plan.entries]);
        let sizes = sizes.chain(plan.full.then_some(LARGE));
        let mut costs = Vec::new();
        for entries in sizes {
            costs.push((entries, row(keep, of(1, entries).sealed(), findings)?));
        }
        flat(keep, &costs, findings);
        let few = (plan.entries / 10).max(10);
        let singly = [1, 10].map(|authors| History { run: 1, ..of(authors, few).sealed() });
        let rest = [of(10, plan.entries).sealed(), of(1, plan.entries), of(10, plan.entries)];
        for history in rest.into_iter().chain(singly) {
            row(keep, history, findings)?;
        }
    }
    Ok(())
}

/// Cost does not grow with what there is.
fn flat(keep: Keep, costs: &[(u64, f64)], findings: &mut Findings) {
    let [(fewest, first), .., (most, last)] = costs else { return };
    let what = format!("cold, {}, sealed: CPU from {fewest} to {most} entries", keep.name());
    let figure = format!("{first:.2} to {last:.2} µs/entry");
    findings.goals.note(&what, &format!("grows ≤ {FLAT}x"), &figure, *last <= first * FLAT);
}

/// Returns what an entry cost.
fn row(keep: Keep, history: History, findings: &mut Findings) -> Outcome<f64> {
    let window = sync(keep, history)?;
    let (total, payload) = (history.total(), history.total() * PAYLOAD as u64);
    let (share, cost) = (window.bytes() as f64 / payload as f64, window.cpu_each(total));
    let seals = if history.sealed { "sealed" } else { "plain" };
    table::row(&[
        &keep.name(),
        &seals,
        &total,
        &history.authors,
        &history.run,
        &format!("{share:.3}"),
        &format!("{cost:.2}"),
        &table::number(window.rate(total)),
        &format!("{:.0} / {:.0}", window.giver.most_mib, window.taker.most_mib),
        &targets(keep, history, (share, cost), findings),
    ]);
    if history.authors == 1 && history.run > 1 {
        let system = format!("gossip, {}, {seals}", keep.name());
        let figure = Figure::new(&format!("cold, {total} entries"), &system);
        let figure = figure.said(window.bytes() as f64, window.taker.frames as f64, payload);
        findings.figures.add(figure.cpu(window.cpu_each(1)));
    }
    Ok(cost)
}

fn targets(keep: Keep, history: History, (share, cost): (f64, f64), findings: &mut Findings) -> String {
    let History { authors, run, .. } = history;
    if !history.sealed {
        return "-".to_owned();
    }
    let what = format!("cold, {}, sealed, {} entries, {authors} authors", keep.name(), history.total());
    let what = if run == 1 { format!("{what}, written one by one") } else { what };
    let goals = &mut findings.goals;
    let bound = if authors == 1 { 1.04 } else { 1.10 };
    let wire = goals.most(&format!("{what}: wire"), share, bound, "x payload");
    if run == 1 {
        return wire;
    }
    let bound = if keep == Keep::Memory { 1.0 } else { 1.5 };
    format!("{wire}, {}", goals.most(&format!("{what}: CPU, both sides"), cost, bound, "µs/entry"))
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
