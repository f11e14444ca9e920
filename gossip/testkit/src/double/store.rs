//! A store around a store.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gossip_core::proto::{
    Arrival, Arrived, ChainHash, ChannelRecord, CommitItem, Committed, LogHead, LogName, Meta, NodeRecord,
    Page, PeerRecord, Removed, Scope, Stamp, StoreIncarnation, StoreStats, StoredRun, StreamRecord, Turn,
};
use gossip_core::{
    ChannelId, ChannelRepository, Durability, EntryRepository, Fault, LogId, NodeId, NodeRepository,
    PeerRepository, Pruned, Seq, SeqRange, SnapshotRepository, Store, StoreError, StoreResult, StreamId,
    Usage,
};

/// What a store is asked to do.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum StoreCall<'a> {
    /// To commit a batch.
    Commit(&'a [CommitItem]),
    /// Anything else: the name of the method, as in `"arrivals"`.
    Other(&'static str),
}

/// What a test does between a node and its store.
#[async_trait]
pub trait StoreHooks: Send + Sync + 'static {
    /// Runs before each call and may take its time. When it fails, so does the call, and the store
    /// never sees it. When the call is cancelled, so is the hook.
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()>;

    /// May falsify what a read of `log` from `from` on found, as a damaged disk would.
    fn read(&self, _log: LogId, _from: Seq, runs: Vec<StoredRun>) -> StoreResult<Vec<StoredRun>> {
        Ok(runs)
    }

    /// May falsify the heads of a listing.
    fn heads(&self, heads: Vec<LogHead>) -> StoreResult<Vec<LogHead>> {
        Ok(heads)
    }

    /// May falsify the rows of a page of arrivals.
    fn arrivals(&self, rows: Vec<Arrived>) -> StoreResult<Vec<Arrived>> {
        Ok(rows)
    }

    /// Which part of a log reads as damaged: the runs that reach into it.
    fn damaged(&self, _log: LogId) -> Option<SeqRange> {
        None
    }
}

/// A store that passes every call on to another, after its hooks. Clones are the same store.
#[derive(Clone)]
pub struct StoreDouble {
    inner: Arc<dyn Store>,
    hooks: Arc<dyn StoreHooks>,
}

impl StoreDouble {
    /// A double of a store; the test keeps its own clone of the hooks.
    pub fn new(inner: impl Store, hooks: Arc<dyn StoreHooks>) -> Self {
        Self { inner: Arc::new(inner), hooks }
    }
}

impl StoreDouble {
    fn is_spoilt(&self, stored: &StoredRun) -> bool {
        let damaged = self.hooks.damaged(stored.run.log());
        damaged.is_some_and(|damaged| damaged.overlap(&stored.run.range()).is_some())
    }

    /// Runs before the damage; if there are none, the damage.
    fn spoil_runs(&self, mut runs: Vec<StoredRun>) -> StoreResult<Vec<StoredRun>> {
        match runs.iter().position(|stored| self.is_spoilt(stored)) {
            Some(0) => Err(StoreError::new(Fault::Corrupt, "reading runs", "the double says so")),
            Some(sound) => {
                runs.truncate(sound);
                Ok(runs)
            }
            None => Ok(runs),
        }
    }

    fn spoil_rows(&self, mut page: Page<Arrived, Arrival>) -> Page<Arrived, Arrival> {
        for row in &mut page.items {
            let spoilt = row.runs.iter().find(|stored| self.is_spoilt(stored));
            row.damaged = spoilt.map(|stored| stored.run.first().max(row.range.first)).or(row.damaged);
            row.runs.retain(|stored| !self.is_spoilt(stored));
        }
        page
    }
}

impl Store for StoreDouble {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn durability(&self) -> Durability {
        self.inner.durability()
    }
}

/// What the hooks are told: what the row says, or else the name of the method.
macro_rules! call {
    ($name:ident) => {
        StoreCall::Other(stringify!($name))
    };
    ($name:ident, $call:expr) => {
        $call
    };
}

/// Implements a repository by passing each method on, after the hooks.
macro_rules! pass_on {
    ($repository:ident {
        $($(#[call = $call:expr])? fn $name:ident($($argument:ident: $kind:ty),*) -> $answer:ty;)*
    } $($altered:item)*) => {
        #[async_trait]
        impl $repository for StoreDouble {
            $($altered)*
            $(async fn $name(&self, $($argument: $kind),*) -> StoreResult<$answer> {
                self.hooks.before(call!($name $(, $call)?)).await?;
                self.inner.$name($($argument),*).await
            })*
        }
    };
}

pass_on!(EntryRepository {
    #[call = StoreCall::Commit(batch)]
    fn commit(batch: &[CommitItem], meta: &Meta) -> Committed;
    fn hash_at(log: LogId, positions: &[Seq]) -> Vec<ChainHash>;
    fn replace(runs: &[StoredRun]) -> ();
    fn turn(log: &LogName, turn: &Turn) -> ();
    fn prune(floors: &[(LogId, Seq)]) -> Pruned;
    fn isolate(log: LogId, at: Seq) -> Option<SeqRange>;
    fn remove(scope: &Scope) -> Removed;
    fn stats() -> StoreStats;
    fn last_arrival() -> Arrival;
    fn usage(scope: &Scope) -> Usage;
    fn seek(head: &LogHead, stamp: Stamp) -> Seq;
}
async fn read(&self, log: LogId, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>> {
    self.hooks.before(call!(read)).await?;
    let runs = self.inner.read(log, from, budget).await?;
    self.hooks.read(log, from, self.spoil_runs(runs)?)
}
async fn heads(
    &self,
    scope: &Scope,
    after: Option<LogId>,
    limit: usize,
) -> StoreResult<Page<LogHead, LogId>> {
    self.hooks.before(call!(heads)).await?;
    let page = self.inner.heads(scope, after, limit).await?;
    Ok(Page { items: self.hooks.heads(page.items)?, next: page.next })
}
async fn arrivals(
    &self,
    scope: &Scope,
    after: Arrival,
    budget: usize,
) -> StoreResult<Page<Arrived, Arrival>> {
    self.hooks.before(call!(arrivals)).await?;
    let page = self.spoil_rows(self.inner.arrivals(scope, after, budget).await?);
    Ok(Page { items: self.hooks.arrivals(page.items)?, next: page.next })
});

pass_on!(ChannelRepository {
    fn save_channel(record: &ChannelRecord) -> ();
    fn delete_channel(channel: &ChannelId) -> ();
    fn channels(after: Option<&ChannelId>, limit: usize) -> Page<ChannelRecord, ChannelId>;
    fn save_stream(channel: &ChannelId, record: &StreamRecord) -> ();
    fn streams(channel: &ChannelId, after: Option<&StreamId>, limit: usize) -> Page<StreamRecord, StreamId>;
});

pass_on!(PeerRepository {
    fn save_peer(record: &PeerRecord) -> ();
    fn delete_peer(peer: &NodeId) -> ();
    fn peers(after: Option<&NodeId>, limit: usize) -> Page<PeerRecord, NodeId>;
});

pass_on!(NodeRepository {
    fn load_node() -> Option<NodeRecord>;
    fn save_node(record: &NodeRecord) -> ();
    fn incarnation() -> StoreIncarnation;
    fn mark_open() -> bool;
    fn mark_closed() -> ();
});

pass_on!(SnapshotRepository {
    fn save_snapshot(key: &str, value: Bytes) -> ();
    fn load_snapshot(key: &str) -> Option<Bytes>;
    fn delete_snapshot(key: &str) -> ();
});
