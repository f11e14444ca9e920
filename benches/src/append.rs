//! Durable appends, beside bare redb transactions with the same promise: on stable storage when the
//! call returns.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use gossip::EventStream;
use redb::{Database, Durability, TableDefinition};
use tokio::task::JoinSet;

use crate::nodes::{Kind, Party};
use crate::{Outcome, cpu, table};

const PAYLOAD: usize = 100;
const BATCH: usize = 1000;
const RAW: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("entries");

/// Measures every way of appending for so many seconds.
pub(crate) async fn all(seconds: f64) -> Outcome {
    let time = Duration::from_secs_f64(seconds);
    table::head("Durable appends of 100 bytes", &["what", "entries/s", "CPU µs/entry"]);
    for kind in Kind::ALL {
        // Disks have moods: what is compared is measured one right after the other.
        if kind == Kind::Redb {
            report("bare redb, 1 per transaction", raw(time, 1)?);
        }
        for appenders in [1, 16, 256] {
            let measured = singles(kind, time, appenders).await?;
            report(&format!("gossip on {}, {appenders} at once", kind.name()), measured);
        }
        if kind == Kind::Redb {
            report(&format!("bare redb, {BATCH} per transaction"), raw(time, BATCH)?);
        }
        report(&format!("gossip on {}, append_all of {BATCH}", kind.name()), batches(kind, time).await?);
    }
    Ok(())
}

/// Entries, time, processor time.
type Measured = (u64, Duration, Duration);

fn report(what: &str, (entries, time, cpu): Measured) {
    let rate = entries as f64 / time.as_secs_f64();
    let each = cpu.as_secs_f64() * 1e6 / entries.max(1) as f64;
    table::row(&[&what, &table::number(rate), &table::number(each)]);
}

/// One writer, one transaction after the other.
fn raw(time: Duration, batch: usize) -> Outcome<Measured> {
    let place = tempfile::tempdir()?;
    let database = Database::create(place.path().join("raw.redb"))?;
    let (begin, used, mut entries) = (Instant::now(), cpu::used(), 0);
    while begin.elapsed() < time {
        let mut writing = database.begin_write()?;
        writing.set_durability(Durability::Immediate)?;
        {
            let mut rows = writing.open_table(RAW)?;
            for _ in 0..batch {
                entries += 1;
                rows.insert(entries, &[7; PAYLOAD][..])?;
            }
        }
        writing.commit()?;
    }
    Ok((entries, begin.elapsed(), cpu::used() - used))
}

async fn singles(kind: Kind, time: Duration, appenders: usize) -> Outcome<Measured> {
    let party = Party::new(kind).await?;
    party.stream.append("the first one opens the log").await?;
    let (begin, used, entries) = (Instant::now(), cpu::used(), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..appenders {
        tasks.spawn(append_until(party.stream.clone(), begin + time, entries.clone()));
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    let measured = (entries.load(Ordering::Relaxed), begin.elapsed(), cpu::used() - used);
    party.node.shutdown().await?;
    Ok(measured)
}

async fn append_until(stream: EventStream, end: Instant, entries: Arc<AtomicU64>) -> Outcome {
    let payload = Bytes::from(vec![7; PAYLOAD]);
    while Instant::now() < end {
        stream.append(payload.clone()).await?;
        entries.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn batches(kind: Kind, time: Duration) -> Outcome<Measured> {
    let party = Party::new(kind).await?;
    let batch = vec![Bytes::from(vec![7; PAYLOAD]); BATCH];
    let (begin, used, mut entries) = (Instant::now(), cpu::used(), 0);
    while begin.elapsed() < time {
        entries += party.stream.append_all(batch.clone()).await?.len() as u64;
    }
    let measured = (entries, begin.elapsed(), cpu::used() - used);
    party.node.shutdown().await?;
    Ok(measured)
}
