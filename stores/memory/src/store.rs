//! The store: one lock, never held across an `.await`, and the store traits over it.

use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use gossip_core::proto::{
    Arrival, Arrived, ChainHash, ChannelId, ChannelRecord, CommitItem, Committed, Durability, Fault, LogHead,
    LogId, LogName, Meta, NodeId, NodeRecord, Page, PeerRecord, Pruned, Removed, Scope, Seq, SeqRange,
    StoreIncarnation, StoreStats, StoredRun, StreamId, StreamRecord, Turn, Usage,
};
use gossip_core::{
    ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository, Store,
    StoreError, StoreResult, continuity,
};

use crate::commit::commit;
use crate::data::Data;
use crate::log::Log;
use crate::page::page;

/// A store that lives as long as the last of its clones.
///
/// Clones share the same data, so a node can be stopped and started again on one. Nothing
/// survives the process ([`Durability::Volatile`]). No operation waits for anything but a short
/// lock, so dropping a future leaves an operation whole or not begun.
#[derive(Debug, Clone)]
pub struct MemoryStore {
    data: Arc<Mutex<Data>>,
}

impl MemoryStore {
    /// An empty store with an incarnation of its own.
    #[must_use]
    pub fn new() -> Self {
        Self { data: Arc::new(Mutex::new(Data::new())) }
    }

    /// An empty store with this incarnation, for simulations that must repeat exactly.
    #[must_use]
    pub fn with_incarnation(incarnation: StoreIncarnation) -> Self {
        let data = Data { incarnation, ..Data::new() };
        Self { data: Arc::new(Mutex::new(data)) }
    }

    /// Loses the run that holds a sequence of a log, as a failing disk would; whether there was
    /// one. For tests of what damage leads to: memory loses nothing by itself.
    pub fn lose(&self, log: LogId, at: Seq) -> bool {
        self.data().logs.get_mut(&log).is_some_and(|log| log.lose(at))
    }

    fn data(&self) -> MutexGuard<'_, Data> {
        // Batches are worked out before they are put in, so a panic elsewhere leaves sound data.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Store for MemoryStore {
    fn name(&self) -> &str {
        "memory"
    }

    fn durability(&self) -> Durability {
        Durability::Volatile
    }
}

#[async_trait]
impl EntryRepository for MemoryStore {
    async fn commit(&self, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed> {
        commit(&mut self.data(), batch, meta)
    }

    async fn read(&self, log: LogId, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>> {
        self.data().logs.get(&log).map_or_else(|| Ok(Vec::new()), |log| log.read(from, budget))
    }

    async fn arrivals(
        &self,
        scope: &Scope,
        after: Arrival,
        budget: usize,
    ) -> StoreResult<Page<Arrived, Arrival>> {
        let data = self.data();
        Ok(data.arrivals.page(&data.logs, scope, after, budget))
    }

    async fn heads(
        &self,
        scope: &Scope,
        after: Option<LogId>,
        limit: usize,
    ) -> StoreResult<Page<LogHead, LogId>> {
        let data = self.data();
        let inside = data.inside(scope, after);
        Ok(page(inside.map(|(id, log)| (*id, log.head.clone())), limit))
    }

    async fn hash_at(&self, log: LogId, positions: &[Seq]) -> StoreResult<Vec<ChainHash>> {
        const DOING: &str = "looking up chain hashes";
        let data = self.data();
        let log = data.log(log, DOING)?;
        let unknown = || StoreError::new(Fault::Rejected, DOING, "nothing is held at this position");
        positions.iter().map(|position| log.hash_at(*position).ok_or_else(unknown)).collect()
    }

    async fn replace(&self, runs: &[StoredRun]) -> StoreResult<()> {
        let mut data = self.data();
        let stands = |new: &StoredRun| data.logs.get(&new.run.log()).is_some_and(|log| log.stands(new));
        if !(continuity::are_apart(runs) && runs.iter().all(stands)) {
            let why = "a run does not stand for exactly the runs stored there";
            return Err(StoreError::new(Fault::Rejected, "replacing runs", why));
        }
        for new in runs {
            if let Some(log) = data.logs.get_mut(&new.run.log()) {
                log.replace(new.clone());
            }
        }
        Ok(())
    }

    async fn turn(&self, log: &LogName, turn: &Turn) -> StoreResult<()> {
        let mut data = self.data();
        if let Some(held) = data.logs.get_mut(&log.id()) {
            return held.turn(turn);
        }
        let mut empty = Log::new(LogHead::empty(log.clone()));
        empty.turn(turn)?;
        data.logs.insert(log.id(), empty);
        Ok(())
    }

    async fn prune(&self, floors: &[(LogId, Seq)]) -> StoreResult<Pruned> {
        let mut data = self.data();
        let mut sum = Pruned::default();
        for (log, floor) in floors {
            if let Some(log) = data.logs.get_mut(log) {
                let pruned = log.prune(*floor)?;
                sum.entries += pruned.entries;
                sum.bytes += pruned.bytes;
            }
        }
        Ok(sum)
    }

    async fn isolate(&self, log: LogId, at: Seq) -> StoreResult<Option<SeqRange>> {
        Ok(self.data().logs.get_mut(&log).and_then(|log| log.isolate(at)))
    }

    async fn remove(&self, scope: &Scope) -> StoreResult<Removed> {
        Ok(self.data().remove(scope))
    }

    async fn last_arrival(&self) -> StoreResult<Arrival> {
        Ok(self.data().arrivals.last())
    }

    async fn stats(&self) -> StoreResult<StoreStats> {
        Ok(self.data().stats())
    }

    async fn usage(&self, scope: &Scope) -> StoreResult<Usage> {
        Ok(self.data().usage(scope))
    }
}

#[async_trait]
impl ChannelRepository for MemoryStore {
    async fn save_channel(&self, record: &ChannelRecord) -> StoreResult<()> {
        self.data().channels.insert(record.id.clone(), record.clone());
        Ok(())
    }

    async fn delete_channel(&self, channel: &ChannelId) -> StoreResult<()> {
        let mut data = self.data();
        data.channels.remove(channel);
        data.streams.remove(channel);
        Ok(())
    }

    async fn channels(
        &self,
        after: Option<&ChannelId>,
        limit: usize,
    ) -> StoreResult<Page<ChannelRecord, ChannelId>> {
        let data = self.data();
        let rest = data.channels.range(beyond(after));
        Ok(page(rest.map(|(id, record)| (id.clone(), record.clone())), limit))
    }

    async fn save_stream(&self, channel: &ChannelId, record: &StreamRecord) -> StoreResult<()> {
        let mut data = self.data();
        let streams = data.streams.entry(channel.clone()).or_default();
        streams.insert(record.id.clone(), record.clone());
        Ok(())
    }

    async fn streams(
        &self,
        channel: &ChannelId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> StoreResult<Page<StreamRecord, StreamId>> {
        let data = self.data();
        let of_channel = data.streams.get(channel).into_iter();
        let rest = of_channel.flat_map(|streams| streams.range(beyond(after)));
        Ok(page(rest.map(|(id, record)| (id.clone(), record.clone())), limit))
    }
}

#[async_trait]
impl PeerRepository for MemoryStore {
    async fn save_peer(&self, record: &PeerRecord) -> StoreResult<()> {
        self.data().peers.insert(record.id.clone(), record.clone());
        Ok(())
    }

    async fn delete_peer(&self, peer: &NodeId) -> StoreResult<()> {
        self.data().peers.remove(peer);
        Ok(())
    }

    async fn peers(&self, after: Option<&NodeId>, limit: usize) -> StoreResult<Page<PeerRecord, NodeId>> {
        let data = self.data();
        let rest = data.peers.range(beyond(after));
        Ok(page(rest.map(|(id, record)| (id.clone(), record.clone())), limit))
    }
}

#[async_trait]
impl NodeRepository for MemoryStore {
    async fn load_node(&self) -> StoreResult<Option<NodeRecord>> {
        let data = self.data();
        let newest = |node: NodeRecord| NodeRecord { clock: node.clock.max(data.clock), ..node };
        Ok(data.node.clone().map(newest))
    }

    async fn save_node(&self, record: &NodeRecord) -> StoreResult<()> {
        let mut data = self.data();
        data.clock = data.clock.max(record.clock);
        data.node = Some(record.clone());
        Ok(())
    }

    async fn incarnation(&self) -> StoreResult<StoreIncarnation> {
        Ok(self.data().incarnation)
    }

    async fn mark_open(&self) -> StoreResult<bool> {
        Ok(std::mem::replace(&mut self.data().open, true))
    }

    async fn mark_closed(&self) -> StoreResult<()> {
        self.data().open = false;
        Ok(())
    }
}

#[async_trait]
impl SnapshotRepository for MemoryStore {
    async fn save_snapshot(&self, key: &str, value: Bytes) -> StoreResult<()> {
        self.data().snapshots.insert(key.to_owned(), value);
        Ok(())
    }

    async fn load_snapshot(&self, key: &str) -> StoreResult<Option<Bytes>> {
        Ok(self.data().snapshots.get(key).cloned())
    }

    async fn delete_snapshot(&self, key: &str) -> StoreResult<()> {
        self.data().snapshots.remove(key);
        Ok(())
    }
}

fn beyond<K: Clone>(after: Option<&K>) -> (Bound<K>, Bound<K>) {
    (after.cloned().map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}
