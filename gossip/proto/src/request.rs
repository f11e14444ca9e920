//! What a node asks of its store, and the answers.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    Arrival, Arrived, ChainHash, ChannelId, ChannelRecord, CommitItem, Committed, Durability, Hint, LogHead,
    LogId, LogName, Meta, NodeId, NodeRecord, Page, PeerRecord, Pruned, Removed, Seq, SeqRange,
    StoreIncarnation, StoredRun, StreamRecord, Turn,
};

/// What the caller of a store should do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// Nothing happened; the same call may succeed later.
    Transient,
    /// The request itself is wrong and will fail again.
    Rejected,
    /// What is stored is damaged.
    Corrupt,
    /// No space; nothing was written.
    Full,
    /// The outcome is not known: read before writing again.
    Unknown,
    /// The store is closed.
    Closed,
}

/// A store operation failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{doing}: {detail}")]
pub struct StoreFailure {
    /// What to do about it.
    pub fault: Fault,
    /// What was being done.
    pub doing: &'static str,
    /// What went wrong, for a person.
    pub detail: String,
}

/// A store operation the node asks its driver for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreRequest {
    /// Append runs, atomically.
    Commit {
        /// In this order.
        items: Vec<CommitItem>,
        /// Made durable together with them.
        meta: Meta,
    },
    /// Read runs of a log from a sequence on, about `budget` bytes but at least one run.
    Read {
        /// The log.
        log: LogId,
        /// First sequence wanted.
        from: Seq,
        /// Bytes.
        budget: usize,
    },
    /// Read what arrived in a channel after an arrival, about `budget` bytes, at least one row.
    Since {
        /// The channel.
        channel: ChannelId,
        /// After this.
        after: Arrival,
        /// Bytes.
        budget: usize,
    },
    /// Read the head of one log.
    Head {
        /// The log.
        log: LogId,
    },
    /// Read chain hashes at positions of a log; all of them are held, or it fails.
    HashAt {
        /// The log.
        log: LogId,
        /// Where.
        positions: Vec<Seq>,
    },
    /// End a log where another history parts from it.
    Turn {
        /// The log; one that is not known comes to be with nothing but its end.
        log: Arc<LogName>,
        /// Where.
        turn: Turn,
    },
    /// Drop the entries of logs up to a floor each.
    Prune {
        /// Log and new floor.
        floors: Vec<(LogId, Seq)>,
    },
    /// Make a gap of what should be held at a place and is damaged or missing there.
    Isolate {
        /// The log.
        log: LogId,
        /// A sequence inside the damage.
        at: Seq,
    },
    /// Replace payloads by their hashes.
    Erase {
        /// The log.
        log: LogId,
        /// Which entries; those not held are left out.
        sequences: Vec<SeqRange>,
    },
    /// Remember this node.
    SaveNode(NodeRecord),
    /// Remember a channel.
    SaveChannel(ChannelRecord),
    /// Remember a stream.
    SaveStream(ChannelId, StreamRecord),
    /// Forget a channel with its streams and entries.
    RemoveChannel(ChannelId),
    /// Drop the entries of a stream and remember this record of it.
    RemoveStream(ChannelId, StreamRecord),
    /// Remember how far peers were with a channel, instead of what was remembered of that.
    SaveHints(ChannelId, Vec<Hint>),
    /// Remember a peer.
    SavePeer(PeerRecord),
    /// Forget a peer.
    RemovePeer(NodeId),
}

/// The answer to a [`StoreRequest`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreReply {
    /// To `Commit`.
    Committed(Committed),
    /// To `Read`.
    Runs(Vec<StoredRun>),
    /// To `Since`.
    Arrived(Page<Arrived, Arrival>),
    /// To `Head`; `None` when the store does not know the log.
    Head(Option<Box<LogHead>>),
    /// To `HashAt`, in the order asked.
    Hashes(Vec<ChainHash>),
    /// To `Prune`.
    Pruned(Pruned),
    /// To `Isolate`: the new gap, `None` when all is sound there.
    Isolated(Option<SeqRange>),
    /// To `Erase`: how many payloads are gone that were there before.
    Erased(u64),
    /// To the removals.
    Removed(Removed),
    /// To everything that saves.
    Saved,
}

/// Everything a node needs to know of its store when it starts.
#[derive(Debug, Clone, Default)]
pub struct Inventory {
    /// Channels with their streams.
    pub channels: Vec<(ChannelRecord, Vec<StreamRecord>)>,
    /// Heads of all logs.
    pub heads: Vec<LogHead>,
    /// Peers the app added.
    pub peers: Vec<PeerRecord>,
    /// Which store this is.
    pub incarnation: StoreIncarnation,
    /// What its commits promise.
    pub durability: Durability,
    /// It was not closed cleanly the last time.
    pub was_open: bool,
    /// Newest arrival number it gave out.
    pub last_arrival: Arrival,
    /// What it was given to remember of peers, by channel.
    pub hints: Vec<(ChannelId, Vec<Hint>)>,
}
