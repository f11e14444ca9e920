//! Virtual time: what happens next, and when.

use std::collections::BTreeMap;

use bytes::Bytes;
use gossip_proto::node::{Class, LinkId, OpId};
use gossip_proto::{LogId, SeqRange, StoreFailure, StoreReply, Tick};

use super::net::{ConnId, PipeId};
use super::storm::Relief;

/// Something that will happen to the world.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    /// A frame reaches a host.
    Arrive { conn: ConnId, side: usize, bytes: Bytes },
    /// A liar's frame goes out.
    Lie { host: usize, link: LinkId, frame: Bytes, class: Class },
    /// A pipe has finished putting a frame on the wire.
    Pump(PipeId),
    /// An edge tries to link its two hosts.
    Dial { edge: usize },
    /// One end of a dead connection notices.
    Notice { conn: ConnId, side: usize },
    /// An outbox filled up or drained.
    Congested { conn: ConnId, side: usize, congested: bool },
    /// The disk's writer lane finishes its operation.
    Written { host: usize, boot: u64 },
    /// A store operation's result reaches the node.
    Stored { host: usize, boot: u64, op: OpId, result: Result<StoreReply, StoreFailure> },
    /// The node's deadline.
    Due { host: usize, boot: u64, at: Tick },
    /// A host goes down.
    Crash { host: usize, boot: u64, power: bool },
    /// A host starts (again).
    Boot { host: usize },
    /// The application wants something.
    Work,
    /// It has a copy of what was damaged at hand, sooner than any peer can answer.
    BringBack { host: usize, log: LogId, hole: SeqRange },
    /// An application changes its mind about what it exchanges.
    Choose,
    /// Something goes wrong.
    Trouble,
    /// The volume of one host is copied,
    Backup,
    /// and takes the place of the newest one.
    Restore,
    /// A host becomes the copy of another,
    Twin,
    /// and itself again.
    TwinEnds,
    /// The restored host may be linked again.
    Rejoin { host: usize, boot: u64 },
    /// Something that went wrong ends.
    Relief(Relief),
    /// A link a node closed goes down at its own end.
    Closed { host: usize, boot: u64, link: LinkId },
}

/// The queue of happenings, in order of time, then of planning.
#[derive(Debug, Default)]
pub(super) struct Calendar {
    now: Tick,
    planned: u64,
    queue: BTreeMap<(Tick, u64), Happening>,
}

impl Calendar {
    pub(super) fn now(&self) -> Tick {
        self.now
    }

    pub(super) fn plan(&mut self, at: Tick, what: Happening) {
        self.planned += 1;
        self.queue.insert((at.max(self.now), self.planned), what);
    }

    /// The next happening at or before `until`; when there is none, time stands at `until`.
    pub(super) fn next(&mut self, until: Tick) -> Option<Happening> {
        match self.queue.first_entry() {
            Some(entry) if entry.key().0 <= until => {
                self.now = entry.key().0;
                Some(entry.remove())
            }
            _ => {
                self.now = self.now.max(until);
                None
            }
        }
    }
}
