//! `append_all` of a thousand, and 256 callers with one entry each, beside batches of the same size
//! on the bare engine with the same promise.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gossip::EventStream;

use super::engine::{STREAMS, Writer};
use super::measure::{Pairs, Sample, payload};
use super::raw::{Key, Raw, key};
use super::{Plan, title};
use crate::{Outcome, cpu, table};

const BATCH: usize = 1000;
const CALLERS: usize = 256;

pub(super) async fn measure(plan: &Plan) -> Outcome {
    let columns = [&["what", "payload"][..], &Pairs::COLUMNS].concat();
    title(plan, "Durable append beside batches of the same size", &columns);
    for bytes in plan.payloads() {
        let mut many = Pairs::default();
        let mut single = Pairs::default();
        let (raw_place, place) = (plan.place()?, plan.place()?);
        let raw = plan.engine.raw(raw_place.path())?;
        let writer = Writer::open(plan.engine, place.path(), STREAMS).await?;
        let mut height = 0;
        for _ in 0..plan.pairs {
            let bare = bare(&raw, &mut height, plan.time(), BATCH, bytes).await?;
            many.push(bare, batches(&writer.streams, plan.time(), bytes).await?);
            let bare = self::bare(&raw, &mut height, plan.time(), CALLERS, bytes).await?;
            single.push(bare, writer.crowd(CALLERS, plan.time(), bytes).await?);
        }
        writer.node.shutdown().await?;
        row(&format!("append_all of {BATCH}"), bytes, &mut many);
        row(&format!("{CALLERS} callers at once"), bytes, &mut single);
    }
    Ok(())
}

fn row(what: &str, bytes: usize, pairs: &mut Pairs) {
    let cells = pairs.cells();
    table::cells(&[&[what.to_owned(), bytes.to_string()][..], &cells].concat());
}

async fn batches(streams: &[EventStream], time: Duration, bytes: usize) -> Outcome<Sample> {
    let (begin, used, mut entries) = (Instant::now(), cpu::used(), 0);
    for stream in streams.iter().cycle() {
        let batch: Vec<Bytes> = (0..BATCH).map(|number| payload(number, bytes)).collect();
        entries += stream.append_all(batch).await?.len() as u64;
        if begin.elapsed() >= time {
            break;
        }
    }
    Ok(Sample { entries, time: begin.elapsed(), cpu: cpu::used() - used, acks: Vec::new() })
}

/// One batch after the other. 1,000 go to one log at a time, as `append_all` does; fewer are spread.
async fn bare(
    raw: &Arc<dyn Raw>,
    height: &mut u64,
    time: Duration,
    batch: usize,
    bytes: usize,
) -> Outcome<Sample> {
    let (raw, mut at) = (raw.clone(), *height);
    let work = move || {
        let (begin, used, first) = (Instant::now(), cpu::used(), at);
        while begin.elapsed() < time {
            let rows: Vec<(Key, Bytes)> = (0..batch).map(|number| row_of(at, number, batch, bytes)).collect();
            raw.put(&rows)?;
            at += batch as u64;
        }
        Ok((
            Sample { entries: at - first, time: begin.elapsed(), cpu: cpu::used() - used, acks: Vec::new() },
            at,
        ))
    };
    let done: Outcome<_> = tokio::task::spawn_blocking(work).await?;
    let (sample, end) = done?;
    *height = end;
    Ok(sample)
}

fn row_of(at: u64, number: usize, batch: usize, bytes: usize) -> (Key, Bytes) {
    let log = if batch == BATCH { at as usize / BATCH } else { number };
    (key(log % STREAMS, at + number as u64), payload(number, bytes))
}
