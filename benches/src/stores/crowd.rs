//! Many callers who append one entry each, and wait for it before the next.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use gossip::EventStream;
use tokio::task::JoinSet;

use super::engine::STREAMS;
use super::measure::{Sample, payload};
use crate::{Outcome, cpu};

/// Where entries go.
pub(super) trait Append: Clone + Send + Sync + 'static {
    /// Appends one entry to one of [`STREAMS`] logs; durable when it returns.
    fn append(&self, log: usize, payload: Bytes) -> impl Future<Output = Outcome> + Send;
}

impl Append for Arc<[EventStream]> {
    async fn append(&self, log: usize, payload: Bytes) -> Outcome {
        self[log % self.len()].append(payload).await?;
        Ok(())
    }
}

/// So many callers for so long.
pub(super) async fn crowd<A: Append>(
    to: &A,
    callers: usize,
    time: Duration,
    bytes: usize,
) -> Outcome<Sample> {
    let (begin, used) = (Instant::now(), cpu::used());
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        tasks.spawn(append_until(to.clone(), caller, begin + time, bytes));
    }
    let mut acks = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        acks.append(&mut ended??);
    }
    Ok(Sample { entries: acks.len() as u64, time: begin.elapsed(), cpu: cpu::used() - used, acks })
}

async fn append_until<A: Append>(to: A, caller: usize, end: Instant, bytes: usize) -> Outcome<Vec<Duration>> {
    let mut acks = Vec::new();
    loop {
        let begin = Instant::now();
        if begin >= end {
            return Ok(acks);
        }
        to.append(caller % STREAMS, payload(caller + acks.len(), bytes)).await?;
        acks.push(begin.elapsed());
    }
}
