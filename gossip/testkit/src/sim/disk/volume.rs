//! What is on a disk.

use std::collections::{BTreeMap, BTreeSet};

use super::decay;
use super::log::{Log, adopt, prune, seal};
use gossip_proto::{
    Arrival, ChainHash, ChannelId, ChannelRecord, CommitItem, Committed, Durability, EntryId, Hint,
    Inventory, LogId, NodeId, NodeRecord, PeerRecord, Pruned, Removed, Seq, SeqRange, StoreIncarnation,
    StoreReply, StoreRequest, StoredRun, StreamId, StreamRecord, Turn,
};

/// The contents of a disk; a clone of it is what a power cut may leave.
#[derive(Debug, Clone)]
pub(crate) struct Volume {
    pub(crate) incarnation: StoreIncarnation,
    pub(crate) record: NodeRecord,
    pub(crate) channels: BTreeMap<ChannelId, ChannelRecord>,
    pub(crate) streams: BTreeMap<(ChannelId, StreamId), StreamRecord>,
    pub(crate) peers: BTreeMap<NodeId, PeerRecord>,
    pub(crate) logs: BTreeMap<LogId, Log>,
    /// Runs that cannot be read any more, by log and first sequence.
    pub(crate) rotten: BTreeSet<(LogId, Seq)>,
    /// What was ever damaged here.
    pub(crate) decayed: Vec<(LogId, SeqRange)>,
    /// A fill that put something where something was, or did not join what follows it.
    pub(crate) misfit: Option<String>,
    arrivals: u64,
    /// What arrived: number of the first entry, log, entries.
    pub(super) order: Vec<(u64, LogId, SeqRange)>,
    hints: BTreeMap<ChannelId, Vec<Hint>>,
}

impl Volume {
    pub(crate) fn new(id: NodeId, incarnation: u64) -> Self {
        Self {
            incarnation: StoreIncarnation(incarnation),
            record: NodeRecord::new(id),
            channels: BTreeMap::new(),
            streams: BTreeMap::new(),
            peers: BTreeMap::new(),
            logs: BTreeMap::new(),
            rotten: BTreeSet::new(),
            decayed: Vec::new(),
            misfit: None,
            arrivals: 0,
            order: Vec::new(),
            hints: BTreeMap::new(),
        }
    }

    /// Where an entry is kept now: what followed a fork moved to the branch of its name.
    pub(crate) fn moved(&self, mut id: EntryId) -> EntryId {
        while let Some(log) = self.logs.get(&id.log)
            && let Some(Turn { at, first: Some(first), .. }) = log.head.turn
            && at <= id.sequence
        {
            id.log = log.head.name.branching(first).id();
        }
        id
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
            last_arrival: Arrival(self.arrivals),
            hints: self.hints.clone().into_iter().collect(),
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
            StoreRequest::Since { channel, after, budget } => {
                StoreReply::Arrived(self.since(channel, *after, *budget))
            }
            StoreRequest::Head { log } => {
                StoreReply::Head(self.logs.get(log).map(|log| Box::new(log.head.clone())))
            }
            StoreRequest::HashAt { log, positions } => {
                let log = self.logs.get(log);
                let hash = |at: &Seq| log.and_then(|log| log.known_at(*at));
                StoreReply::Hashes(positions.iter().filter_map(hash).collect())
            }
            StoreRequest::Turn { log, turn } => {
                let id = log.id();
                let fresh = || Log::new(log);
                self.logs.entry(id).or_insert_with(fresh).end_at(turn);
                let end = turn.at - 1;
                self.rotten.retain(|(of, first)| *of != id || *first <= end);
                StoreReply::Saved
            }
            StoreRequest::Isolate { log, at } => StoreReply::Isolated(self.isolate(*log, *at)),
            StoreRequest::Erase { log, sequences } => StoreReply::Erased(self.erase(*log, sequences)),
            StoreRequest::Prune { floors } => StoreReply::Pruned(self.prune(floors)),
            StoreRequest::RemoveChannel(channel) => {
                self.channels.remove(channel);
                self.hints.remove(channel);
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
            let fresh = || (0, item.log().root());
            let end = ends.entry(id).or_insert_with(|| held().unwrap_or_else(fresh));
            let (continues, next) = match item {
                // Filling a hole moves no end.
                CommitItem::Fill { .. } => (true, (0, item.log().root())),
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
            StoreRequest::SaveHints(channel, hints) => {
                self.hints.insert(channel.clone(), hints.clone());
            }
            StoreRequest::RemovePeer(peer) => {
                self.peers.remove(peer);
            }
            _ => {}
        }
        StoreReply::Saved
    }

    fn commit(&mut self, item: &CommitItem) -> Option<Arrival> {
        let log = self.logs.entry(item.log().id()).or_insert_with(|| Log::new(item.log()));
        match item {
            CommitItem::Run { prev, run, end, .. } => {
                if run.last() <= log.head.height && log.hash_at(run.last()) == Some(*end) {
                    return None;
                }
                log.runs.push(StoredRun { prev: *prev, run: run.clone() });
                (log.head.height, log.head.hash) = (run.last(), *end);
                log.head.stamp = run.last_stamp();
                seal(&mut log.head, run.last(), run.seal());
                let first = self.arrivals + 1;
                self.arrivals += run.count();
                self.order.push((first, run.log(), run.range()));
                Some(Arrival(first))
            }
            CommitItem::Fill { prev, run, end, .. } => {
                self.misfit = self.misfit.take().or_else(|| decay::misfit(log, run, *end));
                let fresh = decay::fill(log, StoredRun { prev: *prev, run: run.clone() });
                let first = self.arrivals + 1;
                self.arrivals += fresh;
                if fresh > 0 {
                    let range = SeqRange { first: run.last() + 1 - fresh, last: run.last() };
                    self.order.push((first, run.log(), range));
                }
                (fresh > 0).then_some(Arrival(first))
            }
            CommitItem::Adopt { floor, hash, stamp, seal: found, .. } => {
                adopt(&mut log.head, *floor, *hash, *stamp);
                seal(&mut log.head, *floor, found.as_ref().map(|found| &found.0));
                None
            }
        }
    }

    /// Whether a read meets damage before anything else.
    pub(crate) fn is_rotten(&self, log: LogId, from: Seq) -> bool {
        let run =
            self.logs.get(&log).and_then(|log| log.runs.iter().find(|stored| stored.run.last() >= from));
        run.is_some_and(|stored| self.rotten.contains(&(log, stored.run.first())))
    }

    /// Whether the payloads of these entries can be read.
    pub(crate) fn is_readable(&self, log: LogId, ranges: &[SeqRange]) -> bool {
        let runs = self.logs.get(&log).into_iter().flat_map(|log| &log.runs);
        let meant = |stored: &&StoredRun| ranges.iter().any(|r| r.overlap(&stored.run.range()).is_some());
        !runs.filter(meant).any(|stored| self.rotten.contains(&(log, stored.run.first())))
    }

    /// Whether a floor would part a run that cannot be read.
    pub(crate) fn cuts_rotten(&self, log: LogId, floor: Seq) -> bool {
        let run = self.logs.get(&log).and_then(|log| log.run_at(floor));
        run.is_some_and(|stored| {
            stored.run.last() > floor && self.rotten.contains(&(log, stored.run.first()))
        })
    }

    /// Whether fills end where a hole ends and stay inside it.
    pub(crate) fn has_holes_for(&self, items: &[CommitItem]) -> bool {
        let mut logs: BTreeMap<LogId, Log> = BTreeMap::new();
        items.iter().all(|item| {
            let CommitItem::Fill { log: name, prev, run, .. } = item else { return true };
            let Some(log) = self.logs.get(&name.id()) else { return false };
            let log = logs.entry(name.id()).or_insert_with(|| log.clone());
            let fits = decay::fits(&log.head, run);
            decay::fill(log, StoredRun { prev: *prev, run: run.clone() });
            // What overlaps is for the invariants to see.
            fits || decay::overlaps(log, run)
        })
    }

    fn isolate(&mut self, id: LogId, at: Seq) -> Option<SeqRange> {
        let log = self.logs.get_mut(&id)?;
        let range = log.run_at(at)?.run.range();
        if at <= log.head.floor || !self.rotten.remove(&(id, range.first)) {
            return None;
        }
        decay::isolate(log, range);
        Some(range)
    }

    fn erase(&mut self, id: LogId, ranges: &[SeqRange]) -> u64 {
        self.logs.get_mut(&id).map_or(0, |log| decay::erase(log, ranges))
    }

    fn read(&self, log: LogId, from: Seq, budget: usize) -> Vec<StoredRun> {
        let mut bytes = 0;
        let runs = self.logs.get(&log).into_iter().flat_map(|log| &log.runs);
        runs.filter(|stored| stored.run.last() >= from)
            .take_while(|stored| !self.rotten.contains(&(stored.run.log(), stored.run.first())))
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
            if let Some(held) = self.logs.get_mut(log) {
                prune(held, *floor, &mut freed);
                decay::follow_cut(&mut self.rotten, *log, held);
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
