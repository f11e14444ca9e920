//! History written straight into a store, as if many authors had sent it.

use std::sync::Arc;

use gossip::proto::{
    ChainHash, ChannelRecord, CommitItem, Ed25519Sealer, Epoch, LogName, MAX_RUN_BYTES, MAX_RUN_ENTRIES,
    Meta, Payload, Run, RunBuilder, Sealer, SecretKey, StreamRecord, seal_message,
};
use gossip::{ChannelId, NodeId, Seq, Stamp, Store, StreamId};
use serde::{Deserialize, Serialize};

use crate::Outcome;
use crate::payload::payload;

/// Runs in a commit.
const COMMIT: usize = 64;

/// What to write. The same history is the same bytes wherever it is written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct History {
    pub(crate) streams: usize,
    /// In each stream, with one log each.
    pub(crate) authors: usize,
    /// In each log.
    pub(crate) entries: u64,
    pub(crate) bytes: usize,
    /// Most entries in a run.
    pub(crate) run: u64,
    /// The authors have keys and seal every run.
    pub(crate) sealed: bool,
    /// So many logs, evenly spread, ...
    pub(crate) longer: usize,
    /// ... have so many entries more.
    pub(crate) more: u64,
}

impl History {
    pub(crate) fn new(streams: usize, authors: usize, entries: u64, bytes: usize) -> Self {
        Self { streams, authors, entries, bytes, run: MAX_RUN_ENTRIES, sealed: false, longer: 0, more: 0 }
    }

    /// The same with more entries in some logs.
    pub(crate) fn with_more(self, longer: usize, more: u64) -> Self {
        Self { longer, more, ..self }
    }

    /// The same with seals.
    pub(crate) fn sealed(self) -> Self {
        Self { sealed: true, ..self }
    }

    pub(crate) fn logs(&self) -> usize {
        self.streams * self.authors
    }

    /// All entries.
    pub(crate) fn total(&self) -> u64 {
        self.logs() as u64 * self.entries + self.longer as u64 * self.more
    }

    /// Entries of the log of this number.
    fn height(&self, log: usize) -> u64 {
        let (logs, longer) = (self.logs(), self.longer);
        let is_longer = log * longer / logs != (log + 1) * longer / logs;
        self.entries + if is_longer { self.more } else { 0 }
    }
}

/// Name of the channel that is filled.
pub(crate) const CHANNEL: &str = "bench";

/// Name of a stream that is filled.
pub(crate) fn stream_name(number: usize) -> String {
    format!("stream-{number}")
}

/// Writes the history. The stamps of the authors of a stream alternate.
pub(crate) async fn fill(store: &dyn Store, history: History) -> Outcome {
    let channel = ChannelId::new(CHANNEL)?;
    let record = ChannelRecord { id: channel.clone(), members: Default::default(), payload_limit: 1 << 20 };
    store.save_channel(&record).await?;
    let mut writer = Writer { store, batch: Vec::new(), meta: Meta::default() };
    for number in 0..history.streams {
        let stream = StreamId::new(stream_name(number))?;
        store.save_stream(&channel, &StreamRecord::new(stream.clone())).await?;
        let mut logs = Vec::new();
        for author in 0..history.authors {
            let height = history.height(number * history.authors + author);
            let sealer = history.sealed.then(|| sealer(author));
            let author = match &sealer {
                Some(sealer) => sealer.public().node_id(),
                None => NodeId::new(format!("author-{author}"))?,
            };
            let (channel, stream, epoch) = (channel.clone(), stream.clone(), Epoch::new(1, 1));
            let name = LogName { channel, stream, author, epoch, branch: None };
            logs.push(Log { number: logs.len() as u64, until: height, sealer, ..Log::new(name) });
        }
        writer.stream(history, &mut logs).await?;
    }
    writer.flush().await
}

struct Writer<'a> {
    store: &'a dyn Store,
    batch: Vec<CommitItem>,
    meta: Meta,
}

impl Writer<'_> {
    async fn stream(&mut self, history: History, logs: &mut [Log]) -> Outcome {
        let run = history.run.min((MAX_RUN_BYTES / (history.bytes + 32)) as u64).max(1);
        while logs.iter().any(|log| log.height < log.until) {
            for log in logs.iter_mut().filter(|log| log.height < log.until) {
                // What is more comes in runs of its own: whoever has the rest asks for whole runs.
                let end = if log.height < history.entries { history.entries } else { log.until };
                let count = run.min(end - log.height);
                self.batch.push(log.next(count, history)?);
                self.meta.clock = self.meta.clock.max(log.stamp);
                if self.batch.len() == COMMIT {
                    self.flush().await?;
                }
            }
        }
        Ok(())
    }

    async fn flush(&mut self) -> Outcome {
        if !self.batch.is_empty() {
            self.store.commit(&std::mem::take(&mut self.batch), &self.meta).await?;
        }
        Ok(())
    }
}

fn sealer(author: usize) -> Ed25519Sealer {
    let mut seed = [1; 32];
    seed[..8].copy_from_slice(&(author as u64).to_le_bytes());
    Ed25519Sealer::new(&SecretKey::from_seed(seed))
}

struct Log {
    name: Arc<LogName>,
    number: u64,
    height: Seq,
    until: Seq,
    hash: ChainHash,
    stamp: Stamp,
    sealer: Option<Ed25519Sealer>,
}

impl Log {
    fn new(name: LogName) -> Self {
        let hash = name.hash().root();
        Self { name: Arc::new(name), number: 0, height: 0, until: 0, hash, stamp: Stamp::ZERO, sealer: None }
    }

    fn next(&mut self, count: u64, history: History) -> Outcome<CommitItem> {
        let mut builder = RunBuilder::new(self.name.id(), self.height + 1, self.hash);
        let mut end = self.hash;
        for _ in 0..count {
            self.height += 1;
            let tick = self.height * history.authors as u64 + self.number;
            self.stamp = Stamp::new(1_700_000_000_000 + tick, 0);
            let payload = payload(tick as usize, history.bytes);
            end = builder.push(self.stamp, &Payload::Present(payload)).ok_or("the run is full")?;
        }
        let seal =
            self.sealer.as_ref().map(|by| by.sign(&seal_message(&self.name.hash(), self.height, &end)));
        let (run, _): (Run, _) =
            builder.finish(seal.as_ref().map(|seal| &seal.0[..])).ok_or("the run is empty")?;
        let prev = std::mem::replace(&mut self.hash, end);
        Ok(CommitItem::Run { log: self.name.clone(), prev, run, end })
    }
}
