//! What reads a stream while others write to it.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use gossip::{EventStream, From, LogEntry, Subscription};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use crate::{Outcome, cpu};

/// Ages waiting to be collected; more than any measurement has entries.
const AGES: usize = 1 << 17;

/// A task that reads.
pub(super) enum Reader {
    /// Notes how old entries are when they come.
    Watch { ages: mpsc::Receiver<u64>, task: JoinHandle<Outcome> },
    /// Takes one from time to time until told to hurry.
    Crawl { hurry: oneshot::Sender<u64>, task: JoinHandle<Outcome<(u64, u64)>> },
}

impl Reader {
    pub(super) async fn watch(stream: &EventStream) -> Outcome<Self> {
        let live = stream.subscribe(From::Now).await?;
        let (sender, ages) = mpsc::channel(AGES);
        Ok(Self::Watch { ages, task: tokio::spawn(watch(live, sender)) })
    }

    pub(super) async fn crawl(stream: &EventStream, pause: Duration) -> Outcome<Self> {
        let live = stream.subscribe(From::Start).await?;
        let (hurry, hurried) = oneshot::channel();
        Ok(Self::Crawl { hurry, task: tokio::spawn(crawl(live, pause, hurried)) })
    }

    /// Nanoseconds from just before the append until the entry was delivered, of so many entries.
    pub(super) async fn ages(self, count: u64) -> Outcome<Vec<u64>> {
        let Self::Watch { mut ages, task } = self else { return Err("nobody watches".into()) };
        let mut all = Vec::new();
        while (all.len() as u64) < count {
            all.push(ages.recv().await.ok_or("the stream ended")?);
        }
        task.abort();
        Ok(all)
    }

    /// How many were taken slowly, and how many until everything was there.
    pub(super) async fn catch_up(self, count: u64) -> Outcome<(u64, u64)> {
        let Self::Crawl { hurry, task } = self else { return Err("nobody crawls".into()) };
        hurry.send(count).map_err(|_| "the reader ended")?;
        task.await?
    }
}

async fn watch(mut live: Subscription, ages: mpsc::Sender<u64>) -> Outcome {
    while let Some(entry) = live.next().await {
        let now = cpu::clock();
        let stamp = entry?.payload().get(..8).map(<[u8; 8]>::try_from).ok_or("no stamp")??;
        ages.send(now.saturating_sub(u64::from_le_bytes(stamp))).await?;
    }
    Ok(())
}

async fn crawl(
    mut live: Subscription,
    pause: Duration,
    mut hurried: oneshot::Receiver<u64>,
) -> Outcome<(u64, u64)> {
    let mut order = Order::default();
    let (mut taken, mut due) = (0, Instant::now());
    let until = loop {
        due += pause;
        tokio::select! {
            until = &mut hurried => break until?,
            () = tokio::time::sleep_until(due.into()) => {}
        }
        if let Ok(entry) = tokio::time::timeout(pause, live.next()).await {
            order.check(&entry.ok_or("the stream ended")??)?;
            taken += 1;
        }
    };
    let slowly = taken;
    while taken < until {
        order.check(&live.next().await.ok_or("the stream ended")??)?;
        taken += 1;
    }
    Ok((slowly, taken))
}

/// Notices what is missing, doubled or out of order.
#[derive(Default)]
struct Order(HashMap<gossip::LogId, u64>);

impl Order {
    fn check(&mut self, entry: &LogEntry) -> Outcome {
        let id = entry.id();
        let last = self.0.entry(id.log).or_default();
        if id.sequence != *last + 1 {
            return Err(format!("{} came after {last}", id.sequence).into());
        }
        *last += 1;
        Ok(())
    }
}
