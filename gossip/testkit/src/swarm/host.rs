//! One machine: a node while it runs, a store in memory that answers at once, and an interface that may be
//! blocked.

use std::collections::VecDeque;

use gossip_proto::node::{Boot, Node, NodeConfig};
use gossip_proto::{
    ChannelId, ChannelRecord, Durability, NodeId, Now, Rng, StreamId, StreamRecord, Tick, WallMs,
};

use super::plan::{Plan, Purpose};
use super::world::Arrival;
use crate::sim::disk::Volume;

/// Where every wall clock stands when the simulation begins.
const DAWN: u64 = 1_700_000_000_000;
/// Packets a blocked process finds in its sockets afterwards, each way; the others are gone.
const HELD: usize = 4_096;

/// What waits while a process cannot do I/O.
#[derive(Debug, Default)]
pub(super) struct Held {
    pub(super) arrived: VecDeque<Arrival>,
    pub(super) sent: VecDeque<Arrival>,
}

impl Held {
    pub(super) fn keep_arrived(&mut self, arrival: Arrival) {
        if self.arrived.len() < HELD {
            self.arrived.push_back(arrival);
        }
    }

    pub(super) fn keep_sent(&mut self, arrival: Arrival) {
        if self.sent.len() < HELD {
            self.sent.push_back(arrival);
        }
    }
}

/// One machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) id: NodeId,
    pub(super) node: Option<Node>,
    /// Counts starts, so that what was meant for an earlier life is not delivered.
    pub(super) life: u32,
    /// For which deadline a happening is planned.
    pub(super) armed: Option<Tick>,
    pub(super) volume: Volume,
    /// Set while it is blocked.
    pub(super) held: Option<Held>,
}

impl Host {
    pub(super) fn new(index: usize, channel: &ChannelId, stream: &StreamId) -> Self {
        let id = name(index);
        let mut volume = Volume::new(id.clone(), index as u64 + 1);
        let members = [id.clone()].into();
        let record = ChannelRecord { id: channel.clone(), members, payload_limit: 1 << 20 };
        volume.channels.insert(channel.clone(), record);
        volume.streams.insert((channel.clone(), stream.clone()), StreamRecord::new(stream.clone()));
        Self { id, node: None, life: 0, armed: None, volume, held: None }
    }

    /// A node that goes on from what the store holds.
    pub(super) fn start(&mut self, plan: Plan, index: usize, tick: Tick) {
        self.life += 1;
        let mut rng = Rng::new(plan.mix(Purpose::Nodes, (index as u64) << 32 | u64::from(self.life)));
        let mut secret = [0; 32];
        for part in secret.chunks_mut(8) {
            part.copy_from_slice(&rng.next_u64().to_le_bytes());
        }
        let inventory = self.volume.inventory(Durability::Sync, false);
        let (record, config) = (self.volume.record.clone(), NodeConfig::default());
        let boot = Boot::new(record, inventory, config, rng.next_u64(), secret);
        self.armed = None;
        self.node = Some(Node::new(now(tick), boot));
    }

    /// The process and all its memory are gone; what it committed is not.
    pub(super) fn halt(&mut self) {
        (self.node, self.armed, self.held) = (None, None, None);
    }

    pub(super) fn is_up(&self) -> bool {
        self.node.is_some()
    }
}

/// All clocks are right.
pub(super) fn now(tick: Tick) -> Now {
    Now { tick, wall: WallMs(DAWN + tick.0 / 1_000) }
}

/// What the nodes are called.
pub(super) fn name(index: usize) -> NodeId {
    NodeId::new(format!("n{index}")).expect("a node id")
}

/// The number in a name.
pub(super) fn number(id: &NodeId) -> usize {
    id.as_str()[1..].parse().expect("a name of this network")
}
