//! Cold sync beside the smallest pipeline, in turns: machines and disks have moods, pairs share them.

use std::time::Instant;

use super::child::{Party, unexpected};
use super::order::{Answer, Keep, Order};
use super::pair::Window;
use super::peers::Figures;
use super::pipe::Task;
use super::{PAYLOAD, Plan, cold};
use crate::fill::History;
use crate::stores::median;
use crate::{Outcome, table};

pub(super) fn measure(plan: &Plan, _: &mut Figures) -> Outcome {
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
    ];
    let title = format!("Cold sync of {} entries, RocksDB to RocksDB, beside a bare pipeline", plan.entries);
    table::head(&title, &columns);
    for (authors, sealed) in [(1, false), (1, true), (10, true)] {
        let history = History::new(1, authors, plan.entries / authors as u64, PAYLOAD);
        let history = if sealed { history.sealed() } else { history };
        let mut pairs = Vec::new();
        for _ in 0..plan.pairs {
            pairs.push((pipeline(history)?, cold::sync(Keep::Buffered, history)?));
        }
        show(history, &pairs);
    }
    Ok(())
}

fn show(history: History, pairs: &[(Window, Window)]) {
    let total = history.total();
    let ratios: Vec<f64> =
        pairs.iter().map(|(bare, ours)| bare.time.as_secs_f64() / ours.time.as_secs_f64()).collect();
    let all: Vec<String> = ratios.iter().map(|ratio| format!("{ratio:.2}")).collect();
    let middle = |of: &dyn Fn(&(Window, Window)) -> f64| median(pairs.iter().map(of).collect());
    table::row(&[
        &history.authors,
        &if history.sealed { "sealed" } else { "plain" },
        &table::number(middle(&|(bare, _)| bare.rate(total))),
        &table::number(middle(&|(_, ours)| ours.rate(total))),
        &format!("{:.2} ({})", median(ratios), all.join(" ")),
        &format!("{:.2}", middle(&|(bare, _)| bare.cpu_each(total))),
        &format!("{:.2}", middle(&|(_, ours)| ours.cpu_each(total))),
    ]);
}

/// The same without gossip, until everything is on stable storage.
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
    let (before, begin) = ((giver.report()?, taker.report()?), Instant::now());
    taker.run(Order::Pipe(Task::Receive { address, place: to }))?;
    let (time, after) = (begin.elapsed(), (giver.report()?, taker.report()?));
    giver.quit()?;
    taker.quit()?;
    Ok(Window { time, giver: after.0 - before.0, taker: after.1 - before.1 })
}
