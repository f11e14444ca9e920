//! A memory store whose commits fail on request.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering::Relaxed};

use async_trait::async_trait;
use bytes::Bytes;
use gossip::proto::{
    Arrival, Arrived, ChainHash, ChannelRecord, CommitItem, Committed, LogHead, Meta, NodeRecord, Page,
    PeerRecord, Removed, Scope, StoreIncarnation, StoredRun, StreamRecord,
};
use gossip::{
    ChannelId, ChannelRepository, Durability, EntryRepository, Fault, LogId, MemoryStore, NodeId,
    NodeRepository, PeerRepository, Pruned, Seq, SeqRange, SnapshotRepository, Store, StoreError,
    StoreResult, StreamId, Usage,
};

/// Clones share the data and the switch.
#[derive(Clone, Default)]
pub(crate) struct FailingStore {
    inner: MemoryStore,
    fails: Arc<AtomicU8>,
}

const FAULTS: [Option<Fault>; 4] = [None, Some(Fault::Full), Some(Fault::Transient), Some(Fault::Unknown)];

impl FailingStore {
    /// From now on commits fail in this way, or not any more.
    pub(crate) fn fail(&self, fault: Option<Fault>) {
        let at = FAULTS.iter().position(|known| *known == fault).unwrap();
        self.fails.store(at as u8, Relaxed);
    }

    fn check(&self) -> StoreResult<()> {
        match FAULTS[usize::from(self.fails.load(Relaxed))] {
            None => Ok(()),
            Some(fault) => Err(StoreError::new(fault, "committing entries", "as the test wishes")),
        }
    }
}

impl Store for FailingStore {
    fn name(&self) -> &str {
        "failing"
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}

#[async_trait]
impl EntryRepository for FailingStore {
    async fn commit(&self, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed> {
        self.check()?;
        self.inner.commit(batch, meta).await
    }
    async fn read(&self, log: LogId, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>> {
        self.inner.read(log, from, budget).await
    }
    async fn arrivals(
        &self,
        scope: &Scope,
        after: Arrival,
        budget: usize,
    ) -> StoreResult<Page<Arrived, Arrival>> {
        self.inner.arrivals(scope, after, budget).await
    }
    async fn heads(
        &self,
        scope: &Scope,
        after: Option<LogId>,
        limit: usize,
    ) -> StoreResult<Page<LogHead, LogId>> {
        self.inner.heads(scope, after, limit).await
    }
    async fn hash_at(&self, log: LogId, positions: &[Seq]) -> StoreResult<Vec<ChainHash>> {
        self.inner.hash_at(log, positions).await
    }
    async fn replace(&self, log: LogId, range: SeqRange, run: StoredRun) -> StoreResult<()> {
        self.inner.replace(log, range, run).await
    }
    async fn prune(&self, floors: &[(LogId, Seq)]) -> StoreResult<Pruned> {
        self.inner.prune(floors).await
    }
    async fn remove(&self, scope: &Scope) -> StoreResult<Removed> {
        self.inner.remove(scope).await
    }
    async fn last_arrival(&self) -> StoreResult<Arrival> {
        self.inner.last_arrival().await
    }
    async fn usage(&self, scope: &Scope) -> StoreResult<Usage> {
        self.inner.usage(scope).await
    }
}

#[async_trait]
impl ChannelRepository for FailingStore {
    async fn save_channel(&self, record: &ChannelRecord) -> StoreResult<()> {
        self.inner.save_channel(record).await
    }
    async fn delete_channel(&self, channel: &ChannelId) -> StoreResult<()> {
        self.inner.delete_channel(channel).await
    }
    async fn channels(
        &self,
        after: Option<&ChannelId>,
        limit: usize,
    ) -> StoreResult<Page<ChannelRecord, ChannelId>> {
        self.inner.channels(after, limit).await
    }
    async fn save_stream(&self, channel: &ChannelId, record: &StreamRecord) -> StoreResult<()> {
        self.inner.save_stream(channel, record).await
    }
    async fn streams(
        &self,
        channel: &ChannelId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> StoreResult<Page<StreamRecord, StreamId>> {
        self.inner.streams(channel, after, limit).await
    }
}

#[async_trait]
impl PeerRepository for FailingStore {
    async fn save_peer(&self, record: &PeerRecord) -> StoreResult<()> {
        self.inner.save_peer(record).await
    }
    async fn delete_peer(&self, peer: &NodeId) -> StoreResult<()> {
        self.inner.delete_peer(peer).await
    }
    async fn peers(&self, after: Option<&NodeId>, limit: usize) -> StoreResult<Page<PeerRecord, NodeId>> {
        self.inner.peers(after, limit).await
    }
}

#[async_trait]
impl NodeRepository for FailingStore {
    async fn load_node(&self) -> StoreResult<Option<NodeRecord>> {
        self.inner.load_node().await
    }
    async fn save_node(&self, record: &NodeRecord) -> StoreResult<()> {
        self.inner.save_node(record).await
    }
    async fn incarnation(&self) -> StoreResult<StoreIncarnation> {
        self.inner.incarnation().await
    }
    async fn mark_open(&self) -> StoreResult<bool> {
        self.inner.mark_open().await
    }
    async fn mark_closed(&self) -> StoreResult<()> {
        self.inner.mark_closed().await
    }
}

#[async_trait]
impl SnapshotRepository for FailingStore {
    async fn save_snapshot(&self, key: &str, value: Bytes) -> StoreResult<()> {
        self.inner.save_snapshot(key, value).await
    }
    async fn load_snapshot(&self, key: &str) -> StoreResult<Option<Bytes>> {
        self.inner.load_snapshot(key).await
    }
    async fn delete_snapshot(&self, key: &str) -> StoreResult<()> {
        self.inner.delete_snapshot(key).await
    }
}
