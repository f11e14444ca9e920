//! Cold sync beside the smallest pipeline, in turns: machines and disks have moods, pairs share them.

use std::time::Instant;

use super::child::{Party, unexpected};
use super::goals::Goals;
use super::order::{Answer, Keep, Order};
use super::pair::Window;
use super::pipe::Task;
use super::{Findings, PAYLOAD, Plan, cold};
use crate::fill::History;
use crate::stores::median;
use crate::{Outcome, table};

pub(super) fn measure(plan: &Plan, findings: &mut Findings) -> Outcome {
    if !plan.keeps().contains(&Keep::Buffered) {
        return Ok(());
    }
    let columns = [
        "authors",
        "seals",
        "pipeline/s",
        "gossip/s",
        "median ratio (all pairs)",
        "pipeline CPU µs (both)",
        "gossip CPU µs (both)",
        "target",
    ];
    let title = format!("Cold sync of {} entries, RocksDB to RocksDB, beside a bare pipeline", plan.entries);
    table::head(&title, &columns);
    for (authors, sealed) in [(1, false), (1, true), (10, false), (10, true)] {
        let history = History::new(1, authors, plan.entries / authors as u64, PAYLOAD);
        let history = if sealed { history.sealed() } else { history };
        let mut pairs = Vec::new();
        for _ in 0..plan.pairs {
            pairs.push((pipeline(history)?, cold::sync(Keep::Buffered, history)?));
        }
        show(history, &pairs, &mut findings.goals);
    }
    Ok(())
}

fn show(history: History, pairs: &[(Window, Window)], goals: &mut Goals) {
    let total = history.total();
    let ratios: Vec<f64> =
        pairs.iter().map(|(bare, ours)| bare.time.as_secs_f64() / ours.time.as_secs_f64()).collect();
    let all: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    let middle = |of: &dyn Fn(&(Window, Window)) -> f64| median(pairs.iter().map(of).collect());
    let (ratio, seals) = (median(ratios), if history.sealed { "sealed" } else { "plain" });
    let what = format!("cold beside the bare pipeline, {} authors, {seals}", history.authors);
    let target = goals.note(&what, "≥ 1.00 of its entries/s", &format!("{ratio:.2}"), ratio >= 1.0);
    table::row(&[
        &history.authors,
        &seals,
        &table::number(middle(&|(bare, _)| bare.rate(total))),
        &table::number(middle(&|(_, ours)| ours.rate(total))),
        &format!("{ratio:.2} ({})", all.join(" ")),
        &format!("{:.2}", middle(&|(bare, _)| bare.cpu_each(total))),
        &format!("{:.2}", middle(&|(_, ours)| ours.cpu_each(total))),
        &target,
    ]);
}

/// The same without gossip, until everything is written, not synced: as buffered stores do.
fn pipeline(history: History) -> Outcome<Window> {
    let place = tempfile::tempdir()?;
    let (from, to) = (place.path().join("giver"), place.path().join("taker"));
    let (mut giver, mut taker) = (Party::spawn()?, Party::spawn()?);
    let History { authors, bytes, .. } = history;
    giver.run(Order::Pipe(Task::Fill { place: from.clone(), authors, entries: history.total(), bytes }))?;
    let address = match giver.ask(Order::Pipe(Task::Send { place: from }))? {
        Answer::Address(address) => address,
        other => return Err(unexpected(&other)),
    };
    taker.run(Order::Pipe(Task::Open { place: to }))?;
    let (before, begin) = ((giver.report()?, taker.report()?), Instant::now());
    taker.run(Order::Pipe(Task::Receive { address }))?;
    let (time, after) = (begin.elapsed(), (giver.report()?, taker.report()?));
    giver.quit()?;
    taker.quit()?;
    Ok(Window { time, giver: after.0 - before.0, taker: after.1 - before.1 })
}
