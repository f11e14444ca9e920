//! A memory store that counts, waits and fails as told.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gossip_core::proto::{
    Arrival, Arrived, ChainHash, ChannelRecord, CommitItem, Committed, LogHead, Meta, NodeRecord, Page,
    PeerRecord, Removed, Scope, StoreIncarnation, StoredRun, StreamRecord,
};
use gossip_core::{
    ChannelId, ChannelRepository, Durability, EntryRepository, Fault, LogId, NodeId, NodeRepository,
    PeerRepository, Pruned, Seq, SeqRange, SnapshotRepository, Store, StoreError, StoreResult, StreamId,
    Usage,
};
use gossip_store_memory::MemoryStore;
use tokio::sync::Semaphore;

/// See the fields.
pub(crate) struct Tuned {
    pub(crate) inner: MemoryStore,
    /// Commits tried.
    pub(crate) commits: AtomicU64,
    /// Each commit takes one permit.
    pub(crate) gate: Semaphore,
    /// The next commit fails so.
    pub(crate) fail: Mutex<Option<Fault>>,
    /// Commits that contain this byte string are rejected.
    pub(crate) poison: Option<&'static [u8]>,
    /// Arrivals cannot be read.
    pub(crate) blind: AtomicBool,
}

impl Tuned {
    pub(crate) fn new() -> Self {
        Self {
            inner: MemoryStore::new(),
            commits: AtomicU64::new(0),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            fail: Mutex::new(None),
            poison: None,
            blind: AtomicBool::new(false),
        }
    }
}

fn failed(fault: Fault) -> StoreError {
    StoreError::new(fault, "testing", "as told")
}

fn contains(item: &CommitItem, poison: &[u8]) -> bool {
    match item {
        CommitItem::Run { run, .. } => run.encoded().windows(poison.len()).any(|bytes| bytes == poison),
        CommitItem::Adopt { .. } => false,
    }
}

#[async_trait]
impl EntryRepository for Tuned {
    async fn commit(&self, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed> {
        self.gate.acquire().await.expect("gate").forget();
        self.commits.fetch_add(1, Ordering::SeqCst);
        if let Some(fault) = self.fail.lock().expect("fail").take() {
            return Err(failed(fault));
        }
        if let Some(poison) = self.poison
            && batch.iter().any(|item| contains(item, poison))
        {
            return Err(failed(Fault::Rejected));
        }
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
        if self.blind.load(Ordering::SeqCst) {
            return Err(failed(Fault::Transient));
        }
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
impl ChannelRepository for Tuned {
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
impl PeerRepository for Tuned {
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
impl NodeRepository for Tuned {
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
impl SnapshotRepository for Tuned {
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

impl Store for Tuned {
    fn name(&self) -> &str {
        "tuned"
    }
    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}
