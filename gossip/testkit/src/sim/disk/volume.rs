//! What is on a disk.

use std::collections::{BTreeMap, BTreeSet};

use gossip_proto::{
    Arrival, ChainHash, ChannelId, ChannelRecord, CommitItem, Committed, Durability, Inventory, LogHead,
    LogId, NodeId, NodeRecord, PeerRecord, Pruned, Removed, Seq, SeqRange, Stamp, StoreIncarnation,
    StoreReply, StoreRequest, StoredRun, StreamId, StreamRecord,
};

/// One log as stored.
#[derive(Debug, Clone)]
pub(crate) struct Log {
    pub(crate) head: LogHead,
    /// In the order they were told.
    pub(crate) runs: Vec<StoredRun>,
}

impl Log {
    /// Chain hash at a position, if stored.
    pub(crate) fn hash_at(&self, position: Seq) -> Option<ChainHash> {
        if position == self.head.height {
            return Some(self.head.hash);
        }
        self.runs.iter().find_map(|stored| stored.hash_at(position).ok())
    }

    /// The run that holds a position, if stored.
    pub(crate) fn run_at(&self, position: Seq) -> Option<&StoredRun> {
        self.runs.iter().find(|stored| stored.run.range().contains(position))
    }
}

/// The contents of a disk; a clone of it is what a power cut may leave.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) incarnation: StoreIncarnation,
    pub(crate) record: NodeRecord,
    pub(crate) channels: BTreeMap<ChannelId, ChannelRecord>,
    pub(crate) streams: BTreeMap<(ChannelId, StreamId), StreamRecord>,
    pub(crate) peers: BTreeMap<NodeId, PeerRecord>,
    pub(crate) logs: BTreeMap<LogId, Log>,
    arrivals: u64,
}

impl Volume {
    pub(crate) fn new(id: NodeId, incarnation: u64) -> Self {
        Self {
            incarnation: StoreIncarnation(incarnation),
            record: NodeRecord { id, incarnation: 0, clock: Stamp::ZERO },
            channels: BTreeMap::new(),
            streams: BTreeMap::new(),
            peers: BTreeMap::new(),
            logs: BTreeMap::new(),
            arrivals: 0,
        }
    }

    /// What a node starts from.
    pub(crate) fn inventory(&self, durability: Durability, was_open: bool) -> Inventory {
        let streams_of = |channel: &ChannelId| {
            self.streams
                .iter()
                .filter(|((of, _), _)| of == channel)
                .map(|(_, record)| record.clone())
                .collect()
        };
        Inventory {
            channels: self.channels.iter().map(|(id, record)| (record.clone(), streams_of(id))).collect(),
            heads: self.logs.values().map(|log| log.head.clone()).collect(),
            peers: self.peers.values().cloned().collect(),
            incarnation: self.incarnation,
            durability,
            was_open,
        }
    }

    /// Streams that exist here, by a record or a log, and are not refused.
    pub(crate) fn open_streams(&self) -> BTreeSet<(ChannelId, StreamId)> {
        let recorded = self.streams.iter().map(|(place, record)| (place.clone(), record.refused));
        let written = self.logs.values().map(|log| &log.head.name);
        let written = written.map(|name| ((name.channel.clone(), name.stream.clone()), false));
        let mut all: BTreeMap<_, bool> = written.collect();
        all.extend(recorded);
        all.retain(|(channel, _), refused| !*refused && self.channels.contains_key(channel));
        all.into_keys().collect()
    }

    /// Does what a request says.
    pub(crate) fn execute(&mut self, request: &StoreRequest) -> StoreReply {
        match request {
            StoreRequest::Commit { items, meta } => {
                self.record.clock = meta.clock;
                let arrivals = items.iter().map(|item| self.commit(item)).collect();
                StoreReply::Committed(Committed { arrivals })
            }
            StoreRequest::Read { log, from, budget } => StoreReply::Runs(self.read(*log, *from, *budget)),
            StoreRequest::Head { log } => {
                StoreReply::Head(self.logs.get(log).map(|log| Box::new(log.head.clone())))
            }
            StoreRequest::Prune { floors } => StoreReply::Pruned(self.prune(floors)),
            StoreRequest::RemoveChannel(channel) => {
                self.channels.remove(channel);
                self.streams.retain(|(of, _), _| of != channel);
                StoreReply::Removed(self.remove(|log| log.head.name.channel == *channel))
            }
            StoreRequest::RemoveStream(channel, record) => {
                self.streams.insert((channel.clone(), record.id.clone()), record.clone());
                let inside =
                    |log: &Log| log.head.name.channel == *channel && log.head.name.stream == record.id;
                StoreReply::Removed(self.remove(inside))
            }
            saving => self.save(saving),
        }
    }

    /// Whether every run continues its log on disk, or one before it in the batch.
    pub(crate) fn continues(&self, items: &[CommitItem]) -> bool {
        let mut ends: BTreeMap<LogId, (Seq, ChainHash)> = BTreeMap::new();
        items.iter().all(|item| {
            let id = item.log().id();
            let held = || self.logs.get(&id).map(|log| (log.head.height, log.head.hash));
            let fresh = || (0, item.log().hash().root());
            let end = ends.entry(id).or_insert_with(|| held().unwrap_or_else(fresh));
            let (continues, next) = match item {
                // Filling a hole moves no end.
                CommitItem::Fill { .. } => (true, (0, item.log().hash().root())),
                CommitItem::Run { prev, run, end: hash, .. } => {
                    let continues = run.last() <= end.0 || (run.first(), *prev) == (end.0 + 1, end.1);
                    (continues, (run.last(), *hash))
                }
                CommitItem::Adopt { floor, hash, .. } => (true, (*floor, *hash)),
            };
            *end = if next.0 > end.0 { next } else { *end };
            continues
        })
    }

    fn save(&mut self, request: &StoreRequest) -> StoreReply {
        match request {
            StoreRequest::SaveNode(record) => self.record = record.clone(),
            StoreRequest::SaveChannel(record) => {
                self.channels.insert(record.id.clone(), record.clone());
            }
            StoreRequest::SaveStream(channel, record) => {
                self.streams.insert((channel.clone(), record.id.clone()), record.clone());
            }
            StoreRequest::SavePeer(record) => {
                self.peers.insert(record.id.clone(), record.clone());
            }
            StoreRequest::RemovePeer(peer) => {
                self.peers.remove(peer);
            }
            _ => {}
        }
        StoreReply::Saved
    }

    fn commit(&mut self, item: &CommitItem) -> Option<Arrival> {
        let fresh = || Log { head: LogHead::empty((**item.log()).clone()), runs: Vec::new() };
        let log = self.logs.entry(item.log().id()).or_insert_with(fresh);
        match item {
            CommitItem::Run { prev, run, end, .. } => {
                if run.last() <= log.head.height && log.hash_at(run.last()) == Some(*end) {
                    return None;
                }
                log.runs.push(StoredRun { prev: *prev, run: run.clone() });
                (log.head.height, log.head.hash) = (run.last(), *end);
                log.head.stamp = run.last_stamp();
                let first = self.arrivals + 1;
                self.arrivals += run.count();
                Some(Arrival(first))
            }
            CommitItem::Fill { prev, run, .. } => {
                log.runs.push(StoredRun { prev: *prev, run: run.clone() });
                log.runs.sort_by_key(|stored| stored.run.first());
                if log.head.floor == run.last() {
                    (log.head.floor, log.head.floor_hash) = (run.first() - 1, *prev);
                }
                let rest = run.first() - 1;
                log.head.gaps.iter_mut().filter(|gap| gap.last == run.last()).for_each(|gap| gap.last = rest);
                log.head.gaps.retain(|gap| gap.first <= gap.last);
                None
            }
            CommitItem::Adopt { floor, hash, stamp, .. } => {
                adopt(&mut log.head, *floor, *hash, *stamp);
                None
            }
        }
    }

    fn read(&self, log: LogId, from: Seq, budget: usize) -> Vec<StoredRun> {
        let mut bytes = 0;
        let runs = self.logs.get(&log).into_iter().flat_map(|log| &log.runs);
        runs.filter(|stored| stored.run.last() >= from)
            .take_while(|stored| {
                let within = bytes == 0 || bytes + stored.run.encoded().len() <= budget;
                bytes += stored.run.encoded().len();
                within
            })
            .cloned()
            .collect()
    }

    fn prune(&mut self, floors: &[(LogId, Seq)]) -> Pruned {
        let mut freed = Pruned::default();
        for (log, floor) in floors {
            if let Some(log) = self.logs.get_mut(log) {
                prune(log, *floor, &mut freed);
            }
        }
        freed
    }

    fn remove(&mut self, inside: impl Fn(&Log) -> bool) -> Removed {
        let mut removed = Removed::default();
        self.logs.retain(|_, log| {
            let goes = inside(log);
            if goes {
                removed.logs += 1;
                removed.entries += log.runs.iter().map(|stored| stored.run.count()).sum::<u64>();
            }
            !goes
        });
        removed
    }
}

/// Moves a head up to a floor that peers pruned to.
fn adopt(head: &mut LogHead, floor: Seq, hash: ChainHash, stamp: Stamp) {
    if floor <= head.height {
        return;
    }
    if head.height == head.floor {
        (head.floor, head.floor_hash) = (floor, hash);
    } else {
        head.gaps.push(SeqRange { first: head.height + 1, last: floor });
    }
    (head.height, head.hash, head.stamp) = (floor, hash, stamp);
}

/// Drops what lies at or below a floor; a floor inside a gap moves to the end of the gap.
fn prune(log: &mut Log, floor: Seq, freed: &mut Pruned) {
    let gap = log.head.gaps.iter().find(|gap| gap.contains(floor));
    let floor = gap.map_or(floor, |gap| gap.last).min(log.head.height);
    let Some(hash) = log.hash_at(floor).filter(|_| floor > log.head.floor) else { return };
    let held: u64 = log.runs.iter().map(|stored| stored.run.count()).sum();
    let bytes: usize = log.runs.iter().map(|stored| stored.run.encoded().len()).sum();
    let cut = |stored: &StoredRun| {
        let from = stored.run.first().max(floor + 1);
        if stored.run.last() <= floor { None } else { stored.cut_front(from).ok() }
    };
    log.runs = log.runs.iter().filter_map(cut).collect();
    log.head.gaps.retain(|gap| gap.first > floor);
    (log.head.floor, log.head.floor_hash) = (floor, hash);
    let left: usize = log.runs.iter().map(|stored| stored.run.encoded().len()).sum();
    freed.entries += held - log.runs.iter().map(|stored| stored.run.count()).sum::<u64>();
    freed.bytes += bytes.saturating_sub(left) as u64;
}
