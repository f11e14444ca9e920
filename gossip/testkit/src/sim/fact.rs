//! What invariants get to see.

use std::collections::BTreeSet;

use gossip_proto::node::{Command, CommandError, CommandId, Event, LinkId, MemberInfo, PeerInfo, Reply};
use gossip_proto::wire::Message;
use gossip_proto::{ChannelId, LogId, NodeId, Now, StoreRequest, StreamId, VersionVector};

use super::disk::Volume;

/// One observable fact about one host, with its disk as it is right after it.
#[derive(Debug)]
pub(super) struct Scene<'a> {
    pub(super) host: usize,
    pub(super) id: &'a NodeId,
    pub(super) now: Now,
    pub(super) volume: &'a Volume,
    pub(super) fact: Fact<'a>,
}

/// What happened.
#[derive(Debug)]
pub(super) enum Fact<'a> {
    /// A node started from its disk.
    Booted,
    /// It is gone, and whatever it had in memory.
    Crashed,
    /// The disk fell back to an earlier state, as its durability allows.
    RolledBack,
    /// That earlier state is a restored backup: these logs may come to be forked.
    Restored(&'a BTreeSet<LogId>),
    /// The disk was replaced by an empty one.
    Wiped,
    /// The wall clock jumped.
    ClockJumped,
    /// The application asked for something.
    Asked(CommandId, &'a Command),
    /// The node answered.
    Answered(CommandId, &'a Result<Reply, CommandError>),
    /// The node told the application something.
    Told(&'a Event),
    /// The disk carried out a write (whatever the node will be told of it).
    Written(&'a StoreRequest),
    /// The node sent a message in one frame.
    Sent(LinkId, &'a Message),
    /// A request in one frame reached it.
    Heard(LinkId, &'a Message),
    /// The node's turn is over.
    Turn { effects: usize, store_ops: usize, store_bytes: usize },
    /// The node sent a frame that its link cannot take, or to a link that is gone.
    Missent(&'a str),
}

/// The hosts that can exchange a stream with each other, directly or through one another.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) channel: ChannelId,
    pub(super) stream: StreamId,
    pub(super) hosts: Vec<usize>,
    /// Logs of it that they hold in two versions, because a backup was restored: these stay apart.
    pub(super) forked: BTreeSet<LogId>,
}

/// What one host says of itself at the end.
#[derive(Debug, Default)]
pub(super) struct Statement {
    pub(super) me: Option<NodeId>,
    pub(super) peers: Vec<PeerInfo>,
    pub(super) group: Vec<MemberInfo>,
    pub(super) versions: Vec<(ChannelId, StreamId, VersionVector)>,
}

/// The end, after everything was healed and all had time to agree.
#[derive(Debug)]
pub(super) struct Ending<'a> {
    pub(super) volumes: Vec<&'a Volume>,
    pub(super) groups: Vec<Group>,
    pub(super) statements: Vec<Statement>,
    /// For each host the peers it has a link to.
    pub(super) linked: Vec<Vec<NodeId>>,
    /// And those it is told of, along links of those who share channels.
    pub(super) companions: Vec<Vec<NodeId>>,
    /// Frames sent, and deadlines served, in the quiet time; and what they may be at most.
    pub(super) quiet: Quiet,
}

/// How quiet the quiet time was.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Quiet {
    pub(super) frames: u64,
    pub(super) frames_allowed: u64,
    pub(super) deadlines: u64,
    pub(super) deadlines_allowed: u64,
}
