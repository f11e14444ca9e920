//! Every event is told once: entries when they are new and on disk, channels and streams when
//! they come and go, states when they change, peers when they come, are linked and are something else.

use std::collections::{BTreeMap, BTreeSet};

use gossip_proto::node::{Event, NodeState, PeerStatus};
use gossip_proto::{ChannelId, LogId, NodeId, Seq, SeqRange, StreamId};

use super::{Check, Invariant};
use crate::sim::disk::Volume;
use crate::sim::fact::{Ending, Fact, Scene};

/// What one application was told.
#[derive(Debug, Default, Clone)]
struct Told {
    state: Option<NodeState>,
    channels: BTreeSet<ChannelId>,
    streams: BTreeSet<(ChannelId, StreamId)>,
    /// Peers and members, and what was told of them last.
    peers: BTreeMap<NodeId, Option<PeerStatus>>,
    /// Those to whom there is a link.
    linked: BTreeSet<NodeId>,
    /// Highest sequence told of, for each log.
    entries: BTreeMap<LogId, Seq>,
    /// What below that was not told because it had not come; it is told when it fills a hole.
    skipped: BTreeMap<LogId, BTreeSet<Seq>>,
}

#[derive(Debug)]
pub(super) struct ToldOnce {
    hosts: Vec<Told>,
}

impl ToldOnce {
    pub(super) fn new(hosts: usize) -> Self {
        Self { hosts: vec![Told::default(); hosts] }
    }
}

impl Invariant for ToldOnce {
    fn name(&self) -> &'static str {
        "told_once"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        let told = &mut self.hosts[scene.host];
        match &scene.fact {
            Fact::Booted => {
                *told = Told::after_boot(scene.volume);
                Ok(())
            }
            Fact::Told(event) => told.hear(scene.volume, event),
            _ => Ok(()),
        }
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        for (host, volume) in ending.volumes.iter().enumerate() {
            for (id, log) in &volume.logs {
                let told = self.hosts[host].entries.get(id).copied().unwrap_or(0);
                if log.runs.last().is_some_and(|stored| stored.run.last() > told) {
                    return Err(format!("n{host} was told of {id:?} up to {told} only"));
                }
            }
        }
        Ok(())
    }
}

impl Told {
    fn after_boot(volume: &Volume) -> Self {
        Self {
            state: Some(NodeState::Stopped),
            channels: volume.channels.keys().cloned().collect(),
            streams: volume.open_streams(),
            peers: volume.peers.keys().map(|peer| (peer.clone(), None)).collect(),
            linked: BTreeSet::new(),
            entries: volume.logs.iter().map(|(id, log)| (*id, log.head.height)).collect(),
            skipped: volume.logs.iter().map(|(id, log)| (*id, missed(log))).collect(),
        }
    }

    fn hear(&mut self, volume: &Volume, event: &Event) -> Check {
        let news = match event {
            Event::StateChanged(state) => self.state.replace(*state) != Some(*state),
            Event::ChannelCreated(channel) => self.channels.insert(channel.clone()),
            Event::ChannelRemoved(channel) => {
                self.streams.retain(|(of, _)| of != channel);
                self.forget_gone(volume);
                self.channels.remove(channel)
            }
            Event::StreamCreated(channel, stream) => self.streams.insert((channel.clone(), stream.clone())),
            Event::StreamRemoved(channel, stream) => {
                self.forget_gone(volume);
                self.streams.remove(&(channel.clone(), stream.clone()))
            }
            Event::PeerAdded(peer) => self.peers.insert(peer.clone(), None).is_none(),
            Event::PeerRemoved(peer) => !self.linked.contains(peer) && self.peers.remove(peer).is_some(),
            Event::LinkUp(peer) => self.peers.contains_key(peer) && self.linked.insert(peer.clone()),
            Event::LinkDown(peer) => self.linked.remove(peer),
            Event::PeerStatusChanged(peer, status) => {
                self.peers.get_mut(peer).is_some_and(|told| told.replace(*status) != Some(*status))
            }
            Event::EntriesMerged { entries, .. } => {
                return entries.iter().try_for_each(|(log, range)| self.entries(volume, *log, *range));
            }
            Event::EntriesAppended { first, count, .. } => {
                let range = SeqRange { first: first.sequence, last: first.sequence + count - 1 };
                return self.entries(volume, first.log, range);
            }
            _ => true,
        };
        if news { Ok(()) } else { Err(format!("told again, or of nobody known: {event:?}")) }
    }

    /// What is not on disk any more may come back and be told again.
    fn forget_gone(&mut self, volume: &Volume) {
        self.entries.retain(|log, _| volume.logs.contains_key(log));
        self.skipped.retain(|log, _| volume.logs.contains_key(log));
    }

    fn entries(&mut self, volume: &Volume, log: LogId, range: SeqRange) -> Check {
        let told = self.entries.entry(log).or_default();
        let skipped = self.skipped.entry(log).or_default();
        if range.first <= range.last && (range.first..=range.last).all(|seq| skipped.remove(&seq)) {
            return Ok(());
        }
        if range.first <= *told || range.count() == 0 {
            return Err(format!("{log:?} {range:?} told, though up to {told} was told before"));
        }
        let before = std::mem::replace(told, range.last);
        skipped.extend(before + 1..range.first);
        let Some(held) = volume.logs.get(&log) else { return Ok(()) };
        if held.head.height < range.last {
            return Err(format!("{log:?} {range:?} told, though only {} is on disk", held.head.height));
        }
        let gone =
            |sequence| held.head.floor >= sequence || held.head.gaps.iter().any(|g| g.last == sequence);
        // A fill may have closed the hole before this was told.
        if range.first > before + 1 && !gone(range.first - 1) && !held.filled {
            return Err(format!("{log:?} {range:?} told, what came after {before} was not"));
        }
        Ok(())
    }
}

fn missed(log: &crate::sim::disk::Log) -> BTreeSet<Seq> {
    log.head.missed.iter().flat_map(|range| range.first..=range.last).collect()
}
