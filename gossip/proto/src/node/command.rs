//! What an application can ask of a node, and the answers.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Health, MemberInfo, PeerInfo, StreamInfo, SyncChoice, SyncStatus};
use crate::{
    ChainHash, ChannelId, EntryId, LogId, LogName, NewPayload, NodeId, PeerRecord, Pruned, Retention, Seal,
    Seq, SeqRange, Stamp, StoreFailure, StoredRun, StreamId, VersionVector,
};

/// Where a node stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NodeState {
    /// Local use only: no links.
    Stopped,
    /// Everything.
    Running,
    /// Answers and accepts, but starts no exchange and pushes nothing.
    Paused,
    /// Over for good.
    ShutDown,
}

/// Something the application wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Stopped → running.
    Start,
    /// Running or paused → stopped.
    Stop,
    /// Running → paused.
    Pause,
    /// Paused → running.
    Resume,
    /// To the end: refuses new commands, finishes writes, says goodbye. Answered when drained; with
    /// an error when the store could not be told that a log is not to be continued: it must not be
    /// called closed then.
    Shutdown,
    /// Create a channel unless it exists. Answer: [`Reply::Changed`].
    CreateChannel {
        /// The channel.
        channel: ChannelId,
        /// Largest payload; the config's default when `None`.
        payload_limit: Option<u64>,
    },
    /// Remove a channel with its entries. Answer: [`Reply::Changed`].
    RemoveChannel {
        /// The channel.
        channel: ChannelId,
    },
    /// Create a stream unless it exists; a removed one is taken up again.
    /// Answer: [`Reply::Changed`].
    CreateStream {
        /// Its channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// What it keeps; used only if it does not exist yet.
        retention: Retention,
    },
    /// Remove a stream here and refuse it from peers. Answer: [`Reply::Changed`].
    RemoveStream {
        /// Its channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
    },
    /// Change what a stream keeps. Answer: [`Reply::Done`].
    SetRetention {
        /// Its channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// What it keeps from now on.
        retention: Retention,
    },
    /// List a member. Answer: [`Reply::Changed`].
    AddMember {
        /// The channel.
        channel: ChannelId,
        /// Whom.
        member: NodeId,
    },
    /// Take a member off the list. Answer: [`Reply::Changed`].
    RemoveMember {
        /// The channel.
        channel: ChannelId,
        /// Whom; not this node.
        member: NodeId,
    },
    /// Remember a peer, or change its name and addresses. Answer: [`Reply::Changed`] (was new).
    AddPeer(PeerRecord),
    /// Forget a peer and close its links. Answer: [`Reply::Changed`].
    RemovePeer {
        /// Whom.
        peer: NodeId,
    },
    /// Wait until a digest said from now on was found equal. Answer: [`Reply::Done`], as soon as there is a
    /// peer within reach and all of those that share the channel agreed; or [`CommandError::Busy`] once too many
    /// wait.
    WaitSynced {
        /// The channel.
        channel: ChannelId,
        /// Only this peer has to agree, and is waited for if it is not within reach.
        peer: Option<NodeId>,
    },
    /// Exchange this from now on, on links that are there too. Answer: [`Reply::Done`], before peers know.
    SetSync(SyncChoice),
    /// Find out which linked peers hold an entry. Answer: [`Reply::Members`], as soon as all proved or disproved
    /// it, in two seconds at most; [`CommandError::UnknownEntry`] for one that was never held here,
    /// [`CommandError::Busy`] while too many wait. While paused nobody is asked.
    FindHolders {
        /// The channel.
        channel: ChannelId,
        /// The entry.
        entry: EntryId,
    },
    /// Append entries, all or none. Answer: [`Reply::Appended`] once they are durable.
    Append {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// At least one.
        payloads: Vec<NewPayload>,
    },
    /// Drop entries up to a floor in each log. Answer: [`Reply::Pruned`].
    Prune {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// Log and highest sequence to drop.
        floors: Vec<(LogId, Seq)>,
        /// What the floors were reckoned from. If the stream keeps something else by now, nothing is
        /// dropped; the answer is [`Reply::Changed`] (false) then.
        under: Option<Retention>,
    },
    /// Replace payloads by their hashes, here and at whoever follows. Entries that are known but not
    /// held are remembered and erased if they come. Answer: [`Reply::Erased`] once it is durable.
    Erase {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
        /// Entries of its logs.
        entries: Vec<EntryId>,
    },
    /// Make a gap of what is damaged at a place, and ask peers for it. Answer: [`Reply::Repaired`]
    /// as soon as the damage is isolated.
    Repair {
        /// The log.
        log: LogId,
        /// A sequence inside the damage.
        at: Seq,
    },
    /// Take in a part of a log that came by another way than a link. It is checked like what peers
    /// send. Answer: [`Reply::Imported`] once it is durable.
    Import {
        /// The channel.
        channel: ChannelId,
        /// The part.
        part: ImportPart,
    },
    /// Fetch what lies below the floors of a stream's logs, as far as peers keep it. A prune ends it.
    /// Answer: [`Reply::Done`] at once; [`Event::HistoryRestored`](super::Event::HistoryRestored) tells
    /// what came.
    AskBack {
        /// The channel.
        channel: ChannelId,
        /// The stream.
        stream: StreamId,
    },
    /// Tell the group where this node can be dialled: at most 8 addresses of at most 256 bytes. Answer:
    /// [`Reply::Done`].
    SetAddresses(Vec<String>),
    /// Tell the group that nothing will be heard from here for a while, and that this is meant. Only while running or
    /// paused. Answer: [`Reply::Done`].
    Doze {
        /// For how long, in whole seconds; less than one is [`Command::Wake`].
        lasting: Duration,
    },
    /// End that, and dial now whom the group wants to be dialled: the network may be back. Answer: [`Reply::Done`].
    Wake,
    /// Look something up.
    Query(Query),
}

/// A part of a log, for [`Command::Import`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportPart {
    /// Full name of the log; its stream is created if it does not exist.
    pub log: LogName,
    /// Where the history in hand begins if that is not the beginning. Counts only where less is held.
    pub floor: Option<Box<ImportFloor>>,
    /// Runs in order. What is held already is left out.
    pub runs: Vec<StoredRun>,
    /// The runs are for a hole of what is held, and in order from the last to the first: a hole is
    /// filled from its upper end down. Whoever asks has compared the chain hash there.
    pub fills: bool,
}

/// Where the history of a part begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImportFloor {
    /// Nothing is in hand up to here.
    pub sequence: Seq,
    /// The chain hash there.
    pub hash: ChainHash,
    /// The stamp there; zero where it is not known.
    pub stamp: Stamp,
    /// The author's seal there. Without one the floor of a sealed log counts only with runs behind it that
    /// end at one.
    pub seal: Option<Seal>,
}

/// A look-up that changes nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Query {
    /// All channels. Answer: [`Reply::Channels`].
    Channels,
    /// The streams of a channel. Answer: [`Reply::Streams`].
    Streams(ChannelId),
    /// The members of a channel. Answer: [`Reply::Members`].
    Members(ChannelId),
    /// All peers. Answer: [`Reply::Peers`].
    Peers,
    /// Channels that list a node as member. Answer: [`Reply::Channels`].
    ChannelsForPeer(NodeId),
    /// Heights of a stream's logs. Answer: [`Reply::Version`].
    Version(ChannelId, StreamId),
    /// How far linked peers are with a channel, or with all. Answer: [`Reply::Sync`].
    Sync(Option<ChannelId>),
    /// All members of the group that are known, this node among them. Answer: [`Reply::Group`].
    Group,
    /// One of them. Answer: [`Reply::Group`] of it alone, or of nobody.
    Member(NodeId),
    /// How the node is. Answer: [`Reply::Health`].
    Health,
}

/// The answer to a [`Command`].
#[derive(Debug, Clone, PartialEq)]
pub enum Reply {
    /// It is so now.
    Done,
    /// It is so now; whether that is a change.
    Changed(bool),
    /// The new entries, in the order given.
    Appended(Vec<EntryId>),
    /// Channels.
    Channels(Vec<ChannelId>),
    /// Streams.
    Streams(Vec<StreamInfo>),
    /// Members.
    Members(Vec<NodeId>),
    /// Peers.
    Peers(Vec<PeerInfo>),
    /// Heights.
    Version(VersionVector),
    /// What was freed.
    Pruned(Pruned),
    /// How many payloads are gone that were there before.
    Erased(u64),
    /// The new gap, `None` when all is sound there.
    Repaired(Option<SeqRange>),
    /// How many entries are new.
    Imported(u64),
    /// How far peers are.
    Sync(Vec<SyncStatus>),
    /// Members of the group.
    Group(Vec<MemberInfo>),
    /// State of the node.
    Health(Box<Health>),
}

/// Why a command was not carried out. None of these leaves anything half done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// No such channel here.
    #[error("unknown channel {0}")]
    UnknownChannel(ChannelId),
    /// No such stream here, or it was removed.
    #[error("unknown stream {1} in channel {0}")]
    UnknownStream(ChannelId, StreamId),
    /// No such log in the stream.
    #[error("unknown log {0}")]
    UnknownLog(LogId),
    /// No entry of that number was ever written, as far as is known here.
    #[error("unknown entry {0}")]
    UnknownEntry(EntryId),
    /// What was given contradicts the log held here.
    #[error("log {log} is held in another version, which differs at {at} or before")]
    Forked {
        /// The log.
        log: LogId,
        /// A position where both differ.
        at: Seq,
    },
    /// A branch of a fork that is neither known nor shown by what was given, or that has no place here.
    #[error("branch {log} is left out: {why}")]
    Unplaced {
        /// The branch.
        log: LogId,
        /// What is wrong.
        why: &'static str,
    },
    /// What was given of a log whose author signs ends at no seal, or at one that is not the author's.
    #[error("what was given of log {log} up to {at} carries no valid seal of its author")]
    Unsealed {
        /// The log.
        log: LogId,
        /// Where it ends.
        at: Seq,
    },
    /// A payload is over the channel's limit.
    #[error("payload of {len} bytes is over the channel's limit of {limit}")]
    PayloadTooLarge {
        /// Bytes given.
        len: u64,
        /// Bytes allowed.
        limit: u64,
    },
    /// An append without payloads, or with more bytes than the append queue may ever hold.
    #[error("an append needs at least one payload and at most {limit} bytes in all")]
    BatchSize {
        /// Bytes allowed.
        limit: usize,
    },
    /// The append queue is full: the store is slower than the writers. Try again.
    #[error("the append queue is full")]
    Busy,
    /// Not possible in this state.
    #[error("not possible while {state:?}")]
    State {
        /// Where the node stands.
        state: NodeState,
    },
    /// A node cannot be its own peer, nor leave its own member list.
    #[error("not possible for the local node")]
    LocalNode,
    /// A setting is out of its range.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// The store failed. With [`Fault::Unknown`](crate::Fault::Unknown) nobody knows whether what was
    /// asked for happened: read before asking again. Otherwise it did not.
    #[error("store: {0}")]
    Store(#[from] StoreFailure),
    /// The hybrid clock is at its end.
    #[error("the hybrid clock has reached its last stamp")]
    ClockExhausted,
}
