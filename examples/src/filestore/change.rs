//! Every change there is, as it is written down and as it is done.

use std::sync::Arc;

use bytes::Bytes;
use gossip::proto::{
    ChainHash, ChannelRecord, CommitItem, Committed, LogName, Meta, NodeRecord, PeerRecord, Removed, Run,
    RunError, Scope, StoreIncarnation, StoredRun, StreamRecord, Turn,
};
use gossip::{
    ChannelId, ChannelRepository, EntryRepository, Fault, LogId, MemoryStore, NodeId, NodeRepository,
    PeerRepository, Pruned, Seal, Seq, SeqRange, SnapshotRepository, Stamp, StoreError, StoreResult,
    StreamId,
};
use serde::{Deserialize, Serialize};

use super::journal::because;

/// Version of what is in the file. A newer one is refused.
pub(super) const VERSION: u32 = 2;

/// One frame of the file.
#[derive(Serialize, Deserialize)]
pub(super) enum Change {
    /// Always the first, and only that.
    Created {
        version: u32,
        incarnation: StoreIncarnation,
    },
    Commit {
        items: Vec<Item>,
        clock: Stamp,
    },
    /// Each with the hash before it.
    Replace(Vec<(ChainHash, Bytes)>),
    Prune(Vec<(LogId, Seq)>),
    Isolate(LogId, Seq),
    Turn(LogName, Turn),
    Remove(#[serde(with = "Place")] Scope),
    SaveChannel(ChannelRecord),
    DeleteChannel(ChannelId),
    SaveStream(ChannelId, StreamRecord),
    SavePeer(PeerRecord),
    DeletePeer(NodeId),
    SaveNode(NodeRecord),
    MarkOpen,
    MarkClosed,
    SaveSnapshot(String, Bytes),
    DeleteSnapshot(String),
}

/// A commit item with its run as encoded: hash before, run, hash at its end.
#[derive(Serialize, Deserialize)]
pub(super) enum Item {
    Run(LogName, ChainHash, Bytes, ChainHash),
    Adopt(LogName, Seq, ChainHash, Stamp, Option<Seal>),
    Fill(LogName, ChainHash, Bytes, ChainHash),
}

/// [`Scope`] as it is written down.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Scope")]
enum Place {
    All,
    Channel(ChannelId),
    Stream(ChannelId, StreamId),
    Log(LogId),
}

/// What a change answers; each fills in its part.
#[derive(Default)]
pub(super) struct Outcome {
    pub(super) committed: Committed,
    pub(super) pruned: Pruned,
    pub(super) removed: Removed,
    pub(super) gap: Option<SeqRange>,
    pub(super) was_open: bool,
}

impl Change {
    pub(super) fn commit(batch: &[CommitItem], meta: &Meta) -> Self {
        Self::Commit { items: batch.iter().map(Item::from).collect(), clock: meta.clock }
    }

    pub(super) fn replace(runs: &[StoredRun]) -> Self {
        Self::Replace(runs.iter().map(|stored| (stored.prev, stored.run.encoded().clone())).collect())
    }

    pub(super) fn encode(&self) -> StoreResult<Vec<u8>> {
        let mut bytes = Vec::new();
        let done = ciborium::into_writer(self, &mut bytes);
        done.map_err(|error| because(Fault::Rejected, "encoding a change", error))?;
        Ok(bytes)
    }

    pub(super) fn decode(bytes: &[u8]) -> StoreResult<Self> {
        ciborium::from_reader(bytes).map_err(|error| because(Fault::Corrupt, "decoding a change", error))
    }

    /// Does it: now, and again each time the file is read. The same changes in the same order lead
    /// to the same state, refusals included.
    pub(super) async fn apply(self, state: &MemoryStore) -> StoreResult<Outcome> {
        let mut outcome = Outcome::default();
        match self {
            Self::Created { .. } => {}
            Self::Commit { items, clock } => {
                let batch = items.into_iter().map(CommitItem::try_from).collect::<StoreResult<Vec<_>>>()?;
                outcome.committed = state.commit(&batch, &Meta { clock }).await?;
            }
            Self::Replace(runs) => {
                let stored =
                    |(prev, run)| Ok(StoredRun { prev, run: Run::decode(run).map_err(undecodable)? });
                state.replace(&runs.into_iter().map(stored).collect::<StoreResult<Vec<_>>>()?).await?;
            }
            Self::Prune(floors) => outcome.pruned = state.prune(&floors).await?,
            Self::Isolate(log, at) => outcome.gap = state.isolate(log, at).await?,
            Self::Turn(log, turn) => state.turn(&log, &turn).await?,
            Self::Remove(scope) => outcome.removed = state.remove(&scope).await?,
            Self::SaveChannel(record) => state.save_channel(&record).await?,
            Self::DeleteChannel(channel) => state.delete_channel(&channel).await?,
            Self::SaveStream(channel, record) => state.save_stream(&channel, &record).await?,
            Self::SavePeer(record) => state.save_peer(&record).await?,
            Self::DeletePeer(peer) => state.delete_peer(&peer).await?,
            Self::SaveNode(record) => state.save_node(&record).await?,
            Self::MarkOpen => outcome.was_open = state.mark_open().await?,
            Self::MarkClosed => state.mark_closed().await?,
            Self::SaveSnapshot(key, value) => state.save_snapshot(&key, value).await?,
            Self::DeleteSnapshot(key) => state.delete_snapshot(&key).await?,
        }
        Ok(outcome)
    }
}

impl From<&CommitItem> for Item {
    fn from(item: &CommitItem) -> Self {
        let log = LogName::clone(item.log());
        match item {
            CommitItem::Run { prev, run, end, .. } => Self::Run(log, *prev, run.encoded().clone(), *end),
            CommitItem::Adopt { floor, hash, stamp, seal, .. } => {
                Self::Adopt(log, *floor, *hash, *stamp, *seal)
            }
            CommitItem::Fill { prev, run, end, .. } => Self::Fill(log, *prev, run.encoded().clone(), *end),
        }
    }
}

impl TryFrom<Item> for CommitItem {
    type Error = StoreError;

    fn try_from(item: Item) -> StoreResult<Self> {
        let run = |bytes| Run::decode(bytes).map_err(undecodable);
        Ok(match item {
            Item::Run(log, prev, bytes, end) => Self::Run { log: Arc::new(log), prev, run: run(bytes)?, end },
            Item::Adopt(log, floor, hash, stamp, seal) => {
                Self::Adopt { log: Arc::new(log), floor, hash, stamp, seal }
            }
            Item::Fill(log, prev, bytes, end) => {
                Self::Fill { log: Arc::new(log), prev, run: run(bytes)?, end }
            }
        })
    }
}

fn undecodable(error: RunError) -> StoreError {
    because(Fault::Corrupt, "decoding a run", error)
}
