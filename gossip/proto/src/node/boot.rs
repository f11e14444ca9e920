//! Starting from what the store holds.

use std::collections::{BTreeMap, VecDeque};

use super::admin::Admin;
use super::delivered::Deliveries;
use super::erase::Erasures;
use super::exchange::Exchanges;
use super::fetches::Fetches;
use super::forks::Forks;
use super::hint::Hints;
use super::members::Members;
use super::model::Channel;
use super::ops::Ops;
use super::peer::Peer;
use super::refill::Refills;
use super::status::Waiters;
use super::table::Logs;
use super::timers::Timers;
use super::{Boot, Entropy, Node, NodeState, Stats};
use crate::digest::keyed;
use crate::{
    Durability, Hlc, Inventory, LogHead, LogId, LogName, MemberRow, NodeRecord, Now, Rng, Stamp, StreamRecord,
};

/// A node that is told what its store holds before it does anything: heads come page by page, so that
/// there are never many of them in memory beside what the node keeps of them.
#[derive(Debug)]
pub struct Loading {
    node: Node,
    retires_all: bool,
}

impl Loading {
    /// Begins with an inventory that may lack heads.
    #[must_use]
    pub fn new(now: Now, boot: Boot) -> Self {
        let Boot { record, sealer, check, mut inventory, config, seed, secret, max_version, sync, members } =
            boot;
        let clock = Hlc::new(Stamp::ZERO, config.max_drift);
        // A clock far ahead of the wall would stamp entries that peers do not follow: start from
        // the wall, under new epochs, because stamps must increase within a log.
        let ahead = clock.is_too_far_ahead(record.clock, now.wall);
        let clock = if ahead { clock } else { Hlc::new(record.clock, config.max_drift) };
        let short = inventory.was_open && inventory.durability != Durability::Sync;
        let hints =
            Hints::load(inventory.incarnation, inventory.last_arrival, std::mem::take(&mut inventory.hints));
        let mut table = Members::new(now.tick, told_of_us(&record, &secret), config.max_members);
        members.into_iter().for_each(|row| table.remember(now.tick, row));
        let node = Node {
            config,
            max_version,
            record,
            sealer,
            check,
            clock,
            rng: Rng::new(seed),
            entropy: Entropy { secret, drawn: 0 },
            now,
            state: NodeState::Stopped,
            effects: VecDeque::new(),
            timers: Timers::default(),
            ops: Ops::default(),
            channels: BTreeMap::new(),
            logs: Logs::default(),
            peers: BTreeMap::new(),
            links: BTreeMap::new(),
            members: table,
            grove: super::tree::Grove::default(),
            admin: Admin::default(),
            fetches: Fetches::default(),
            exchanges: Exchanges::default(),
            erasures: Erasures::default(),
            refills: Refills::default(),
            forks: Forks::default(),
            store_bytes: 0,
            append_bytes: 0,
            unwritten: Vec::new(),
            shutdown: Vec::new(),
            hints,
            waiters: Waiters::default(),
            choice: sync,
            deliveries: Deliveries::default(),
            numbered: 1,
            stats: Stats::default(),
        };
        let mut loading = Self { node, retires_all: ahead || short };
        let heads = std::mem::take(&mut inventory.heads);
        loading.node.load(inventory);
        loading.add(heads);
        loading
    }

    /// Takes in more heads: each log once. Those of channels that are gone are left out.
    pub fn add(&mut self, heads: Vec<LogHead>) {
        heads.iter().for_each(|head| self.node.load_head(head));
        self.node.logs.rest();
    }

    /// The node, which has all heads now. It begins [`NodeState::Stopped`].
    #[must_use]
    pub fn finish(mut self) -> Node {
        self.node.retire_where(self.retires_all);
        self.node.look_at_branches();
        self.node.move_all_erasures();
        self.node
    }
}

/// What this node tells of itself. Who starts anew, or as a copy, is another instance.
fn told_of_us(record: &NodeRecord, secret: &[u8; 32]) -> MemberRow {
    let [a, b, c, d, ..] = keyed(secret, b"gossip-instance-1", &[]);
    let (id, incarnation) = (record.id.clone(), record.incarnation);
    MemberRow { id, incarnation, instance: u32::from_le_bytes([a, b, c, d]), addresses: Vec::new() }
}

impl Node {
    /// A node that continues from what its store holds; see [`Loading`] for large ones. It begins
    /// [`NodeState::Stopped`].
    #[must_use]
    pub fn new(now: Now, boot: Boot) -> Self {
        Loading::new(now, boot).finish()
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
        for record in inventory.peers {
            self.peers.insert(record.id.clone(), Peer::added(record));
        }
    }

    /// Heads of channels and streams that are gone are left out: the driver removes their rest.
    fn load_head(&mut self, head: &LogHead) {
        let LogName { channel: name, stream, author, epoch, branch } = &head.name;
        let Some(channel) = self.channels.get_mut(name) else { return };
        let refused = match channel.streams.get(stream) {
            Some(stream) => stream.record.refused,
            None => channel.put_stream(StreamRecord::new(stream.clone())).record.refused,
        };
        if refused {
            return;
        }
        let Some(log) = self.logs.add(channel, &head.name) else { return };
        let (id, empty) = (log.id, log.stored);
        log.adopt_head(head);
        if !log.holes().gaps.is_empty() {
            self.refills.holey.add(id, name);
        }
        channel.move_log(id, stream, &empty, &log.stored);
        let own = *author == self.record.id && branch.is_none();
        if let Some(stream) = channel.streams.get_mut(stream)
            && own
            && stream.record.writer == Some(*epoch)
        {
            stream.writing.get_or_insert_default().log = Some(id);
        }
        if branch.is_some() {
            self.load_branch(id);
        }
    }

    /// Closes our current logs: all of them, or those that are ahead of our clock or followed by a
    /// later epoch. An earlier life that gave up its clock or an epoch may have ended before the store
    /// knew.
    fn retire_where(&mut self, all: bool) {
        let streams = self.channels.values().flat_map(|channel| channel.streams.values());
        let writers: Vec<LogId> = streams.filter_map(|stream| stream.writer()).collect();
        for writer in writers {
            let stamp = self.logs.get(&writer).map(|log| log.stored.stamp);
            if all || stamp > Some(self.clock.last()) || self.is_followed(&writer) {
                self.retire(writer);
            }
        }
    }

    /// Whether we began a later epoch after this one: it was closed, only its claim outlived that.
    fn is_followed(&self, id: &LogId) -> bool {
        let Some(log) = self.logs.get(id) else { return false };
        let logs = self.stream_of(log).into_iter().flat_map(|stream| self.logs.of(stream.logs));
        let mut own = logs.filter(|other| other.author == log.author && other.branch().is_none());
        own.any(|other| other.epoch.generation() > log.epoch.generation())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{Command, CommandId, Effect, Input, NodeConfig};
    use crate::{
        ChannelId, ChannelRecord, Epoch, NewPayload, NodeId, NodeRecord, StoreRequest, StreamId, Tick, Turn,
        WallMs,
    };

    /// The claim a node goes on with whose record names the first generation.
    fn claim_of(generations: &[u16]) -> Option<Epoch> {
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
        let node = started(generations, None);
        node.channels[&channel].streams[&stream].record.writer
    }

    /// A node that holds these generations of its log, which end there.
    fn started(generations: &[u16], turn: Option<Turn>) -> Node {
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
        let author = NodeId::new("me").unwrap();
        let (members, payload_limit) = ([author.clone()].into(), 1024);
        let writer = Some(Epoch::new(1, 7));
        let record = StreamRecord { writer, ..StreamRecord::new(stream.clone()) };
        let head = |generation: &u16| {
            let (channel, stream, author) = (channel.clone(), stream.clone(), author.clone());
            let epoch = Epoch::new(*generation, 7);
            LogHead { turn, ..LogHead::empty(LogName { channel, stream, author, epoch, branch: None }) }
        };
        let inventory = Inventory {
            channels: vec![(ChannelRecord { id: channel.clone(), members, payload_limit }, vec![record])],
            heads: generations.iter().map(head).collect(),
            ..Inventory::default()
        };
        let record = NodeRecord::new(author.clone());
        let boot = Boot::new(record, inventory, NodeConfig::default(), 1, [0; 32]);
        Node::new(Now { tick: Tick(0), wall: WallMs(1) }, boot)
    }

    #[test]
    fn an_epoch_that_was_followed_by_another_is_not_continued() {
        assert!(claim_of(&[1]).is_some());
        assert_eq!(claim_of(&[1, 2]), None, "it was closed, and the store was not told in time");
    }

    /// Power may go between the end of a log and the record that withdraws its claim.
    #[test]
    fn an_epoch_that_ended_is_not_written_to() {
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
        let appended_to = |turn: Option<Turn>| {
            let now = Now { tick: Tick(1), wall: WallMs(2) };
            let mut node = started(&[1], turn);
            let (channel, stream, payloads) = (channel.clone(), stream.clone(), vec![NewPayload::new("x")]);
            node.handle(now, Input::Command { id: CommandId(1), command: Command::Start });
            let append = Command::Append { channel, stream, payloads };
            node.handle(now, Input::Command { id: CommandId(2), command: append });
            node.handle(now, Input::StoreReady);
            std::iter::from_fn(|| node.poll_effect()).find_map(|effect| match effect {
                Effect::Store { request: StoreRequest::Commit { items, .. }, .. } => {
                    items.first().map(|item| item.log().epoch.generation())
                }
                _ => None,
            })
        };
        assert_eq!(appended_to(None), Some(1));
        let author = NodeId::new("me").unwrap();
        let (channel, stream) = (channel.clone(), stream.clone());
        let root = LogName { channel, stream, author, epoch: Epoch::new(1, 7), branch: None };
        assert_eq!(appended_to(Some(Turn { at: 1, prev: root.root(), first: None })), Some(2));
    }
}
