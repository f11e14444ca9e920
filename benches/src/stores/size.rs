//! Bytes on disk, and bytes written to get there, for each byte of payload.

use std::path::Path;

use std::time::Duration;

use bytes::Bytes;
use gossip::Config;

use super::child::disk;
use super::engine::Writer;
use super::measure::payload;
use super::raw::key;
use super::{Plan, title};
use crate::{Outcome, table};

/// Entries written one by one: each waits for the disk.
const ENTRIES: usize = 5_000;
const BATCH: usize = 1000;
/// Longer than a node waits for more before it joins what a log has.
const CALM: Duration = Duration::from_secs(3);

pub(super) async fn measure(plan: &Plan) -> Outcome {
    let columns = ["what", "payload", "disk bytes/payload byte", "written bytes/payload byte"];
    title(plan, &format!("Size of {ENTRIES} entries, closed"), &columns);
    for bytes in plan.payloads() {
        for batch in [1, BATCH] {
            let (place, before) = (plan.place()?, written());
            bare(plan, place.path(), batch, bytes).await?;
            row(&format!("bare, {batch} at once"), bytes, place.path(), before)?;
            for (what, coalesce) in [("gossip", true), ("gossip, nothing joined", false)] {
                if batch > 1 && !coalesce {
                    continue;
                }
                let (place, before) = (plan.place()?, written());
                ours(plan, place.path(), batch, bytes, coalesce).await?;
                row(&format!("{what}, {batch} at once"), bytes, place.path(), before)?;
            }
        }
    }
    Ok(())
}

async fn bare(plan: &Plan, place: &Path, batch: usize, bytes: usize) -> Outcome {
    let raw = plan.engine.raw(place)?;
    let work = move || {
        for at in (0..ENTRIES).step_by(batch) {
            let rows = (at..at + batch).map(|number| (key(0, number as u64), payload(number, bytes)));
            raw.put(&rows.collect::<Vec<_>>())?;
        }
        Ok(())
    };
    tokio::task::spawn_blocking(work).await?
}

async fn ours(plan: &Plan, place: &Path, batch: usize, bytes: usize, coalesce: bool) -> Outcome {
    let config = Config { coalesce, ..Config::default() };
    let writer = Writer::open_with(plan.engine, place, 1, config).await?;
    for at in (0..ENTRIES).step_by(batch) {
        let entries: Vec<Bytes> = (at..at + batch).map(|number| payload(number, bytes)).collect();
        writer.streams[0].append_all(entries).await?;
    }
    writer.rest(CALM).await?;
    Ok(writer.node.shutdown().await?)
}

fn row(what: &str, bytes: usize, place: &Path, before: u64) -> Outcome {
    let each = |total: u64| format!("{:.2}", total as f64 / (ENTRIES * bytes) as f64);
    let cells = [what.to_owned(), bytes.to_string(), each(disk(place)?), each(written() - before)];
    table::cells(&cells);
    Ok(())
}

/// Bytes this process has sent to disks so far; zero where there is no `/proc`.
fn written() -> u64 {
    let text = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let field = text.lines().find_map(|line| line.strip_prefix("write_bytes:"));
    field.and_then(|rest| rest.trim().parse().ok()).unwrap_or_default()
}
