//! What a node tells the application.

use std::time::Duration;

use super::{NodeState, PeerStatus};
use crate::{
    ChannelId, EntryId, LogId, LogName, NodeId, Pruned, Seq, SeqRange, Stamp, StreamId, VersionVector,
};

/// Something happened; each is told once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The node moved to another state.
    StateChanged(NodeState),
    /// A channel exists now.
    ChannelCreated(ChannelId),
    /// A channel is gone.
    ChannelRemoved(ChannelId),
    /// A stream exists now, made here or learnt from a peer.
    StreamCreated(ChannelId, StreamId),
    /// A stream was removed here.
    StreamRemoved(ChannelId, StreamId),
    /// A member was listed.
    MemberAdded(ChannelId, NodeId),
    /// A member was taken off the list.
    MemberRemoved(ChannelId, NodeId),
    /// Somebody who was not known: added by the app, met on a link, or a member of the group that others told of.
    PeerAdded(NodeId),
    /// One that was added, met or told of is known no more.
    PeerRemoved(NodeId),
    /// A peer's status changed.
    PeerStatusChanged(NodeId, PeerStatus),
    /// There is a link to a peer now: the first one whose handshake is complete, over which both speak. Whether the
    /// peer answers at all is its status, which may have been told before: others hear it too.
    LinkUp(NodeId),
    /// The last link to a peer is gone. It may still answer others.
    LinkDown(NodeId),
    /// Two nodes call themselves by this id, perhaps our own: one of them is a copy. Told once an hour at most.
    DuplicateIdentity(NodeId),
    /// Entries of ours are durable.
    EntriesAppended {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// The first of them.
        first: EntryId,
        /// How many, consecutive.
        count: u64,
    },
    /// Entries from a peer are durable. Only new ones are counted.
    EntriesMerged {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// Who sent them (not necessarily who wrote them); this node itself for an import.
        from: NodeId,
        /// Which.
        entries: Vec<(LogId, SeqRange)>,
        /// New heights of the logs concerned.
        version: VersionVector,
    },
    /// A stream was pruned.
    StreamCompacted {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// What was freed.
        pruned: Pruned,
    },
    /// Payloads were erased, on our own request or on their author's. Only what is new is named.
    EntriesErased {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// Who asked for it.
        by: NodeId,
        /// Which; they need not all be held.
        entries: Vec<(LogId, SeqRange)>,
        /// How many payloads are gone that were there before.
        payloads: u64,
    },
    /// A peer asks to erase entries that others wrote, or, in our name, some of ours; or any, with
    /// [`NodeConfig::follow_erasures`](super::NodeConfig::follow_erasures) off. Nothing was done:
    /// whether to follow is for the application to decide, by erasing them itself.
    EraseRequested {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// Who asks.
        by: NodeId,
        /// Which.
        entries: Vec<(LogId, SeqRange)>,
    },
    /// What was stored of a log is damaged there: it is a gap now, and peers are asked for it.
    LogDamaged {
        /// The log.
        log: LogName,
        /// The new gap.
        range: SeqRange,
    },
    /// What was missing of a log is here again.
    HistoryRestored {
        /// The log.
        log: LogName,
        /// Which part.
        range: SeqRange,
    },
    /// Two different histories exist under one log name. Where both are kept it ends, and each goes on as
    /// a branch; that is told once. Where they cannot be, it is told in each session.
    ForkDetected {
        /// The log.
        log: LogName,
        /// The first position where the two differ; where that could not be found, one above it.
        at: Seq,
        /// Who holds the other history.
        peer: NodeId,
    },
    /// A linked peer came into or out of step, or has still something to come.
    SyncChanged(super::SyncStatus),
    /// No reachable peer holds a part of a log any more.
    HistoryGap {
        /// The log.
        log: LogName,
        /// What is missing.
        missing: SeqRange,
    },
    /// An entry is stamped too far in the future; it was stored, our clock did not follow.
    ClockDrift {
        /// Its author.
        author: NodeId,
        /// Its stamp.
        stamp: Stamp,
        /// How far ahead of our wall clock.
        by: Duration,
    },
    /// Our log in a stream was closed because our memory was short; the next append starts a
    /// new epoch.
    EpochRetired {
        /// The log that was closed.
        log: LogName,
    },
    /// A store operation that no command waits for failed.
    StoreFailed(crate::StoreFailure),
    /// Something from a peer was dropped.
    Dropped(Drop),
}

/// Something from a peer was dropped: counted, reported and without effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drop {
    /// Whose, if known.
    pub peer: Option<NodeId>,
    /// Why.
    pub reason: DropReason,
    /// For a person.
    pub detail: String,
}

/// Why something was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DropReason {
    /// Not a frame or message of ours.
    Malformed,
    /// A wire version we do not speak.
    Version,
    /// Over a size limit.
    TooLarge,
    /// Out of place: before the handshake, or about a channel not shared.
    Unexpected,
    /// A run that does not continue the chain it names.
    BrokenChain,
    /// More than a bound allows.
    Bound,
    /// Entries of an author whose id is a key, without a seal of that key behind them.
    Seal,
    /// The peer is not who the link says.
    Identity,
}
