//! A store that does as told; nothing of it is tested here.

use std::collections::BTreeMap;

use gossip_proto::{
    ChainHash, ChannelId, ChannelRecord, CommitItem, Committed, Durability, Inventory, LogHead, LogId,
    LogName, NodeId, Page, Pruned, Removed, SeqRange, StoreIncarnation, StoreReply, StoreRequest, StoredRun,
    StreamId, StreamRecord,
};

#[derive(Default)]
pub(crate) struct Disk {
    channels: BTreeMap<ChannelId, ChannelRecord>,
    streams: BTreeMap<(ChannelId, StreamId), StreamRecord>,
    logs: BTreeMap<LogId, (Option<LogHead>, Vec<StoredRun>)>,
    /// What was to be erased.
    pub(crate) erased: Vec<(LogId, SeqRange)>,
}

impl Disk {
    pub(crate) fn inventory(&self) -> Inventory {
        let streams = |id: &ChannelId| {
            self.streams.iter().filter(|((of, _), _)| of == id).map(|(_, stream)| stream.clone()).collect()
        };
        Inventory {
            channels: self.channels.iter().map(|(id, record)| (record.clone(), streams(id))).collect(),
            heads: self.logs.values().filter_map(|(head, _)| head.clone()).collect(),
            peers: Vec::new(),
            incarnation: StoreIncarnation(1),
            durability: Durability::Sync,
            was_open: false,
            ..Inventory::default()
        }
    }

    pub(crate) fn logs_of<'a>(&'a self, author: &'a NodeId) -> impl Iterator<Item = LogId> + 'a {
        let heads = self.logs.values().filter_map(|(head, _)| head.as_ref());
        heads.filter(move |head| head.name.author == *author).map(|head| head.name.id())
    }

    pub(crate) fn forget_logs(&mut self) {
        self.logs.clear();
    }

    pub(crate) fn execute(&mut self, request: StoreRequest) -> StoreReply {
        match request {
            StoreRequest::Commit { items, .. } => {
                items.iter().for_each(|item| self.commit(item));
                return StoreReply::Committed(Committed { arrivals: vec![None; items.len()] });
            }
            StoreRequest::Read { log, from, budget } => {
                return StoreReply::Runs(self.read(log, from, budget));
            }
            StoreRequest::Head { log } => {
                return StoreReply::Head(
                    self.logs.get(&log).and_then(|(head, _)| head.clone()).map(Box::new),
                );
            }
            StoreRequest::HashAt { log, positions } => {
                let known = |at| self.known_at(log, at).expect("not refused");
                return StoreReply::Hashes(positions.into_iter().map(known).collect());
            }
            StoreRequest::Turn { log, turn } => {
                let (head, runs) = self.logs.entry(log.id()).or_default();
                let head = head.get_or_insert_with(|| LogHead::empty(LogName::clone(&log)));
                head.turn = Some(turn);
                if head.height >= turn.at {
                    (head.height, head.hash) = (turn.at - 1, turn.prev);
                    head.gaps.retain(|gap| gap.first < turn.at);
                    let kept = runs.drain(..).filter(|stored| stored.run.first() < turn.at);
                    let cut = |stored: StoredRun| stored.cut_back(stored.run.last().min(turn.at - 1));
                    *runs =
                        kept.collect::<Vec<_>>().into_iter().map(|run| cut(run).expect("a part").0).collect();
                }
            }
            StoreRequest::Prune { floors } => {
                floors.into_iter().for_each(|(log, floor)| self.prune(log, floor));
                return StoreReply::Pruned(Pruned::default());
            }
            StoreRequest::Isolate { log, at } => return StoreReply::Isolated(self.isolate(log, at)),
            StoreRequest::Erase { log, sequences } => {
                self.erased.extend(sequences.into_iter().map(|range| (log, range)));
                return StoreReply::Erased(0);
            }
            StoreRequest::SaveChannel(record) => _ = self.channels.insert(record.id.clone(), record),
            StoreRequest::SaveStream(channel, record) => {
                self.streams.insert((channel, record.id.clone()), record);
            }
            StoreRequest::RemoveChannel(_) | StoreRequest::RemoveStream(..) => {
                return StoreReply::Removed(Removed::default());
            }
            StoreRequest::Since { .. } => {
                return StoreReply::Arrived(Page { items: Vec::new(), next: None });
            }
            StoreRequest::SaveHints(..)
            | StoreRequest::SaveNode(_)
            | StoreRequest::SavePeer(_)
            | StoreRequest::RemovePeer(_) => {}
        }
        StoreReply::Saved
    }

    /// Whether a request is wrong, as every store says.
    pub(crate) fn refuses(&self, request: &StoreRequest) -> bool {
        let StoreRequest::HashAt { log, positions } = request else { return false };
        positions.iter().any(|at| self.known_at(*log, *at).is_none())
    }

    pub(crate) fn hash_at(&self, log: LogId, at: u64) -> ChainHash {
        self.known_at(log, at).expect("a position that is held")
    }

    fn known_at(&self, log: LogId, at: u64) -> Option<ChainHash> {
        let (head, runs) = self.logs.get(&log)?;
        let top = head.as_ref().filter(|head| head.height == at).map(|head| head.hash);
        top.or_else(|| runs.iter().find_map(|stored| stored.hash_at(at).ok()))
    }

    fn commit(&mut self, item: &CommitItem) {
        let (head, runs) = self.logs.entry(item.log().id()).or_default();
        let head = head.get_or_insert_with(|| LogHead::empty((**item.log()).clone()));
        match item {
            CommitItem::Run { prev, run, end, .. } => {
                assert_eq!(
                    (run.first(), *prev),
                    (head.height + 1, head.hash),
                    "a run that does not continue"
                );
                runs.push(StoredRun { prev: *prev, run: run.clone() });
                (head.height, head.hash, head.stamp) = (run.last(), *end, run.last_stamp());
                if let Some(seal) = run.seal() {
                    head.seal = Some((run.last(), seal.to_vec().into()));
                }
            }
            CommitItem::Fill { prev, run, .. } => {
                assert_eq!(head.gaps.pop(), Some(run.range()), "a run that fills nothing");
                runs.push(StoredRun { prev: *prev, run: run.clone() });
                runs.sort_by_key(|stored| stored.run.first());
            }
            CommitItem::Adopt { floor, hash, stamp, seal, .. } => {
                if head.floor == head.height {
                    (head.floor, head.floor_hash) = (*floor, *hash);
                } else {
                    head.gaps.push(SeqRange { first: head.height + 1, last: *floor });
                }
                (head.height, head.hash, head.stamp) = (*floor, *hash, *stamp);
                if let Some(seal) = seal {
                    head.seal = Some((*floor, seal.0.to_vec().into()));
                }
            }
        }
    }

    /// Floors lie between runs.
    fn prune(&mut self, log: LogId, floor: u64) {
        let Some((Some(head), runs)) = self.logs.get_mut(&log) else { return };
        runs.retain(|stored| stored.run.first() > floor);
        head.gaps.retain(|gap| gap.last > floor);
        let next = runs.first().map(|stored| stored.prev);
        (head.floor, head.floor_hash) = (floor, next.unwrap_or(head.hash));
    }

    /// Every run is taken for damaged.
    fn isolate(&mut self, log: LogId, at: u64) -> Option<SeqRange> {
        let (head, runs) = self.logs.get_mut(&log)?;
        let place = runs.iter().position(|stored| stored.run.range().contains(at))?;
        let range = runs.remove(place).run.range();
        head.as_mut()?.gaps.push(range);
        Some(range)
    }

    pub(crate) fn head(&self, log: LogId) -> Option<&LogHead> {
        self.logs.get(&log).and_then(|(head, _)| head.as_ref())
    }

    pub(crate) fn runs(&self, log: LogId) -> &[StoredRun] {
        self.logs.get(&log).map_or(&[], |(_, runs)| runs)
    }

    fn read(&self, log: LogId, from: u64, budget: usize) -> Vec<StoredRun> {
        let mut bytes = 0;
        let runs = self.logs.get(&log).into_iter().flat_map(|(_, runs)| runs);
        let wanted = runs.filter(|stored| stored.run.last() >= from);
        let within = wanted.take_while(|stored| {
            let first = bytes == 0;
            bytes += stored.run.encoded().len();
            first || bytes <= budget
        });
        within.cloned().collect()
    }
}
