//! History written straight into a store, as if many authors had sent it.

use std::sync::Arc;

use gossip::proto::{
    ChainHash, ChannelRecord, CommitItem, Epoch, LogName, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Meta, Payload, Run,
    RunBuilder, StreamRecord,
};
use gossip::{ChannelId, NodeId, Seq, Stamp, Store, StreamId};

use super::measure::payload;
use crate::Outcome;

/// Runs in a commit.
const COMMIT: usize = 64;

/// What to write.
#[derive(Debug, Clone, Copy)]
pub(super) struct History {
    pub(super) streams: usize,
    /// In each stream, with one log each.
    pub(super) authors: usize,
    /// In each log.
    pub(super) entries: u64,
    pub(super) bytes: usize,
}

/// Name of the channel that is filled.
pub(super) const CHANNEL: &str = "bench";

/// Name of a stream that is filled.
pub(super) fn stream_name(number: usize) -> String {
    format!("stream-{number}")
}

/// Writes the history. The stamps of the authors of a stream alternate.
pub(super) async fn fill(store: &dyn Store, history: History) -> Outcome {
    let channel = ChannelId::new(CHANNEL)?;
    let record = ChannelRecord { id: channel.clone(), members: Default::default(), payload_limit: 1 << 20 };
    store.save_channel(&record).await?;
    for stream in 0..history.streams {
        let stream = StreamId::new(stream_name(stream))?;
        store.save_stream(&channel, &StreamRecord::new(stream.clone())).await?;
        let mut logs = Vec::new();
        for author in 0..history.authors {
            let author = NodeId::new(format!("author-{author}"))?;
            let epoch = Epoch::new(1, 1);
            let name =
                LogName { channel: channel.clone(), stream: stream.clone(), author, epoch, branch: None };
            logs.push(Log::new(name, logs.len() as u64));
        }
        write(store, history, &mut logs).await?;
    }
    Ok(())
}

async fn write(store: &dyn Store, history: History, logs: &mut [Log]) -> Outcome {
    let mut batch = Vec::new();
    let mut meta = Meta::default();
    let run = MAX_RUN_ENTRIES.min((MAX_RUN_BYTES / (history.bytes + 32)) as u64);
    for first in (0..history.entries).step_by(run as usize) {
        for log in logs.iter_mut() {
            let count = run.min(history.entries - first);
            batch.push(log.next(count, history)?);
            meta.clock = meta.clock.max(log.stamp);
            if batch.len() == COMMIT {
                store.commit(&std::mem::take(&mut batch), &meta).await?;
            }
        }
    }
    if !batch.is_empty() {
        store.commit(&batch, &meta).await?;
    }
    Ok(())
}

struct Log {
    name: Arc<LogName>,
    number: u64,
    height: Seq,
    hash: ChainHash,
    stamp: Stamp,
}

impl Log {
    fn new(name: LogName, number: u64) -> Self {
        let hash = name.hash().root();
        Self { name: Arc::new(name), number, height: 0, hash, stamp: Stamp::ZERO }
    }

    fn next(&mut self, count: u64, history: History) -> Outcome<CommitItem> {
        let mut builder = RunBuilder::new(self.name.id(), self.height + 1, self.hash);
        for _ in 0..count {
            self.height += 1;
            let tick = self.height * history.authors as u64 + self.number;
            self.stamp = Stamp::new(1_700_000_000_000 + tick, 0);
            let payload = payload(tick as usize, history.bytes);
            builder.push(self.stamp, &Payload::Present(payload)).ok_or("the run is full")?;
        }
        let (run, end): (Run, _) = builder.finish(None).ok_or("the run is empty")?;
        let prev = std::mem::replace(&mut self.hash, end);
        Ok(CommitItem::Run { log: self.name.clone(), prev, run, end })
    }
}
