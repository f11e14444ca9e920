//! Opening a store with many logs: from nothing to a node.

use std::path::Path;
use std::time::Instant;

use super::child::{self, What};
use super::engine::Engine;
use super::measure::median;
use super::{Plan, title};
use crate::fill::{History, fill};
use crate::{Outcome, cpu, table};

pub(super) async fn measure(plan: &Plan) -> Outcome {
    let columns = ["entries", "logs", "ms", "CPU ms", "MiB before", "MiB after", "MiB at most"];
    title(plan, "Opening a store, until the node is there", &columns);
    let place = plan.place()?;
    let history = History::new(100, 100, 100, 100);
    let store = plan.engine.store(place.path())?;
    fill(&*store, history).await?;
    store.mark_closed().await?;
    drop(store);
    let mut opened = Vec::new();
    for _ in 0..plan.pairs {
        opened.extend(child::ask(What::Open, plan.engine, place.path(), 0).await?);
    }
    let logs = (history.streams * history.authors) as u64;
    let column = |at: usize| opened.iter().filter_map(|row| row.get(at).copied()).collect();
    let mut cells = vec![(logs * history.entries).to_string(), logs.to_string()];
    cells.extend((0..5).map(|at| table::number(median(column(at)))));
    table::cells(&cells);
    Ok(())
}

pub(super) async fn child(engine: Engine, place: &Path) -> Outcome {
    let (before, _) = cpu::resident();
    let (begin, used) = (Instant::now(), cpu::used());
    let node = engine.node(place).await?;
    let (time, cpu) = (begin.elapsed(), cpu::used() - used);
    let (after, most) = cpu::resident();
    println!("{} {} {before} {after} {most}", time.as_secs_f64() * 1e3, cpu.as_secs_f64() * 1e3);
    Ok(node.shutdown().await?)
}
