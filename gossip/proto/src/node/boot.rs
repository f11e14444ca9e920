//! Starting from what the store holds.

use std::collections::{BTreeMap, VecDeque};

use super::admin::Admin;
use super::erase::Erasures;
use super::fetch::Fetches;
use super::model::{Channel, Log};
use super::ops::Ops;
use super::refill::Refills;
use super::session::Peer;
use super::timers::Timers;
use super::{Boot, Entropy, Node, NodeState, Stats};
use crate::{ChannelId, Durability, Hlc, Inventory, LogHead, LogId, Now, Rng, Stamp, StreamId, StreamRecord};

impl Node {
    /// A node that continues from what its store holds. It begins [`NodeState::Stopped`].
    #[must_use]
    pub fn new(now: Now, boot: Boot) -> Self {
        let Boot { record, inventory, config, seed, secret } = boot;
        let clock = Hlc::new(Stamp::ZERO, config.max_drift);
        // A clock far ahead of the wall would stamp entries that peers do not follow: start from
        // the wall, under new epochs, because stamps must increase within a log.
        let ahead = clock.is_too_far_ahead(record.clock, now.wall);
        let clock = if ahead { clock } else { Hlc::new(record.clock, config.max_drift) };
        let short = inventory.was_open && inventory.durability != Durability::Sync;
        let mut node = Self {
            config,
            record,
            clock,
            rng: Rng::new(seed),
            entropy: Entropy { secret, drawn: 0 },
            now,
            state: NodeState::Stopped,
            effects: VecDeque::new(),
            timers: Timers::default(),
            ops: Ops::default(),
            channels: BTreeMap::new(),
            logs: BTreeMap::new(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            admin: Admin::default(),
            fetches: Fetches::default(),
            erasures: Erasures::default(),
            refills: Refills::default(),
            store_bytes: 0,
            append_bytes: 0,
            shutdown: Vec::new(),
            stats: Stats::default(),
        };
        node.load(inventory);
        node.retire_where(ahead || short);
        node
    }

    fn load(&mut self, inventory: Inventory) {
        for (record, streams) in inventory.channels {
            let mut channel = Channel::new(record);
            for mut record in streams {
                record.erased.sort_unstable();
                channel.put_stream(record);
            }
            self.channels.insert(channel.record.id.clone(), channel);
        }
        for head in &inventory.heads {
            self.load_head(head);
        }
        for record in inventory.peers {
            self.peers.insert(record.id.clone(), Peer::added(record));
        }
    }

    /// Heads of channels and streams that are gone are left out: the driver removes their rest.
    fn load_head(&mut self, head: &LogHead) {
        let id = head.name.id();
        let Some(channel) = self.channels.get_mut(&head.name.channel) else { return };
        if !channel.streams.contains_key(&head.name.stream) {
            channel.put_stream(StreamRecord::new(head.name.stream.clone()));
        }
        if channel.streams[&head.name.stream].record.refused {
            return;
        }
        let log = Log::from_head(head);
        let empty = Log::new(log.name.clone());
        channel.logs.insert(id);
        channel.move_log(id, &head.name.stream, &empty.stored, &log.stored);
        let own = head.name.author == self.record.id && head.name.branch.is_none();
        let stream = channel.open_stream(&head.name.stream);
        if let Some(stream) = stream {
            stream.logs.insert(id);
            if own && stream.record.writer == Some(head.name.epoch) {
                stream.writer = Some(id);
            }
        }
        if !log.holes.gaps.is_empty() {
            self.refills.suspect(id);
        }
        self.logs.insert(id, log);
    }

    /// Closes our current logs: all of them, or those that are ahead of our clock. The clock may
    /// have been given up in an earlier life that could not close them.
    fn retire_where(&mut self, all: bool) {
        let streams = self.channels.values().flat_map(|channel| channel.streams.values());
        let writers: Vec<LogId> = streams.filter_map(|stream| stream.writer).collect();
        for writer in writers {
            let stamp = self.logs.get(&writer).map(|log| log.stored.stamp);
            if all || stamp > Some(self.clock.last()) {
                self.retire(writer);
            }
        }
    }

    pub(super) fn log_place(&self, log: &LogId) -> Option<(ChannelId, StreamId)> {
        self.logs.get(log).map(|log| (log.name.channel.clone(), log.name.stream.clone()))
    }
}
