//! The store: its traits, each method one transaction.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use gossip_core::proto::{
    Arrival, Arrived, ChainHash, ChannelId, ChannelRecord, CommitItem, Committed, Durability, LogHead, LogId,
    Meta, NodeId, NodeRecord, Page, PeerRecord, Pruned, Removed, Scope, Seq, SeqRange, StoreIncarnation,
    StoredRun, StreamId, StreamRecord, Usage,
};
use gossip_core::{
    ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository, Store,
    StoreResult,
};

use crate::engine::{Engine, Opener};
use crate::tables::{
    CHANNELS, META, META_ARRIVAL, META_INCARNATION, META_OPEN, PEERS, SNAPSHOTS, STREAMS, meta_number,
};
use crate::{arrivals, commit, edit, heads, keys, open, records, remove, runs};

pub(crate) const COMMITTING: &str = "committing entries";

/// A store in one directory, durable when a write returns ([`Durability::Sync`]).
///
/// Clones share the open file. Its methods need a tokio runtime: transactions run on its blocking
/// threads. A write whose future is dropped before its turn came has not begun; after that it
/// completes. After a failed disk operation, and after `mark_closed`, which closes the file, it is opened
/// again by itself with the next operation.
#[derive(Clone)]
pub struct RedbStore {
    engine: Arc<Engine>,
}

impl RedbStore {
    /// Opens the store in a directory, or makes a new one there. Blocks for as long as the disk
    /// takes; after a crash that includes a repair.
    ///
    /// # Errors
    /// `Rejected`: the store is open already (here or in another process), has another format
    /// than [`FORMAT`](crate::FORMAT), or the path cannot be a directory we may write to.
    /// `Corrupt`: the file is damaged or not a store. `Full`: no space to make one. `Transient`:
    /// another failure of the disk.
    pub fn open(directory: impl Into<PathBuf>) -> StoreResult<Self> {
        let directory = directory.into();
        let opened = AtomicBool::new(false);
        Self::with_opener(Box::new(move || match opened.load(Ordering::Relaxed) {
            true => open::open_again(&directory),
            false => open::open(&directory).inspect(|_| opened.store(true, Ordering::Relaxed)),
        }))
    }

    pub(crate) fn with_opener(opener: Opener) -> StoreResult<Self> {
        Ok(Self { engine: Arc::new(Engine::new(opener)?) })
    }
}

impl fmt::Debug for RedbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedbStore").finish_non_exhaustive()
    }
}

impl Store for RedbStore {
    fn name(&self) -> &str {
        "redb"
    }

    fn durability(&self) -> Durability {
        Durability::Sync
    }
}

#[async_trait]
impl EntryRepository for RedbStore {
    async fn commit(&self, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed> {
        let (batch, meta) = (batch.to_vec(), *meta);
        self.engine.write(COMMITTING, move |writing| commit::commit(writing, &batch, &meta)).await
    }

    async fn read(&self, log: LogId, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>> {
        self.engine.read("reading entries", move |reading| runs::read(reading, log, from, budget)).await
    }

    async fn arrivals(
        &self,
        scope: &Scope,
        after: Arrival,
        budget: usize,
    ) -> StoreResult<Page<Arrived, Arrival>> {
        let scope = scope.clone();
        let page = move |reading: &_| arrivals::page(reading, &scope, after, budget);
        self.engine.read("reading arrivals", page).await
    }

    async fn heads(
        &self,
        scope: &Scope,
        after: Option<LogId>,
        limit: usize,
    ) -> StoreResult<Page<LogHead, LogId>> {
        let scope = scope.clone();
        self.engine.read("listing heads", move |reading| heads::heads(reading, &scope, after, limit)).await
    }

    async fn hash_at(&self, log: LogId, positions: &[Seq]) -> StoreResult<Vec<ChainHash>> {
        let positions = positions.to_vec();
        let hashes = move |reading: &_| runs::hash_at(reading, log, &positions);
        self.engine.read("looking up chain hashes", hashes).await
    }

    async fn replace(&self, log: LogId, range: SeqRange, run: StoredRun) -> StoreResult<()> {
        self.engine.write("replacing runs", move |writing| edit::replace(writing, log, range, &run)).await
    }

    async fn prune(&self, floors: &[(LogId, Seq)]) -> StoreResult<Pruned> {
        let floors = floors.to_vec();
        self.engine.write("pruning logs", move |writing| edit::prune(writing, &floors)).await
    }

    async fn isolate(&self, log: LogId, at: Seq) -> StoreResult<Option<SeqRange>> {
        self.engine.write("isolating damage", move |writing| edit::isolate(writing, log, at)).await
    }

    async fn remove(&self, scope: &Scope) -> StoreResult<Removed> {
        let scope = scope.clone();
        self.engine.write("removing logs", move |writing| remove::remove(writing, &scope)).await
    }

    async fn last_arrival(&self) -> StoreResult<Arrival> {
        let newest = |reading: &redb::ReadTransaction| {
            Ok(Arrival(meta_number(&reading.open_table(META)?, META_ARRIVAL)?))
        };
        self.engine.read("reading the newest arrival", newest).await
    }

    async fn usage(&self, scope: &Scope) -> StoreResult<Usage> {
        let scope = scope.clone();
        self.engine.read("measuring usage", move |reading| heads::usage(reading, &scope)).await
    }
}

#[async_trait]
impl ChannelRepository for RedbStore {
    async fn save_channel(&self, record: &ChannelRecord) -> StoreResult<()> {
        let record = record.clone();
        let save =
            move |writing: &_| records::save(writing, CHANNELS, record.id.as_str().as_bytes(), &record);
        self.engine.write("saving a channel", save).await
    }

    async fn delete_channel(&self, channel: &ChannelId) -> StoreResult<()> {
        let channel = channel.clone();
        let delete = move |writing: &_| records::delete_channel(writing, &channel);
        self.engine.write("deleting a channel", delete).await
    }

    async fn channels(
        &self,
        after: Option<&ChannelId>,
        limit: usize,
    ) -> StoreResult<Page<ChannelRecord, ChannelId>> {
        self.list(CHANNELS, Vec::new(), after.map(ChannelId::as_str), limit, |record: &ChannelRecord| {
            record.id.clone()
        })
        .await
    }

    async fn save_stream(&self, channel: &ChannelId, record: &StreamRecord) -> StoreResult<()> {
        let (channel, record) = (keys::channel(channel), record.clone());
        let save = move |writing: &_| {
            records::save(writing, STREAMS, &keys::join(&channel, record.id.as_str().as_bytes()), &record)
        };
        self.engine.write("saving a stream", save).await
    }

    async fn streams(
        &self,
        channel: &ChannelId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> StoreResult<Page<StreamRecord, StreamId>> {
        let (prefix, after) = (keys::channel(channel), after.map(StreamId::as_str));
        self.list(STREAMS, prefix, after, limit, |record: &StreamRecord| record.id.clone()).await
    }
}

#[async_trait]
impl PeerRepository for RedbStore {
    async fn save_peer(&self, record: &PeerRecord) -> StoreResult<()> {
        let record = record.clone();
        let save = move |writing: &_| records::save(writing, PEERS, record.id.as_str().as_bytes(), &record);
        self.engine.write("saving a peer", save).await
    }

    async fn delete_peer(&self, peer: &NodeId) -> StoreResult<()> {
        let peer = peer.clone();
        let delete = move |writing: &_| records::delete(writing, PEERS, peer.as_str().as_bytes());
        self.engine.write("deleting a peer", delete).await
    }

    async fn peers(&self, after: Option<&NodeId>, limit: usize) -> StoreResult<Page<PeerRecord, NodeId>> {
        let after = after.map(NodeId::as_str);
        self.list(PEERS, Vec::new(), after, limit, |record: &PeerRecord| record.id.clone()).await
    }
}

#[async_trait]
impl NodeRepository for RedbStore {
    async fn load_node(&self) -> StoreResult<Option<NodeRecord>> {
        self.engine.read("reading the node record", records::load_node).await
    }

    async fn save_node(&self, record: &NodeRecord) -> StoreResult<()> {
        let record = record.clone();
        self.engine.write("saving the node record", move |writing| records::save_node(writing, &record)).await
    }

    async fn incarnation(&self) -> StoreResult<StoreIncarnation> {
        let incarnation = |reading: &redb::ReadTransaction| {
            Ok(StoreIncarnation(meta_number(&reading.open_table(META)?, META_INCARNATION)?))
        };
        self.engine.read("reading the incarnation", incarnation).await
    }

    async fn mark_open(&self) -> StoreResult<bool> {
        self.engine.write("marking the store open", records::mark_open).await
    }

    async fn mark_closed(&self) -> StoreResult<()> {
        let close = |writing: &_| records::delete(writing, META, META_OPEN);
        self.engine.write("marking the store closed", close).await?;
        self.engine.release("closing the file").await
    }
}

#[async_trait]
impl SnapshotRepository for RedbStore {
    async fn save_snapshot(&self, key: &str, value: Bytes) -> StoreResult<()> {
        let key = key.to_owned();
        let save = move |writing: &_| records::put(writing, SNAPSHOTS, key.as_bytes(), &value);
        self.engine.write("saving a snapshot", save).await
    }

    async fn load_snapshot(&self, key: &str) -> StoreResult<Option<Bytes>> {
        let key = key.to_owned();
        let load = move |reading: &_| records::load(reading, SNAPSHOTS, key.as_bytes());
        Ok(self.engine.read("loading a snapshot", load).await?.map(Bytes::from))
    }

    async fn delete_snapshot(&self, key: &str) -> StoreResult<()> {
        let key = key.to_owned();
        let delete = move |writing: &_| records::delete(writing, SNAPSHOTS, key.as_bytes());
        self.engine.write("deleting a snapshot", delete).await
    }
}

impl RedbStore {
    async fn list<T, K>(
        &self,
        table: crate::tables::Definition,
        prefix: Vec<u8>,
        after: Option<&str>,
        limit: usize,
        key: impl Fn(&T) -> K + Send,
    ) -> StoreResult<Page<T, K>>
    where
        T: serde::de::DeserializeOwned + Send + 'static,
    {
        let after = after.map(|after| after.as_bytes().to_vec());
        let list = move |reading: &_| records::list::<T>(reading, table, &prefix, after.as_deref(), limit);
        let (items, more) = self.engine.read("listing records", list).await?;
        let next = items.last().map(key).filter(|_| more);
        Ok(Page { items, next })
    }
}
