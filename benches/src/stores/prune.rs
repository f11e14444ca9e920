//! Pruning most of a long stream while others append.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gossip::{EventStream, Retention};
use tokio::task::JoinSet;

use super::child::disk;
use super::crowd::Append;
use super::engine::Writer;
use super::measure::{payload, percentile};
use super::{Plan, title};
use crate::{Outcome, table};

const ENTRIES: u64 = 1_000_000;
const BYTES: usize = 100;
const BATCH: u64 = 1000;
/// Callers who append meanwhile, to the pruned stream and another.
const CALLERS: usize = 4;
/// How long they append before the pruning begins, and at least.
const CALM: Duration = Duration::from_secs(2);

pub(super) async fn measure(plan: &Plan) -> Outcome {
    let columns = ["when", "appends", "p50 ms", "p99 ms", "p99.9 ms", "longest ms", "disk MB"];
    title(plan, "Pruning 90 % of 1,000,000 entries while 4 callers append", &columns);
    let place = plan.place()?;
    let writer = Writer::open(plan.engine, place.path(), 2).await?;
    for at in (0..ENTRIES).step_by(BATCH as usize) {
        let batch: Vec<Bytes> = (at..at + BATCH).map(|number| payload(number as usize, BYTES)).collect();
        writer.streams[0].append_all(batch).await?;
    }
    row("before", &mut meanwhile(&writer.streams, tokio::time::sleep(CALM)).await?.0, disk(place.path())?);
    let begin = Instant::now();
    let (mut during, pruned) = meanwhile(&writer.streams, prune(&writer.streams[0])).await?;
    let (freed, time) = (pruned?, begin.elapsed());
    row("while pruning", &mut during, disk(place.path())?);
    row("after", &mut meanwhile(&writer.streams, tokio::time::sleep(CALM)).await?.0, disk(place.path())?);
    writer.node.shutdown().await?;
    row("closed", &mut Vec::new(), disk(place.path())?);
    println!("\n{freed} entries dropped in {:.1} s", time.as_secs_f64());
    Ok(())
}

async fn prune(stream: &EventStream) -> Outcome<u64> {
    stream.set_retention(Retention::CountBased(ENTRIES / 10)).await?;
    Ok(stream.compact().await?.entries)
}

/// How long callers waited while something else was done.
async fn meanwhile<T>(
    streams: &Arc<[EventStream]>,
    work: impl Future<Output = T>,
) -> Outcome<(Vec<Duration>, T)> {
    let over = Arc::new(AtomicBool::new(false));
    let mut callers = JoinSet::new();
    for caller in 0..CALLERS {
        callers.spawn(append_until(streams.clone(), caller, over.clone()));
    }
    let done = work.await;
    over.store(true, Ordering::Relaxed);
    let mut acks = Vec::new();
    while let Some(ended) = callers.join_next().await {
        acks.append(&mut ended??);
    }
    Ok((acks, done))
}

async fn append_until(
    streams: Arc<[EventStream]>,
    caller: usize,
    over: Arc<AtomicBool>,
) -> Outcome<Vec<Duration>> {
    let mut acks = Vec::new();
    while !over.load(Ordering::Relaxed) {
        let begin = Instant::now();
        streams.append(caller, payload(acks.len(), BYTES)).await?;
        acks.push(begin.elapsed());
    }
    Ok(acks)
}

fn row(when: &str, acks: &mut [Duration], disk: u64) {
    let longest = acks.iter().max().copied().unwrap_or_default();
    let times = [500, 990, 999].map(|of_a_thousand| percentile(acks, of_a_thousand));
    let ms = |time: Duration| format!("{:.2}", time.as_secs_f64() * 1e3);
    let mut cells = vec![when.to_owned(), acks.len().to_string()];
    cells.extend(times.into_iter().chain([longest]).map(ms));
    cells.push(table::number(disk as f64 / 1e6));
    table::cells(&cells);
}
