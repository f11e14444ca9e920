//! What the lock guards.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use bytes::Bytes;
use gossip_core::proto::{
    ChannelId, ChannelRecord, Fault, LogHead, LogId, NodeId, NodeRecord, PeerRecord, Removed, Scope, Stamp,
    StoreIncarnation, StoreStats, StreamId, StreamRecord, Usage,
};
use gossip_core::{StoreError, StoreResult, continuity};

use crate::arrivals::Arrivals;
use crate::log::Log;

/// Everything a store keeps.
#[derive(Debug)]
pub(crate) struct Data {
    pub(crate) logs: BTreeMap<LogId, Log>,
    pub(crate) arrivals: Arrivals,
    pub(crate) clock: Stamp,
    pub(crate) channels: BTreeMap<ChannelId, ChannelRecord>,
    pub(crate) streams: BTreeMap<ChannelId, BTreeMap<StreamId, StreamRecord>>,
    pub(crate) peers: BTreeMap<NodeId, PeerRecord>,
    pub(crate) node: Option<NodeRecord>,
    pub(crate) snapshots: BTreeMap<String, Bytes>,
    pub(crate) incarnation: StoreIncarnation,
    pub(crate) open: bool,
    pub(crate) commits: u64,
    pub(crate) committed_bytes: u64,
}

impl Data {
    pub(crate) fn new() -> Self {
        // The standard library seeds these keys from the operating system: random enough to tell
        // stores apart, without a further crate and without a way to fail.
        let incarnation = StoreIncarnation(RandomState::new().hash_one("store incarnation"));
        Self {
            logs: BTreeMap::new(),
            arrivals: Arrivals::default(),
            clock: Stamp::ZERO,
            channels: BTreeMap::new(),
            streams: BTreeMap::new(),
            peers: BTreeMap::new(),
            node: None,
            snapshots: BTreeMap::new(),
            incarnation,
            open: false,
            commits: 0,
            committed_bytes: 0,
        }
    }

    pub(crate) fn log(&self, log: LogId, doing: &'static str) -> StoreResult<&Log> {
        self.logs.get(&log).ok_or_else(|| StoreError::new(Fault::Rejected, doing, "the log is not known"))
    }

    /// Logs of a scope in order of their id, after `after`.
    pub(crate) fn inside(&self, scope: &Scope, after: Option<LogId>) -> impl Iterator<Item = (&LogId, &Log)> {
        let (first, last) = match scope {
            Scope::Log(log) => (*log, *log),
            _ => (LogId([0; 16]), LogId([0xff; 16])),
        };
        let from = after.map_or(first, |after| after.clamp(first, last));
        let logs = self.logs.range(from..=last);
        logs.filter(move |(id, log)| after.is_none_or(|after| **id > after) && covers(scope, &log.head))
    }

    pub(crate) fn usage(&self, scope: &Scope) -> Usage {
        self.inside(scope, None).fold(Usage::default(), |sum, (_, log)| Usage {
            logs: sum.logs + 1,
            entries: sum.entries + continuity::entries_held(&log.head),
            bytes: sum.bytes + log.bytes(),
        })
    }

    /// Nothing is on a disk, and nothing is written twice.
    pub(crate) fn stats(&self) -> StoreStats {
        let Self { commits, committed_bytes, .. } = *self;
        let memory_bytes = self.usage(&Scope::All).bytes;
        StoreStats { memory_bytes, commits, committed_bytes, ..StoreStats::default() }
    }

    pub(crate) fn remove(&mut self, scope: &Scope) -> Removed {
        let Usage { logs, entries, .. } = self.usage(scope);
        let gone: BTreeSet<_> = self.inside(scope, None).map(|(id, _)| *id).collect();
        self.logs.retain(|id, _| !gone.contains(id));
        self.arrivals.remove(&gone);
        Removed { logs, entries }
    }
}

/// Whether a log lies in a channel or stream.
fn covers(scope: &Scope, head: &LogHead) -> bool {
    match scope {
        // A single log was found by its id.
        Scope::All | Scope::Log(_) => true,
        Scope::Channel(channel) => head.name.channel == *channel,
        Scope::Stream(channel, stream) => head.name.channel == *channel && head.name.stream == *stream,
    }
}
