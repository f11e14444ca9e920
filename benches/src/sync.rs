//! A node without history catches up over TCP on loopback; both nodes are in this process.

use std::time::Instant;

use bytes::Bytes;

use crate::nodes::{Kind, Party};
use crate::{Outcome, cpu, table};

/// Entries written at once, which is how many runs the history has: many large ones, or one each.
const BATCHES: [usize; 2] = [1000, 1];

/// Measures from `connect` until everything is held on the other side.
pub(crate) async fn cold(entries: usize, payload: usize) -> Outcome {
    let columns = [
        "receiver",
        "written at once",
        "entries/s",
        "MB/s of payload",
        "CPU µs/entry (both)",
        "wire/payload bytes",
    ];
    table::head(&format!("Cold sync of {entries} entries of {payload} bytes over TCP"), &columns);
    for kind in Kind::ALL {
        for batch in BATCHES {
            measure(kind, batch, entries, payload).await?;
        }
    }
    Ok(())
}

async fn measure(kind: Kind, batch: usize, entries: usize, payload: usize) -> Outcome {
    let (from, to) = (Party::new(Kind::Memory, "from").await?, Party::new(kind, "to").await?);
    for at in (0..entries).step_by(batch) {
        from.stream.append_all(vec![Bytes::from(vec![7; payload]); batch.min(entries - at)]).await?;
    }
    let (begin, used) = (Instant::now(), cpu::used());
    to.meet(&from).await?;
    to.holds(entries as u64).await?;
    let (time, cpu) = (begin.elapsed().as_secs_f64(), (cpu::used() - used).as_secs_f64());
    let traffic = to.node.health().await?.traffic;
    let bytes = (entries * payload) as f64;
    table::row(&[
        &kind.name(),
        &batch,
        &table::number(entries as f64 / time),
        &table::number(bytes / time / 1e6),
        &table::number(cpu * 1e6 / entries as f64),
        &format!("{:.3}", (traffic.bytes_received + traffic.bytes_sent) as f64 / bytes),
    ]);
    from.node.shutdown().await?;
    Ok(to.node.shutdown().await?)
}
