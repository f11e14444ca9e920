//! Store operations in flight.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::forks::ForkOp;
use super::log::{Ticket, Tip};
use super::repair::Mending;
use super::{CommandId, LinkId, OpId};
use crate::{ChannelId, LogId, LogName, NodeId, Run, Seq, SeqRange, StreamId};

/// What the answer to a store operation is for.
#[derive(Debug)]
pub(super) enum Op {
    /// Runs of ours or from a peer.
    Commit(Commit),
    /// Runs for a peer's want.
    Serve(LinkId),
    /// What came since a link's peer was last known to hold everything.
    Since(LinkId, ChannelId),
    /// What is remembered of peers.
    Hints,
    /// Our own hash, for those who ask who holds an entry.
    Delivered(CommandId),
    /// The head of a frozen log.
    Thaw(LogId),
    /// A prune command.
    Prune { command: CommandId, channel: ChannelId, stream: StreamId, floors: Vec<(LogId, Seq)> },
    /// Damage to be made a gap.
    Isolate { log: LogId, why: Mending },
    /// Where the hole of a log is, and what follows it.
    Refill(LogId),
    /// A step of an erasure.
    Erase(u64),
    /// A step of finding or keeping a fork.
    Fork(ForkOp),
    /// The admin job at work.
    Admin,
}

/// A commit in flight.
#[derive(Debug)]
pub(super) struct Commit {
    /// Who sent the runs; `None` for our own.
    pub(super) from: Option<NodeId>,
    pub(super) landings: Vec<Landing>,
    pub(super) tickets: Vec<Ticket>,
    /// An import that waits for it, and how many entries it brings.
    pub(super) import: Option<(CommandId, u64)>,
    pub(super) bytes: usize,
}

/// Where a log will stand when a commit succeeded.
#[derive(Debug)]
pub(super) struct Landing {
    pub(super) name: Arc<LogName>,
    pub(super) log: LogId,
    pub(super) end: Tip,
    pub(super) what: Landed,
}

/// What brought it there.
#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly all are runs")]
pub(super) enum Landed {
    Run(Run),
    /// A floor adopted from a peer; what was missing before it.
    Floor {
        from: Seq,
    },
    /// Something that was missing below the height.
    Filled(SeqRange),
}

impl Landed {
    /// Bytes of its run.
    pub(super) fn bytes(&self) -> usize {
        if let Self::Run(run) = self { run.encoded().len() } else { 0 }
    }
}

/// Operations by number.
#[derive(Debug, Default)]
pub(super) struct Ops {
    last: u64,
    open: BTreeMap<OpId, Op>,
}

impl Ops {
    pub(super) fn begin(&mut self, op: Op) -> OpId {
        self.last += 1;
        let id = OpId(self.last);
        self.open.insert(id, op);
        id
    }

    pub(super) fn end(&mut self, id: OpId) -> Option<Op> {
        self.open.remove(&id)
    }

    pub(super) fn len(&self) -> usize {
        self.open.len()
    }
}
