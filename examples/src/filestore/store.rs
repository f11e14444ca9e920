//! The store traits: writes become changes, reads ask the state.

use std::sync::PoisonError;

use async_trait::async_trait;
use bytes::Bytes;
use gossip::proto::{
    Arrival, Arrived, ChainHash, ChannelRecord, CommitItem, Committed, LogHead, LogName, Meta, NodeRecord,
    Page, PeerRecord, Removed, Scope, StoreIncarnation, StoreStats, StoredRun, StreamRecord, Turn,
};
use gossip::{
    ChannelId, ChannelRepository, Durability, EntryRepository, LogId, NodeId, NodeRepository, PeerRepository,
    Pruned, Seq, SeqRange, SnapshotRepository, Store, StoreResult, StreamId, Usage,
};

use super::FileStore;
use super::change::Change;

impl Store for FileStore {
    fn name(&self) -> &str {
        "file"
    }

    fn durability(&self) -> Durability {
        Durability::Sync
    }
}

#[async_trait]
impl EntryRepository for FileStore {
    async fn commit(&self, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed> {
        Ok(self.write(Change::commit(batch, meta)).await?.committed)
    }

    async fn replace(&self, runs: &[StoredRun]) -> StoreResult<()> {
        self.write(Change::replace(runs)).await.map(drop)
    }

    async fn turn(&self, log: &LogName, turn: &Turn) -> StoreResult<()> {
        self.write(Change::Turn(log.clone(), *turn)).await.map(drop)
    }

    async fn prune(&self, floors: &[(LogId, Seq)]) -> StoreResult<Pruned> {
        Ok(self.write(Change::Prune(floors.to_vec())).await?.pruned)
    }

    async fn isolate(&self, log: LogId, at: Seq) -> StoreResult<Option<SeqRange>> {
        Ok(self.write(Change::Isolate(log, at)).await?.gap)
    }

    async fn remove(&self, scope: &Scope) -> StoreResult<Removed> {
        Ok(self.write(Change::Remove(scope.clone())).await?.removed)
    }

    async fn read(&self, log: LogId, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>> {
        self.state.read(log, from, budget).await
    }

    async fn arrivals(
        &self,
        scope: &Scope,
        after: Arrival,
        budget: usize,
    ) -> StoreResult<Page<Arrived, Arrival>> {
        self.state.arrivals(scope, after, budget).await
    }

    async fn heads(
        &self,
        scope: &Scope,
        after: Option<LogId>,
        limit: usize,
    ) -> StoreResult<Page<LogHead, LogId>> {
        self.state.heads(scope, after, limit).await
    }

    async fn hash_at(&self, log: LogId, positions: &[Seq]) -> StoreResult<Vec<ChainHash>> {
        self.state.hash_at(log, positions).await
    }

    async fn last_arrival(&self) -> StoreResult<Arrival> {
        self.state.last_arrival().await
    }

    async fn usage(&self, scope: &Scope) -> StoreResult<Usage> {
        self.state.usage(scope).await
    }

    async fn stats(&self) -> StoreResult<StoreStats> {
        let state = self.state.stats().await?;
        let journal = self.journal.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(StoreStats {
            disk_bytes: journal.end,
            commits: state.commits - self.replayed.commits,
            committed_bytes: state.committed_bytes - self.replayed.committed_bytes,
            written_bytes: journal.written,
            ..state
        })
    }
}

#[async_trait]
impl ChannelRepository for FileStore {
    async fn save_channel(&self, record: &ChannelRecord) -> StoreResult<()> {
        self.write(Change::SaveChannel(record.clone())).await.map(drop)
    }

    async fn delete_channel(&self, channel: &ChannelId) -> StoreResult<()> {
        self.write(Change::DeleteChannel(channel.clone())).await.map(drop)
    }

    async fn channels(
        &self,
        after: Option<&ChannelId>,
        limit: usize,
    ) -> StoreResult<Page<ChannelRecord, ChannelId>> {
        self.state.channels(after, limit).await
    }

    async fn save_stream(&self, channel: &ChannelId, record: &StreamRecord) -> StoreResult<()> {
        self.write(Change::SaveStream(channel.clone(), record.clone())).await.map(drop)
    }

    async fn streams(
        &self,
        channel: &ChannelId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> StoreResult<Page<StreamRecord, StreamId>> {
        self.state.streams(channel, after, limit).await
    }
}

#[async_trait]
impl PeerRepository for FileStore {
    async fn save_peer(&self, record: &PeerRecord) -> StoreResult<()> {
        self.write(Change::SavePeer(record.clone())).await.map(drop)
    }

    async fn delete_peer(&self, peer: &NodeId) -> StoreResult<()> {
        self.write(Change::DeletePeer(peer.clone())).await.map(drop)
    }

    async fn peers(&self, after: Option<&NodeId>, limit: usize) -> StoreResult<Page<PeerRecord, NodeId>> {
        self.state.peers(after, limit).await
    }
}

#[async_trait]
impl NodeRepository for FileStore {
    async fn load_node(&self) -> StoreResult<Option<NodeRecord>> {
        self.state.load_node().await
    }

    async fn save_node(&self, record: &NodeRecord) -> StoreResult<()> {
        self.write(Change::SaveNode(record.clone())).await.map(drop)
    }

    async fn incarnation(&self) -> StoreResult<StoreIncarnation> {
        self.state.incarnation().await
    }

    async fn mark_open(&self) -> StoreResult<bool> {
        Ok(self.write(Change::MarkOpen).await?.was_open)
    }

    async fn mark_closed(&self) -> StoreResult<()> {
        self.write(Change::MarkClosed).await.map(drop)
    }
}

#[async_trait]
impl SnapshotRepository for FileStore {
    async fn save_snapshot(&self, key: &str, value: Bytes) -> StoreResult<()> {
        self.write(Change::SaveSnapshot(key.to_owned(), value)).await.map(drop)
    }

    async fn load_snapshot(&self, key: &str) -> StoreResult<Option<Bytes>> {
        self.state.load_snapshot(key).await
    }

    async fn delete_snapshot(&self, key: &str) -> StoreResult<()> {
        self.write(Change::DeleteSnapshot(key.to_owned())).await.map(drop)
    }
}
