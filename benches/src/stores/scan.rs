//! Reading a stream of 16 logs in stream order, beside reading the same entries in the order of the
//! engine.

use std::sync::Arc;
use std::time::Instant;

use gossip::EventStream;

use super::measure::{Pairs, Sample, payload};
use super::raw::{Raw, key};
use super::{Plan, title};
use crate::fill::{CHANNEL, History, fill, stream_name};
use crate::{Outcome, cpu, table};

const LOGS: usize = 16;
const BATCH: u64 = 1000;

pub(super) async fn measure(plan: &Plan) -> Outcome {
    let columns = [&["entries", "payload"][..], &Pairs::COLUMNS].concat();
    title(plan, "Ordered scan of a stream with 16 logs beside a scan of the engine", &columns);
    for bytes in plan.payloads() {
        let each = if bytes > 500 { 100_000 } else { 400_000 } / LOGS as u64;
        let history = History::new(1, LOGS, each, bytes);
        let (raw_place, place) = (plan.place()?, plan.place()?);
        let raw = plan.engine.raw(raw_place.path())?;
        fill_raw(&*raw, history)?;
        let store = plan.engine.store(place.path())?;
        fill(&*store, history).await?;
        let node = gossip::Coordinator::builder().shared_store(store).node_id("bench").build().await?;
        let channel = node.channel(CHANNEL).await?;
        let stream = channel.stream(stream_name(0)).await?;
        let mut pairs = Pairs::default();
        for _ in 0..plan.pairs {
            pairs.push(bare(&raw).await?, ordered(&stream).await?);
        }
        node.shutdown().await?;
        let front = [(each * LOGS as u64).to_string(), bytes.to_string()];
        table::cells(&[&front[..], &pairs.cells()].concat());
    }
    Ok(())
}

/// The same entries, a row each.
fn fill_raw(raw: &dyn Raw, history: History) -> Outcome {
    for log in 0..history.authors {
        for first in (0..history.entries).step_by(BATCH as usize) {
            let batch = first..(first + BATCH).min(history.entries);
            let rows = batch.map(|at| (key(log, at), payload(at as usize, history.bytes)));
            raw.put(&rows.collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

async fn bare(raw: &Arc<dyn Raw>) -> Outcome<Sample> {
    let raw = raw.clone();
    let (begin, used) = (Instant::now(), cpu::used());
    let (entries, _) = tokio::task::spawn_blocking(move || raw.scan()).await??;
    Ok(Sample { entries, time: begin.elapsed(), cpu: cpu::used() - used, acks: Vec::new() })
}

async fn ordered(stream: &EventStream) -> Outcome<Sample> {
    let (begin, used, mut entries) = (Instant::now(), cpu::used(), 0);
    let mut pager = stream.read_all().await?;
    while let Some(entry) = pager.next().await? {
        std::hint::black_box(entry.payload());
        entries += 1;
    }
    Ok(Sample { entries, time: begin.elapsed(), cpu: cpu::used() - used, acks: Vec::new() })
}
