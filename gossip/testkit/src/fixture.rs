//! Logs with entries, made the same way every time.

use std::sync::Arc;

use bytes::Bytes;
use gossip_proto::{
    ChainHash, ChannelId, CommitItem, Epoch, LogId, LogName, NodeId, Payload, RunBuilder, Scope, Seq, Stamp,
    StoredRun, StreamId,
};

/// When the first entry of every fixture was written, in milliseconds.
const START: u64 = 1_700_000_000_000;

/// Writes a log run by run and hands each out as the item that commits it.
///
/// The entry at sequence `n` is stamped `n` seconds after a fixed start, so the same calls give
/// the same bytes.
#[derive(Debug, Clone)]
pub struct LogWriter {
    name: Arc<LogName>,
    id: LogId,
    height: Seq,
    hash: ChainHash,
}

impl LogWriter {
    /// The first log of an author in a stream.
    ///
    /// # Panics
    /// When one of the texts is not an id.
    #[must_use]
    pub fn new(channel: &str, stream: &str, author: &str) -> Self {
        Self::in_epoch(channel, stream, author, 1)
    }

    /// The log of an author's generation in a stream.
    ///
    /// # Panics
    /// When one of the texts is not an id.
    #[must_use]
    pub fn in_epoch(channel: &str, stream: &str, author: &str, generation: u16) -> Self {
        let name = LogName {
            channel: ChannelId::new(channel).expect("a channel id"),
            stream: StreamId::new(stream).expect("a stream id"),
            author: NodeId::new(author).expect("a node id"),
            epoch: Epoch::new(generation, 7),
            branch: None,
        };
        let hash = name.hash();
        Self { name: Arc::new(name), id: hash.id(), height: 0, hash: hash.root() }
    }

    /// Full name of the log.
    #[must_use]
    pub fn name(&self) -> &Arc<LogName> {
        &self.name
    }

    /// Address of the log.
    #[must_use]
    pub fn id(&self) -> LogId {
        self.id
    }

    /// How many entries were written.
    #[must_use]
    pub fn height(&self) -> Seq {
        self.height
    }

    /// Chain hash at the height.
    #[must_use]
    pub fn hash(&self) -> ChainHash {
        self.hash
    }

    /// Stamp of the entry at a sequence.
    #[must_use]
    pub fn stamp_at(sequence: Seq) -> Stamp {
        Stamp::new(START + sequence * 1000, 0)
    }

    /// The stream of the log as a scope.
    #[must_use]
    pub fn stream(&self) -> Scope {
        Scope::Stream(self.name.channel.clone(), self.name.stream.clone())
    }

    /// Writes a run of `count` short entries that say who wrote them and where.
    ///
    /// # Panics
    /// When `count` is 0 or more than a run holds.
    pub fn run(&mut self, count: u64) -> CommitItem {
        let text = |n: u64| format!("{} {}", self.name.author, self.height + n);
        let payloads: Vec<_> = (1..=count).map(|n| Bytes::from(text(n))).collect();
        self.run_of(&payloads)
    }

    /// Writes a run of these payloads.
    ///
    /// # Panics
    /// When there are none or more than a run holds.
    pub fn run_of(&mut self, payloads: &[Bytes]) -> CommitItem {
        let prev = self.hash;
        let mut builder = RunBuilder::new(self.id, self.height + 1, prev);
        for (payload, sequence) in payloads.iter().zip(self.height + 1..) {
            let pushed = builder.push(Self::stamp_at(sequence), &Payload::Present(payload.clone()));
            pushed.expect("the payloads fit in one run");
        }
        let (run, end) = builder.finish(None).expect("at least one payload");
        (self.height, self.hash) = (run.last(), end);
        CommitItem::Run { log: self.name.clone(), prev, run, end }
    }

    /// Moves a log to where this one is now, without its entries.
    #[must_use]
    pub fn adopt(&self) -> CommitItem {
        CommitItem::Adopt {
            log: self.name.clone(),
            floor: self.height,
            hash: self.hash,
            stamp: Self::stamp_at(self.height),
            seal: None,
        }
    }
}

/// A written run as the item that fills it into a hole.
///
/// # Panics
/// When the item is not a run.
#[must_use]
pub fn filling(item: &CommitItem) -> CommitItem {
    let CommitItem::Run { log, prev, run, end } = item.clone() else { panic!("not a run: {item:?}") };
    CommitItem::Fill { log, prev, run, end }
}

/// The run of a commit item as a store gives it back.
///
/// # Panics
/// When the item is not a run.
#[must_use]
pub fn stored(item: &CommitItem) -> StoredRun {
    match item {
        CommitItem::Run { prev, run, .. } | CommitItem::Fill { prev, run, .. } => {
            StoredRun { prev: *prev, run: run.clone() }
        }
        CommitItem::Adopt { .. } => panic!("not a run: {item:?}"),
    }
}
