//! Logs whose every byte follows from their name, so that two processes can speak of them by number.

use std::sync::Arc;

use bytes::Bytes;
use gossip::proto::{
    ChainHash, ChannelId, Epoch, LogName, PayloadHash, Rng, RunBuilder, Seq, SeqRange, StoredRun,
};
use gossip::{LogId, NodeId, Payload, Stamp, StreamId};

/// Logs of one task.
pub(crate) const LOGS: usize = 3;

/// When the first entry was written, in milliseconds.
const START: u64 = 1_700_000_000_000;

/// What a log says at each position, and the chain over it as far as it was needed.
pub(crate) struct Chain {
    pub(crate) name: Arc<LogName>,
    pub(crate) id: LogId,
    seed: u64,
    hashes: Vec<ChainHash>,
}

impl Chain {
    fn new(task: usize, log: usize) -> Self {
        let name = LogName {
            channel: channel(task),
            stream: StreamId::new(format!("stream {log}")).expect("a stream id"),
            author: NodeId::new("hammer").expect("a node id"),
            epoch: Epoch::new(1, 7),
            branch: None,
        };
        let (hash, seed) = (name.hash(), (task * LOGS + log) as u64);
        Self { name: Arc::new(name), id: hash.id(), seed, hashes: vec![hash.root()] }
    }

    /// The logs of a task.
    pub(crate) fn all(task: usize) -> Vec<Self> {
        (0..LOGS).map(|log| Self::new(task, log)).collect()
    }

    /// The chain hash at a position.
    pub(crate) fn hash(&mut self, at: Seq) -> ChainHash {
        while self.hashes.len() as Seq <= at {
            let sequence = self.hashes.len() as Seq;
            let payload = self.payload(sequence);
            let before = self.hashes[self.hashes.len() - 1];
            let size = payload.len() as u64;
            self.hashes.push(before.link(sequence, Self::stamp(sequence), size, &PayloadHash::of(&payload)));
        }
        self.hashes[at as usize]
    }

    pub(crate) fn stamp(sequence: Seq) -> Stamp {
        Stamp::new(START + sequence * 1000, 0)
    }

    /// Mostly short; now and then one that spans pages.
    pub(crate) fn payload(&self, sequence: Seq) -> Bytes {
        let mut rng = Rng::new(self.seed << 32 | sequence);
        let longest = if rng.chance(20) { 20_000 } else { 160 };
        let mut bytes = rng.next_u64().to_le_bytes().to_vec();
        bytes.resize(8 + rng.below(longest) as usize, rng.next_u64() as u8);
        bytes.into()
    }

    /// A run of these entries, some of them hollow, and the hash at its end; `None` when they are
    /// too many for one run.
    pub(crate) fn run(&mut self, range: SeqRange, hollow: &[Seq]) -> Option<(StoredRun, ChainHash)> {
        let prev = self.hash(range.first - 1);
        let mut builder = RunBuilder::new(self.id, range.first, prev);
        for sequence in range.first..=range.last {
            let bytes = self.payload(sequence);
            let payload = match hollow.contains(&sequence) {
                true => Payload::Hollow { hash: PayloadHash::of(&bytes), len: bytes.len() as u64 },
                false => Payload::Present(bytes),
            };
            builder.push(Self::stamp(sequence), &payload)?;
        }
        let (run, end) = builder.finish(None)?;
        Some((StoredRun { prev, run }, end))
    }
}

/// Each task has a channel of its own.
pub(crate) fn channel(task: usize) -> ChannelId {
    ChannelId::new(format!("task {task}")).expect("a channel id")
}
