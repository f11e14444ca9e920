//! What an append costs, and how much memory is resident, while a log grows.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;

use super::child::{self, What, disk};
use super::crowd::crowd;
use super::engine::{Engine, Writer};
use super::group::Group;
use super::measure::{Sample, payload};
use super::raw::key;
use super::{Plan, title};
use crate::{Outcome, cpu, table};

/// Lengths at which is measured.
const LENGTHS: [u64; 7] = [10_000, 30_000, 100_000, 300_000, 1_000_000, 3_000_000, 10_000_000];
const BYTES: usize = 100;
const BATCH: u64 = 1000;
/// Batches measured at each length.
const BATCHES: u64 = 10;
/// Callers with one entry each, and how long they append.
const CALLERS: usize = 64;
const TIME: Duration = Duration::from_millis(300);

pub(super) async fn measure(plan: &Plan) -> Outcome {
    let columns = [
        "entries in the log",
        "append_all, CPU µs/entry, bare / gossip",
        "64 callers, CPU µs/entry",
        "64 callers, entries/s",
        "resident MiB (gossip)",
        "disk MB, bare / gossip",
    ];
    title(plan, "Cost of an append and resident memory while one log grows", &columns);
    let most = if plan.full { 10_000_000 } else { 1_000_000 };
    let (raw_place, place) = (plan.place()?, plan.place()?);
    let bare = child::ask(What::GrowBare, plan.engine, raw_place.path(), most).await?;
    let ours = child::ask(What::Grow, plan.engine, place.path(), most).await?;
    for (bare, ours) in bare.iter().zip(&ours) {
        let number = |row: &[f64], at: usize| table::number(row.get(at).copied().unwrap_or(f64::NAN));
        let both = |at: usize| format!("{} / {}", number(bare, at), number(ours, at));
        table::cells(&[number(ours, 0), both(1), both(2), both(3), number(ours, 4), both(5)]);
    }
    Ok(())
}

fn lengths(most: u64) -> impl Iterator<Item = u64> {
    LENGTHS.into_iter().filter(move |length| *length <= most)
}

fn batch(at: u64) -> impl Iterator<Item = Bytes> {
    (0..BATCH).map(move |number| payload((at + number) as usize, BYTES))
}

fn print(length: u64, many: &Sample, single: &Sample, place: &Path) -> Outcome {
    let (resident, disk) = (cpu::resident().0, disk(place)? as f64 / 1e6);
    println!("{length} {} {} {} {resident} {disk}", many.each(), single.each(), single.rate());
    Ok(())
}

pub(super) async fn child(engine: Engine, place: &Path, most: u64) -> Outcome {
    let writer = Writer::open(engine, place, 1).await?;
    let mut height = 0;
    for length in lengths(most) {
        while height < length {
            height += writer.streams[0].append_all(batch(height)).await?.len() as u64;
        }
        let (begin, used) = (Instant::now(), cpu::used());
        for _ in 0..BATCHES {
            writer.streams[0].append_all(batch(height)).await?;
        }
        let (entries, time, cpu) = (BATCHES * BATCH, begin.elapsed(), cpu::used() - used);
        let many = Sample { entries, time, cpu, acks: Vec::new() };
        let single = crowd(&writer.streams, CALLERS, TIME, BYTES).await?;
        height += entries + single.entries;
        print(length, &many, &single, place)?;
    }
    Ok(writer.node.shutdown().await?)
}

pub(super) async fn bare_child(engine: Engine, place: &Path, most: u64) -> Outcome {
    let raw = engine.raw(place)?;
    let (group, thread) = Group::start(raw.clone());
    let mut height = 0;
    for length in lengths(most) {
        while height < length {
            put(&raw, &mut height).await?;
        }
        let (begin, used) = (Instant::now(), cpu::used());
        for _ in 0..BATCHES {
            put(&raw, &mut height).await?;
        }
        let (entries, time, cpu) = (BATCHES * BATCH, begin.elapsed(), cpu::used() - used);
        let many = Sample { entries, time, cpu, acks: Vec::new() };
        let single = crowd(&group.single(), CALLERS, TIME, BYTES).await?;
        height += single.entries;
        print(length, &many, &single, place)?;
    }
    drop(group);
    thread.await?
}

/// A batch in log 1; single entries go to log 0.
async fn put(raw: &Arc<dyn super::raw::Raw>, height: &mut u64) -> Outcome {
    let (raw, at) = (raw.clone(), *height);
    *height += BATCH;
    let work = move || {
        let rows = batch(at).zip(at..).map(|(payload, at)| (key(1, at), payload));
        raw.put(&rows.collect::<Vec<_>>())
    };
    tokio::task::spawn_blocking(work).await?
}
