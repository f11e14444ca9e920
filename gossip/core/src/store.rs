//! What a store is: five repositories, one trait each, and [`Store`] for all of them.
//!
//! The clauses below are the contract, checked by `store_conformance!`.

use async_trait::async_trait;
use bytes::Bytes;
use gossip_proto::{
    Arrival, Arrived, ChainHash, ChannelId, ChannelRecord, CommitItem, Committed, Durability, Fault, LogHead,
    LogId, LogName, Meta, NodeId, NodeRecord, Page, PeerRecord, Pruned, Removed, RunEntry, Scope, Seq,
    SeqRange, Stamp, StoreFailure, StoreIncarnation, StoreStats, StoredRun, StreamId, StreamRecord, Turn,
    Usage,
};

/// Why a store operation failed and what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{doing}: {source}")]
pub struct StoreError {
    /// What the caller should do.
    pub fault: Fault,
    /// What was being done.
    pub doing: &'static str,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl StoreError {
    /// A failure with its cause.
    pub fn new(
        fault: Fault,
        doing: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self { fault, doing, source: source.into() }
    }

    /// The same as a value the node understands.
    #[must_use]
    pub fn to_failure(&self) -> StoreFailure {
        StoreFailure { fault: self.fault, doing: self.doing, detail: self.source.to_string() }
    }
}

/// Result of a store operation.
pub type StoreResult<T> = Result<T, StoreError>;

/// Entries, keyed by log, in runs.
#[async_trait]
pub trait EntryRepository: Send + Sync + 'static {
    /// Appends a batch atomically: all of it or nothing, also across a crash.
    ///
    /// *When it returns `Ok`*: the batch and `meta` are as durable as [`Store::durability`]
    /// promises, are seen by every later read (none sees a part of a batch), and each new entry has an arrival number, higher
    /// than all given before, consecutive in the order of the batch.
    ///
    /// *Continuity*: a run must begin at its log's height + 1 and its `prev` must be the hash at
    /// that height (a log not known stands at height 0 with its root hash). Within a batch later
    /// items see earlier ones. A run that ends at or below the height is skipped when its check
    /// equals the stored chain at that position and refused when it differs; a run that begins
    /// at or below the height and ends above it is refused. Below the floor and inside a gap
    /// nothing can be compared: such a run is skipped. `Adopt` above the height moves the head
    /// there: floor of a log of which nothing is held, a gap otherwise (joined to a gap that ends
    /// at the height), and never lowers the stamp; at or below it does nothing.
    /// `Fill` must end where a gap ends, or at the floor, with the chain hash known there, and begin
    /// inside; the gap shrinks to what is before it, the floor moves down to it. Its entries get
    /// arrival numbers only as far as they never had any ([`LogHead::missed`]). What is held already
    /// is skipped.
    /// A refusal is [`Fault::Rejected`] and writes nothing.
    ///
    /// *Blocking*: the coordinator polls this beside everything else it does; a store that has to
    /// block does that on another thread (`tokio::task::spawn_blocking`).
    ///
    /// *Repeated*: committing the same batch again is `Ok` and changes nothing.
    async fn commit(&self, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed>;

    /// Runs of a log in order, from the one that holds `from` (or the first after it when it is
    /// pruned or in a gap): about `budget` encoded bytes, but at least one run if there is any.
    /// The first run may begin before `from`. Unknown log or nothing there: empty.
    ///
    /// A damaged run is [`Fault::Corrupt`]; runs before it are returned first.
    async fn read(&self, log: LogId, from: Seq, budget: usize) -> StoreResult<Vec<StoredRun>>;

    /// Entries in the order they arrived, after `after`: about `budget` bytes, at least one row
    /// if there is any. A row in whose middle `after` stands is returned without what came
    /// before, and a long row may be returned in parts that end where a run ends. Rows of one log
    /// that follow each other may be joined to one. `next` is the arrival to go on from, `None`
    /// when nothing more is stored now. What was pruned still has its rows, with fewer or no runs.
    /// A damaged run does not fail the page: [`Arrived::damaged`] tells where it is.
    /// Entries that lost their place in this order to damage arrive again, with new numbers: readers
    /// may see them twice, and are not led past them. Where the name of a log is damaged, and nothing else of
    /// it, the rows of that log asked for by itself are [`Fault::Corrupt`] until a commit to it brings
    /// the name again.
    async fn arrivals(
        &self,
        scope: &Scope,
        after: Arrival,
        budget: usize,
    ) -> StoreResult<Page<Arrived, Arrival>>;

    /// Heads of the logs in a scope, at most `limit`, in order of their id, after `after`. A limit
    /// of 0 is taken as 1, here and in all listings below, so that pages advance.
    async fn heads(
        &self,
        scope: &Scope,
        after: Option<LogId>,
        limit: usize,
    ) -> StoreResult<Page<LogHead, LogId>>;

    /// Chain hashes at positions of a log, in the order asked. 0 is the root; `floor` and
    /// everything held are known. Others are [`Fault::Rejected`].
    async fn hash_at(&self, log: LogId, positions: &[Seq]) -> StoreResult<Vec<ChainHash>>;

    /// Puts each of these runs in the place of those that make up exactly its range in its log and are of
    /// the same chain (same hash before and after): all of them atomically, and durable on return.
    /// Arrivals stay. Anything else is [`Fault::Rejected`], and so are runs that overlap; none at all is
    /// fine. Where all say the same as those before them, as [`StoredRun::join`] makes them, they need not
    /// be on stable storage on return: whoever loses them finds those again.
    async fn replace(&self, runs: &[StoredRun]) -> StoreResult<()>;

    /// Ends a log before `turn.at`, because another history parts from it there, atomically: entries from
    /// there on are dropped, height, hash and stamp are those before it, [`LogHead::turn`] tells why, and no
    /// commit goes beyond it any more. Arrival rows stay. Whoever wants to keep what is dropped has
    /// committed it to a log of another name before. A log that is not known comes to be with nothing but its
    /// end: its entries are still to come. Durable on return, whatever the store promises of commits, and every
    /// commit before it is too: what is dropped here may be nowhere else than in the last of them.
    ///
    /// `prev` must be the hash before the place and `first` the one at it, as far as these are known: not
    /// above the height, not in a gap. `first` is `None` exactly where the log does not reach. A log that
    /// ends already may end earlier, not later. All else, a place at or below the floor, a run that cannot be
    /// cut are [`Fault::Rejected`], and nothing is written.
    ///
    /// *Repeated*: `Ok`, and changes nothing.
    async fn turn(&self, log: &LogName, turn: &Turn) -> StoreResult<()>;

    /// Drops entries up to and including `floor` in each log, atomically for each. Height and
    /// hash stay; a floor at or below the present one does nothing, one above the height is
    /// taken as the height, one inside a gap as the end of the gap. A run reaching across the
    /// floor is cut or kept whole, but reads never return entries at or below the floor; where a
    /// run cannot be cut the floor may come to rest before it. Unknown logs are ignored.
    async fn prune(&self, floors: &[(LogId, Seq)]) -> StoreResult<Pruned>;

    /// Makes a gap of the damage at `at`: of the run that holds it, if it does not decode or does not
    /// continue its chain, or of the place of a run that is not there although head and gaps say
    /// so. The chain hashes around it stay known, so that it can be filled again. Returns the new
    /// gap, `None` when `at` is sound, pruned, in a gap or above the height: nothing that can be
    /// read is ever dropped.
    async fn isolate(&self, log: LogId, at: Seq) -> StoreResult<Option<SeqRange>>;

    /// Removes logs with heads, entries and arrival rows, atomically. Arrival numbers are not
    /// used again.
    async fn remove(&self, scope: &Scope) -> StoreResult<Removed>;

    /// Newest arrival number given out in this store, 0 when none.
    async fn last_arrival(&self) -> StoreResult<Arrival>;

    /// What the store takes and has done. The default tells nothing.
    async fn stats(&self) -> StoreResult<StoreStats> {
        Ok(StoreStats::default())
    }

    /// What a scope occupies.
    async fn usage(&self, scope: &Scope) -> StoreResult<Usage>;

    /// First sequence of a log whose stamp is at or after `stamp`; height + 1 when none is.
    /// Entries that are pruned or in a gap do not count.
    ///
    /// The provided implementation searches by [`EntryRepository::read`].
    async fn seek(&self, head: &LogHead, stamp: Stamp) -> StoreResult<Seq> {
        crate::store::seek_by_reading(self, head, stamp).await
    }
}

/// Channels and streams.
#[async_trait]
pub trait ChannelRepository: Send + Sync + 'static {
    /// Writes a channel record, new or changed. Durable on return, as are all writes below.
    async fn save_channel(&self, record: &ChannelRecord) -> StoreResult<()>;
    /// Removes a channel record and its stream records; unknown ones are ignored.
    async fn delete_channel(&self, channel: &ChannelId) -> StoreResult<()>;
    /// Channel records in order of id, at most `limit`, after `after`.
    ///
    /// A damaged record is [`Fault::Corrupt`]; records before it are returned first, here and in the
    /// listings below. Saved again or deleted it is whole.
    async fn channels(
        &self,
        after: Option<&ChannelId>,
        limit: usize,
    ) -> StoreResult<Page<ChannelRecord, ChannelId>>;
    /// Writes a stream record, new or changed.
    async fn save_stream(&self, channel: &ChannelId, record: &StreamRecord) -> StoreResult<()>;
    /// Stream records of a channel in order of id, at most `limit`, after `after`.
    async fn streams(
        &self,
        channel: &ChannelId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> StoreResult<Page<StreamRecord, StreamId>>;
}

/// Peers the app added.
#[async_trait]
pub trait PeerRepository: Send + Sync + 'static {
    /// Writes a peer record, new or changed.
    async fn save_peer(&self, record: &PeerRecord) -> StoreResult<()>;
    /// Removes a peer record; unknown ones are ignored.
    async fn delete_peer(&self, peer: &NodeId) -> StoreResult<()>;
    /// Peer records in order of id, at most `limit`, after `after`.
    async fn peers(&self, after: Option<&NodeId>, limit: usize) -> StoreResult<Page<PeerRecord, NodeId>>;
}

/// This node: identity, incarnation, clock, and whether the store was closed cleanly.
///
/// *After the closing*: a store that lets go of files then opens them again for `load_node` and
/// `mark_open` only, the calls of a start. Every other call fails with [`Fault::Closed`] until one of
/// these worked, also one that was under way: somebody else may want the files, and whoever comes late
/// must not take them. A store that has nothing to let go of may go on.
#[async_trait]
pub trait NodeRepository: Send + Sync + 'static {
    /// The record, with the clock of the newest commit or save (whichever is later); `None` in a
    /// new store.
    async fn load_node(&self) -> StoreResult<Option<NodeRecord>>;
    /// Writes the record.
    async fn save_node(&self, record: &NodeRecord) -> StoreResult<()>;
    /// Random number drawn when this store was created; a copy keeps it, a new store has another.
    async fn incarnation(&self) -> StoreResult<StoreIncarnation>;
    /// Marks the store open, durably, and says whether it already was marked: then the last user
    /// did not close it cleanly.
    async fn mark_open(&self) -> StoreResult<bool>;
    /// Makes everything durable and takes the mark off again. A store that lets go of its files does so
    /// whatever comes of that. Of a store that was closed cleanly already: `Ok`, and changes nothing.
    async fn mark_closed(&self) -> StoreResult<()>;
}

/// Small records kept for others: view snapshots, named cursors.
#[async_trait]
pub trait SnapshotRepository: Send + Sync + 'static {
    /// Writes a value under a key, atomically.
    async fn save_snapshot(&self, key: &str, value: Bytes) -> StoreResult<()>;
    /// The value under a key.
    async fn load_snapshot(&self, key: &str) -> StoreResult<Option<Bytes>>;
    /// Removes a key; unknown ones are ignored.
    async fn delete_snapshot(&self, key: &str) -> StoreResult<()>;
}

/// All repositories of one place, as given to `Coordinator::builder().store(…)`.
pub trait Store:
    EntryRepository + ChannelRepository + PeerRepository + NodeRepository + SnapshotRepository
{
    /// Short name for logs, as in `redb`.
    fn name(&self) -> &str;
    /// What `commit` promises when it returns.
    fn durability(&self) -> Durability;
}

/// [`EntryRepository::seek`] by binary search over [`EntryRepository::read`].
///
/// # Errors
/// As `read`.
pub async fn seek_by_reading<R: EntryRepository + ?Sized>(
    entries: &R,
    head: &LogHead,
    stamp: Stamp,
) -> StoreResult<Seq> {
    let log = head.name.id();
    let (mut low, mut high) = (head.floor + 1, head.height + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        match first_from(entries, log, middle).await? {
            Some(entry) if entry.stamp < stamp => low = entry.sequence + 1,
            _ => high = middle,
        }
    }
    let found = first_from(entries, log, low).await?;
    Ok(found.map_or(head.height + 1, |entry| entry.sequence))
}

/// Heads of all logs in a scope.
pub(crate) async fn all_heads(store: &dyn Store, scope: &Scope) -> StoreResult<Vec<LogHead>> {
    let (mut heads, mut pages) = (Vec::new(), HeadPages::of(store, scope));
    while let Some(page) = pages.next().await? {
        heads.extend(page);
    }
    Ok(heads)
}

/// Heads of all logs in a scope, page by page.
pub(crate) struct HeadPages<'a> {
    store: &'a dyn Store,
    scope: &'a Scope,
    after: Option<LogId>,
    is_over: bool,
}

impl<'a> HeadPages<'a> {
    pub(crate) fn of(store: &'a dyn Store, scope: &'a Scope) -> Self {
        Self { store, scope, after: None, is_over: false }
    }

    /// The next page; `None` after the last.
    pub(crate) async fn next(&mut self) -> StoreResult<Option<Vec<LogHead>>> {
        const PAGE: usize = 256;
        if self.is_over {
            return Ok(None);
        }
        let page = self.store.heads(self.scope, self.after, PAGE).await?;
        self.after = page.next;
        self.is_over = page.next.is_none();
        Ok(Some(page.items))
    }
}

async fn first_from<R: EntryRepository + ?Sized>(
    entries: &R,
    log: LogId,
    from: Seq,
) -> StoreResult<Option<RunEntry>> {
    let runs = entries.read(log, from, 1).await?;
    Ok(runs.first().and_then(|stored| stored.run.entries().find(|entry| entry.sequence >= from)))
}
