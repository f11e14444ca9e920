//! A node without history catches up over TCP on loopback; both nodes are in this process.

use std::time::Instant;

use bytes::Bytes;

use crate::nodes::{Kind, Party};
use crate::{Outcome, cpu, table};

/// Entries written at once while history is made.
const BATCH: usize = 1000;

/// Measures from `connect` until everything is held on the other side.
pub(crate) async fn cold(entries: usize, payload: usize) -> Outcome {
    let columns = ["receiver", "entries/s", "MB/s of payload", "CPU µs/entry (both)", "wire/payload bytes"];
    table::head(&format!("Cold sync of {entries} entries of {payload} bytes over TCP"), &columns);
    for kind in Kind::ALL {
        let (from, to) = (Party::new(Kind::Memory).await?, Party::new(kind).await?);
        for at in (0..entries).step_by(BATCH) {
            let batch = vec![Bytes::from(vec![7; payload]); BATCH.min(entries - at)];
            from.stream.append_all(batch).await?;
        }
        let (begin, used) = (Instant::now(), cpu::used());
        to.meet(&from).await?;
        to.holds(entries as u64).await?;
        let (time, cpu) = (begin.elapsed().as_secs_f64(), (cpu::used() - used).as_secs_f64());
        let traffic = to.node.health().await?.traffic;
        let bytes = (entries * payload) as f64;
        table::row(&[
            &kind.name(),
            &table::number(entries as f64 / time),
            &table::number(bytes / time / 1e6),
            &table::number(cpu * 1e6 / entries as f64),
            &format!("{:.3}", (traffic.bytes_received + traffic.bytes_sent) as f64 / bytes),
        ]);
        from.node.shutdown().await?;
        to.node.shutdown().await?;
    }
    Ok(())
}
