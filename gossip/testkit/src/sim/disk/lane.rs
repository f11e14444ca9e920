//! Time and trouble of a disk: one writer lane in order, reads beside it, faults as drawn.

use std::collections::{BTreeSet, VecDeque};

use gossip_proto::node::OpId;
use gossip_proto::{Durability, Fault, LogId, NodeId, Rng, StoreFailure, StoreReply, StoreRequest, Tick};

use super::Volume;
use crate::sim::plan::between;

/// What will become of the write in progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Done,
    Refused(Fault),
    /// Reported as unknown; whether it happened.
    Unknown(bool),
}

#[derive(Debug)]
struct Write {
    op: OpId,
    request: StoreRequest,
    fate: Fate,
}

/// A write that just ended.
#[derive(Debug)]
pub(crate) struct Finished {
    pub(crate) op: OpId,
    pub(crate) request: StoreRequest,
    /// Whether the disk changed.
    pub(crate) happened: bool,
    pub(crate) result: Result<StoreReply, StoreFailure>,
}

/// What a crash found in the writer lane.
#[derive(Debug)]
pub(crate) struct Ghost {
    pub(crate) request: StoreRequest,
    /// Whether it had happened.
    pub(crate) happened: bool,
}

/// A disk with its queue.
#[derive(Debug)]
pub(crate) struct Disk {
    pub(crate) volume: Volume,
    /// What a power cut leaves, for a disk that does not sync every write.
    synced: Option<Volume>,
    /// Not closed cleanly.
    pub(crate) open: bool,
    queue: VecDeque<(OpId, StoreRequest)>,
    current: Option<Write>,
    /// Logs of which a write failed: what was sent after it is refused, as every store does.
    broken: BTreeSet<LogId>,
    rng: Rng,
    /// Mean time of an operation in microseconds.
    latency: u64,
    /// Faults in 1,000 operations.
    pub(crate) faults: u64,
    /// While there is no space.
    pub(crate) full: bool,
}

impl Disk {
    pub(crate) fn new(id: NodeId, durability: Durability, mut rng: Rng) -> Self {
        let volume = Volume::new(id, rng.next_u64());
        let synced = (durability != Durability::Sync).then(|| volume.clone());
        let latency = [50, 1_000, 8_000][rng.below(3) as usize];
        Self {
            volume,
            synced,
            open: false,
            queue: VecDeque::new(),
            current: None,
            broken: BTreeSet::new(),
            rng,
            latency,
            faults: 0,
            full: false,
        }
    }

    /// Operations begun or queued in the writer lane.
    pub(crate) fn writes(&self) -> usize {
        self.queue.len() + usize::from(self.current.is_some())
    }

    /// Queues a write; answers when the lane will finish it if the lane was idle.
    pub(crate) fn write(&mut self, now: Tick, op: OpId, request: StoreRequest) -> Option<Tick> {
        self.queue.push_back((op, request));
        if self.current.is_none() { self.begin(now) } else { None }
    }

    /// Whether a write is in progress.
    pub(crate) fn is_writing(&self) -> bool {
        self.current.is_some()
    }

    /// Begins the next write of the queue and says when it ends.
    pub(crate) fn begin(&mut self, now: Tick) -> Option<Tick> {
        let (op, request) = self.queue.pop_front()?;
        let fate = self.draw_fate();
        self.current = Some(Write { op, request, fate });
        Some(now + self.duration())
    }

    /// Ends the write in progress.
    pub(crate) fn finish(&mut self) -> Option<Finished> {
        let Write { op, request, mut fate } = self.current.take()?;
        if self.follows_failure(&request) {
            fate = Fate::Refused(Fault::Rejected);
        }
        if self.meets_decay(&request) {
            fate = Fate::Refused(Fault::Corrupt);
        }
        let happened = matches!(fate, Fate::Done | Fate::Unknown(true));
        let reply = happened.then(|| self.apply(&request));
        let result = match (fate, reply) {
            (Fate::Done, Some(reply)) => Ok(reply),
            (Fate::Refused(fault), _) => Err(failure(fault)),
            _ => Err(failure(Fault::Unknown)),
        };
        if let StoreRequest::Commit { items, .. } = &request {
            let logs = items.iter().map(|item| item.log().id());
            if happened {
                logs.for_each(|log| _ = self.broken.remove(&log));
            } else {
                self.broken.extend(logs);
            }
        }
        Some(Finished { op, request, happened, result })
    }

    /// Whether a commit builds on one that failed while it was already on its way.
    fn follows_failure(&self, request: &StoreRequest) -> bool {
        let StoreRequest::Commit { items, .. } = request else { return false };
        let broken = items.iter().any(|item| self.broken.contains(&item.log().id()));
        broken && !self.volume.continues(items) || !self.volume.has_holes_for(items)
    }

    /// Whether payloads are to be erased that cannot be read, or a run cut.
    fn meets_decay(&self, request: &StoreRequest) -> bool {
        match request {
            StoreRequest::Erase { log, sequences } => !self.volume.is_readable(*log, sequences),
            StoreRequest::Prune { floors } => {
                floors.iter().any(|(log, at)| self.volume.cuts_rotten(*log, *at))
            }
            _ => false,
        }
    }

    /// A read: when it ends and with what. It sees the disk as it is now.
    pub(crate) fn read(
        &mut self,
        now: Tick,
        request: &StoreRequest,
    ) -> (Tick, Result<StoreReply, StoreFailure>) {
        let until = now + self.duration();
        if self.rng.chance(self.faults) {
            return (until, Err(failure(Fault::Transient)));
        }
        if let StoreRequest::Read { log, from, .. } = request
            && self.volume.is_rotten(*log, *from)
        {
            return (until, Err(failure(Fault::Corrupt)));
        }
        (until, Ok(self.volume.execute(request)))
    }

    /// The process or the power dies: queued writes are gone, the one in progress happened or not.
    pub(crate) fn crash(&mut self, power: bool) -> Option<Ghost> {
        self.queue.clear();
        self.broken.clear();
        let ghost = self.current.take().map(|write| {
            let items =
                if let StoreRequest::Commit { items, .. } = &write.request { &items[..] } else { &[] };
            let happened = match write.fate {
                _ if !self.volume.has_holes_for(items) => false,
                Fate::Refused(_) => false,
                Fate::Unknown(done) => done,
                Fate::Done => self.rng.chance(500),
            };
            if happened {
                self.apply(&write.request);
            }
            Ghost { request: write.request, happened }
        });
        if let Some(synced) = self.synced.as_ref().filter(|_| power) {
            self.volume = synced.clone();
        }
        ghost
    }

    /// Whether a power cut may undo what was acknowledged.
    pub(crate) fn is_lazy(&self) -> bool {
        self.synced.is_some()
    }

    /// Everything on it is gone; a new, empty store takes its place.
    pub(crate) fn wipe(&mut self) {
        self.wipe_for(self.volume.record.id.clone());
    }

    /// The same, for another owner.
    pub(crate) fn wipe_for(&mut self, id: NodeId) {
        self.volume = Volume::new(id, self.rng.next_u64());
        self.synced = self.synced.as_ref().map(|_| self.volume.clone());
        self.open = false;
    }

    /// An older volume takes its place, as if closed cleanly.
    pub(crate) fn restore(&mut self, volume: Volume) {
        self.synced = self.synced.as_ref().map(|_| volume.clone());
        self.volume = volume;
        self.open = false;
    }

    fn apply(&mut self, request: &StoreRequest) -> StoreReply {
        let reply = self.volume.execute(request);
        let lazy = matches!(request, StoreRequest::Commit { .. }) && self.rng.chance(800);
        if let Some(synced) = self.synced.as_mut().filter(|_| !lazy) {
            *synced = self.volume.clone();
        }
        reply
    }

    fn draw_fate(&mut self) -> Fate {
        if self.full {
            return Fate::Refused(Fault::Full);
        }
        if !self.rng.chance(self.faults) {
            return Fate::Done;
        }
        match self.rng.below(4) {
            0 => Fate::Refused(Fault::Full),
            1 => Fate::Unknown(true),
            2 => Fate::Unknown(false),
            _ => Fate::Refused(Fault::Transient),
        }
    }

    fn duration(&mut self) -> std::time::Duration {
        let slow = if self.rng.chance(20) { 20 } else { 1 };
        std::time::Duration::from_micros(between(&mut self.rng, 1, 2 * self.latency) * slow)
    }
}

fn failure(fault: Fault) -> StoreFailure {
    StoreFailure { fault, doing: "simulated", detail: format!("{fault:?}") }
}
