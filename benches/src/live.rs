//! From append here to visible there: two nodes on TCP, one entry at a time.

use std::time::{Duration, Instant};

use gossip::From;

use crate::nodes::{Kind, Party};
use crate::{Outcome, table};

/// Entries sent before anything is measured.
const WARM_UP: usize = 100;

/// Measures on every store.
pub(crate) async fn all(entries: usize) -> Outcome {
    let columns = ["stores", "append p50 µs", "append p99 µs", "visible p50 µs", "visible p99 µs"];
    table::head(&format!("From append to visible at a peer over TCP, {entries} entries"), &columns);
    for kind in Kind::ALL {
        let (mut appended, mut visible) = measure(kind, entries).await?;
        table::row(&[
            &kind.name(),
            &percentile(&mut appended, 50),
            &percentile(&mut appended, 99),
            &percentile(&mut visible, 50),
            &percentile(&mut visible, 99),
        ]);
    }
    Ok(())
}

/// Time until the append returned, and until a subscription on the other side delivered.
async fn measure(kind: Kind, entries: usize) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let (from, to) = (Party::new(kind, "from").await?, Party::new(kind, "to").await?);
    to.meet(&from).await?;
    let mut live = to.stream.subscribe(From::Start).await?;
    let (mut appended, mut visible) = (Vec::new(), Vec::new());
    for number in 0..WARM_UP + entries {
        let begin = Instant::now();
        let stream = from.stream.clone();
        let append = tokio::spawn(async move { stream.append(vec![7; 100]).await.map(|_| begin.elapsed()) });
        live.next().await.ok_or("the stream ended")??;
        let seen = begin.elapsed();
        let done = append.await??;
        if number >= WARM_UP {
            appended.push(done);
            visible.push(seen);
        }
    }
    from.node.shutdown().await?;
    to.node.shutdown().await?;
    Ok((appended, visible))
}

fn percentile(times: &mut [Duration], percent: usize) -> u128 {
    times.sort_unstable();
    times.get(times.len() * percent / 100).copied().unwrap_or_default().as_micros()
}
