//! Records a store keeps beside the entries, and what it tells of them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Arrival, ChainHash, ChannelId, Epoch, LogId, LogName, NodeId, Run, Seal, SecretKey, Seq, SeqRange, Stamp,
    StoredRun, StreamId,
};

/// When `commit` returns, what has been promised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Durability {
    /// The entries are on stable storage: they survive power loss.
    #[default]
    Sync,
    /// The entries will be on stable storage within this delay.
    Group(Duration),
    /// The entries survive the end of the process, not the end of power.
    Buffered,
    /// Nothing survives the process.
    Volatile,
}

/// This node, as its store remembers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRecord {
    /// Chosen by the app or generated once.
    pub id: NodeId,
    /// SWIM incarnation, raised by refutation.
    pub incarnation: u64,
    /// Newest stamp given out or merged, as of the last commit.
    pub clock: Stamp,
    /// The secret half of an id that is a key, unless it is kept elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<SecretKey>,
}

impl NodeRecord {
    /// A new node, without a key of its own.
    #[must_use]
    pub const fn new(id: NodeId) -> Self {
        Self { id, incarnation: 0, clock: Stamp::ZERO, key: None }
    }
}

/// A channel this node takes part in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelRecord {
    /// The channel.
    pub id: ChannelId,
    /// Who is listed as a member, this node included. Local metadata in open channels.
    pub members: BTreeSet<NodeId>,
    /// Largest payload accepted, in bytes.
    pub payload_limit: u64,
}

/// A stream this node knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRecord {
    /// The stream.
    pub id: StreamId,
    /// What may be pruned.
    pub retention: Retention,
    /// Removed here: refused from peers, so it does not come back.
    pub refused: bool,
    /// The epoch this store drew for our own log and may continue; without one the next append
    /// draws a new one. A positive mark, so that losing it is safe.
    pub writer: Option<Epoch>,
    /// Entries whose payloads were erased here on request of this node or their author, so that
    /// peers met later can be asked to follow.
    #[serde(default)]
    pub erased: Vec<Erasure>,
}

/// Payloads that were erased.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Erasure {
    /// The log.
    pub log: LogId,
    /// Which of its entries.
    pub range: SeqRange,
    /// Who asked for it.
    pub by: NodeId,
}

impl StreamRecord {
    /// A stream with default settings.
    #[must_use]
    pub fn new(id: StreamId) -> Self {
        Self { id, retention: Retention::KeepAll, refused: false, writer: None, erased: Vec::new() }
    }
}

/// A peer the app added.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerRecord {
    /// The peer.
    pub id: NodeId,
    /// What to call it in a user interface.
    pub display_name: String,
    /// Addresses to connect to, as in `tcp://host:port`.
    pub addresses: Vec<String>,
}

/// What a stream keeps. Local: replicas may differ in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Retention {
    /// Everything.
    #[default]
    KeepAll,
    /// Entries stamped at most this long ago; the cutoff itself is kept.
    TimeBased(Duration),
    /// The newest entries of each author, counted over all epochs.
    CountBased(u64),
    /// Whatever at least one of these keeps.
    Composite(Vec<Retention>),
}

/// Which part of a store is meant.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everything.
    All,
    /// One channel.
    Channel(ChannelId),
    /// One stream.
    Stream(ChannelId, StreamId),
    /// One log.
    Log(LogId),
}

/// One step of a commit.
#[allow(clippy::large_enum_variant, reason = "nearly all are runs; boxing them would cost the hot path")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitItem {
    /// A run that continues its log.
    Run {
        /// Full name of the log.
        log: Arc<LogName>,
        /// Chain hash before the run.
        prev: ChainHash,
        /// The run.
        run: Run,
        /// Chain hash at the end of the run.
        end: ChainHash,
    },
    /// Start a log, or continue it, from a floor that peers pruned to: the next run follows it.
    Adopt {
        /// Full name of the log.
        log: Arc<LogName>,
        /// The new height; what lies between the old height and it becomes a gap, or the floor
        /// of a log of which nothing is held.
        floor: Seq,
        /// Chain hash at the floor.
        hash: ChainHash,
        /// Stamp of the entry at the floor, if known.
        stamp: Stamp,
        /// The author's seal there, if known: becomes that of the head.
        seal: Option<Seal>,
    },
    /// Put back what is missing: a run that ends where a gap ends, or at the floor. A gap and a
    /// floor are filled from their upper end down, because there the chain hash is known.
    Fill {
        /// Full name of the log.
        log: Arc<LogName>,
        /// Chain hash before the run.
        prev: ChainHash,
        /// The run.
        run: Run,
        /// Chain hash at the end of the run.
        end: ChainHash,
    },
}

impl CommitItem {
    /// Full name of the log concerned.
    #[must_use]
    pub fn log(&self) -> &Arc<LogName> {
        match self {
            Self::Run { log, .. } | Self::Adopt { log, .. } | Self::Fill { log, .. } => log,
        }
    }
}

/// Where a log ends because it forks there: every history that goes on is a log of its own, named by its
/// first hash (see [`Branch`](crate::Branch)).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Turn {
    /// The first sequence at which the histories differ; the log ends before it.
    pub at: Seq,
    /// Chain hash before it, which they share.
    pub prev: ChainHash,
    /// Chain hash of the entry that was kept here at `at`: what followed it is the branch of that name.
    /// `None` where nothing was kept.
    pub first: Option<ChainHash>,
}

impl Turn {
    /// Whether a log that stands here has come to its end.
    #[must_use]
    pub fn ends(&self, height: Seq, hash: &ChainHash) -> bool {
        self.at == height + 1 && self.prev == *hash
    }
}

/// What is made durable together with entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Meta {
    /// The clock after them.
    pub clock: Stamp,
}

/// A commit was accepted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Committed {
    /// For each item, the arrival number of its first new entry; `None` where nothing was new.
    pub arrivals: Vec<Option<Arrival>>,
}

/// Entries of one row of the arrival order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Arrival number of the first entry meant.
    pub arrival: Arrival,
    /// The log.
    pub log: LogId,
    /// Which of its entries are meant.
    pub range: SeqRange,
    /// Runs that together hold what is still kept of the range; they may reach beyond it. What is
    /// damaged is left out.
    pub runs: Vec<StoredRun>,
    /// The lowest sequence of the range that should be held and cannot be read.
    pub damaged: Option<Seq>,
}

/// Part of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T, K> {
    /// The items, in order.
    pub items: Vec<T>,
    /// Where to go on; `None` at the end.
    pub next: Option<K>,
}

/// What pruning freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Pruned {
    /// Entries no longer held.
    pub entries: u64,
    /// Bytes of runs no longer held.
    pub bytes: u64,
}

/// What removal freed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Removed {
    /// Logs removed.
    pub logs: u64,
    /// Entries removed.
    pub entries: u64,
}

/// What a scope occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Logs.
    pub logs: u64,
    /// Entries held.
    pub entries: u64,
    /// Bytes of encoded runs held.
    pub bytes: u64,
}

/// What a store takes and what it has done since it was opened. Zero where the engine does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct StoreStats {
    /// Bytes in its files.
    pub disk_bytes: u64,
    /// Bytes of memory in its caches and buffers.
    pub memory_bytes: u64,
    /// Commits done.
    pub commits: u64,
    /// Bytes of encoded runs committed: what had to be written at least.
    pub committed_bytes: u64,
    /// Bytes the engine has written to its files; divided by `committed_bytes` this is the write
    /// amplification.
    pub written_bytes: u64,
}
