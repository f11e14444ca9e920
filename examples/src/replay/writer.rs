//! Appends a person's transactions with many in flight, paced or as fast as the disk allows.

use std::ops::Range;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use gossip::EventStream;
use tokio::time::Instant;

use super::payload;
use super::player::Failure;
use super::voice::Voice;
use crate::trace::Trace;

/// Writes one person's part.
#[derive(Debug)]
pub struct Writer {
    /// The stream written to.
    pub document: EventStream,
    /// What is written.
    pub trace: Trace,
    /// Which of it, in order.
    pub script: Vec<usize>,
    /// How many of `script` are durable.
    pub durable: usize,
    /// How many appends may wait for the disk at once.
    pub in_flight: usize,
    /// Who is told.
    pub voice: Voice,
}

impl Writer {
    /// Writes what the script has in this range and is not on disk yet; returns when all of it is
    /// durable.
    ///
    /// Every append is awaited, but not before the next begins: a commit to disk takes
    /// milliseconds, and appends that wait together are committed together.
    ///
    /// # Errors
    /// When an append fails or nobody listens any more.
    pub async fn write(&mut self, range: Range<usize>, rate: Option<u32>) -> Result<(), Failure> {
        let pace = Pace { start: Instant::now(), first: range.start, rate };
        let todo: Vec<usize> =
            self.script[self.durable..].iter().copied().filter(|index| range.contains(index)).collect();
        let this = &*self;
        let appends = stream::iter(todo)
            // Told one after the other, before the appends begin: one that waits to be told would be overtaken.
            .then(|index| async move {
                pace.wait_for(index).await;
                this.voice.sent(index).await?;
                Ok::<usize, Failure>(index)
            })
            .map(|index| async move { this.append(index?).await })
            .buffered(self.in_flight);
        let mut durable = self.durable;
        // Unconstrained: the order of entries is the order in which appends are first polled, and
        // a future that yields only to be fair to other tasks would be overtaken by the next.
        let all = appends.try_for_each(|()| {
            durable += 1;
            this.told(durable)
        });
        tokio::task::unconstrained(all).await?;
        self.durable = durable;
        Ok(())
    }

    async fn append(&self, index: usize) -> Result<(), Failure> {
        let payload = payload::encode(index, &self.trace.transactions[index]);
        self.document.append(payload).await?;
        Ok(())
    }

    async fn told(&self, durable: usize) -> Result<(), Failure> {
        Ok(self.voice.durable(durable).await?)
    }
}

/// When each transaction is due, so that people take turns as they did when they wrote.
#[derive(Debug, Clone, Copy)]
struct Pace {
    start: Instant,
    first: usize,
    rate: Option<u32>,
}

impl Pace {
    async fn wait_for(self, index: usize) {
        if let Some(rate) = self.rate {
            let turns = (index - self.first) as f64;
            tokio::time::sleep_until(self.start + Duration::from_secs_f64(turns / f64::from(rate.max(1))))
                .await;
        }
    }
}
