//! Who is idle reserves no memory: beats are said and heard by what there is.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use allocation_counter::measure;
use gossip_proto::node::{Boot, Command, CommandId, Effect, Input, LinkId, LinkLimits, Node, NodeConfig};
use gossip_proto::{
    ChannelId, ChannelRecord, Inventory, MemberRow, NodeId, NodeRecord, Now, StoreReply, Tick, WallMs,
};

/// A large group; each is linked to all, so that nobody misses a link.
const NODES: usize = 12;
const LIMITS: LinkLimits =
    LinkLimits { max_frame: 1_200, ordered: false, reliable: false, notices_loss: false, cost: 1 };
/// One way, in microseconds.
const DELAY: u64 = 20_000;
/// All have met, what there was to remember is written, and what grows with use has grown.
const WARM: u64 = 600_000_000;
/// Type of a beat.
const BEAT: u8 = 26;

fn id(index: usize) -> NodeId {
    NodeId::new(format!("n{index}")).expect("a node id")
}

/// A node that knows the others from before.
fn node(index: usize) -> Node {
    let record = NodeRecord::new(id(index));
    let channel = ChannelRecord {
        id: ChannelId::new("c").expect("a channel id"),
        members: [id(index)].into(),
        payload_limit: 1 << 20,
    };
    let inventory = Inventory { channels: vec![(channel, Vec::new())], ..Inventory::default() };
    let config = NodeConfig::default();
    let boot = Boot::new(record, inventory, config, index as u64, [index as u8; 32]);
    let row = |other| MemberRow { id: id(other), incarnation: 0, instance: 0, addresses: Vec::new() };
    let members = (0..NODES).filter(|other| *other != index).map(row).collect();
    Node::new(now(Tick(0)), Boot { members, ..boot })
}

fn now(tick: Tick) -> Now {
    Now { tick, wall: WallMs(1_700_000_000_000 + tick.0 / 1_000) }
}

/// Nodes, links without loss, and virtual time.
struct Ring {
    nodes: Vec<Node>,
    /// Where each link leads, from each of its ends.
    links: BTreeMap<(usize, LinkId), usize>,
    /// Frames on their way, by the time they arrive and the order they were sent in.
    flying: BinaryHeap<Reverse<(Tick, usize, usize, LinkId)>>,
    frames: Vec<Option<bytes::Bytes>>,
    /// Effects of one turn, in memory that is there.
    effects: Vec<Effect>,
    /// Beats said, and other frames.
    beats: usize,
    others: usize,
    /// Memory reserved by nodes in turns of beats alone, and in others.
    reserved: u64,
    reserved_else: u64,
}

impl Ring {
    fn new() -> Self {
        let mut ring = Self {
            nodes: (0..NODES).map(node).collect(),
            links: BTreeMap::new(),
            flying: BinaryHeap::new(),
            frames: Vec::new(),
            effects: Vec::with_capacity(256),
            beats: 0,
            others: 0,
            reserved: 0,
            reserved_else: 0,
        };
        for index in 0..NODES {
            ring.give(Tick(0), index, Input::Command { id: CommandId(1), command: Command::Start });
        }
        for (from, to) in (0..NODES).flat_map(|from| (0..from).map(move |to| (from, to))) {
            let link = LinkId((from * NODES + to) as u64);
            for (end, other) in [(from, to), (to, from)] {
                ring.links.insert((end, link), other);
                ring.give(Tick(0), end, Input::LinkUp { peer: id(other), link, limits: LIMITS });
            }
        }
        ring
    }

    /// One turn of a node: only that is counted.
    fn give(&mut self, at: Tick, index: usize, input: Input) {
        let hears_beat = matches!(&input, Input::Frame { bytes, .. } if bytes[1] == BEAT);
        let (beats, others) = (self.beats, self.others);
        let (node, effects) = (&mut self.nodes[index], &mut self.effects);
        let spent = measure(|| {
            node.handle(now(at), input);
            while let Some(effect) = node.poll_effect() {
                effects.push(effect);
            }
        });
        for effect in std::mem::replace(&mut self.effects, Vec::with_capacity(256)) {
            self.carry_out(at, index, effect);
        }
        let is_beat = self.others == others && (hears_beat || self.beats > beats);
        match is_beat {
            true => self.reserved += spent.count_total,
            false => self.reserved_else += spent.count_total,
        }
    }

    fn carry_out(&mut self, at: Tick, index: usize, effect: Effect) {
        match effect {
            Effect::Send { link, frame, .. } => {
                let (to, frame) = (self.links[&(index, link)], frame.into_bytes());
                self.beats += usize::from(frame[1] == BEAT);
                self.others += usize::from(frame[1] != BEAT);
                self.flying.push(Reverse((Tick(at.0 + DELAY), self.frames.len(), to, link)));
                self.frames.push(Some(frame));
            }
            Effect::Store { op, .. } => {
                self.give(at, index, Input::Stored { op, result: Ok(StoreReply::Saved) });
            }
            _ => {}
        }
    }

    /// What happens next, until then.
    fn step(&mut self, until: Tick) -> bool {
        let due = (0..NODES).filter_map(|index| Some((self.nodes[index].deadline()?, index))).min();
        let arrival = self.flying.peek().map(|Reverse((at, ..))| *at);
        let next = arrival.into_iter().chain(due.map(|(at, _)| at)).min().filter(|at| *at <= until);
        match (next, due) {
            (None, _) => return false,
            (Some(at), Some((due, index))) if due <= at => self.give(at, index, Input::Deadline),
            (Some(at), _) => {
                let Some(Reverse((_, number, to, link))) = self.flying.pop() else { return false };
                let bytes = self.frames[number].take().expect("arrives once");
                self.give(at, to, Input::Frame { link, bytes });
            }
        }
        true
    }

    fn run_until(&mut self, until: Tick) {
        while self.step(until) {}
    }
}

#[test]
fn ten_thousand_idle_beats_reserve_no_memory() {
    let mut ring = Ring::new();
    ring.run_until(Tick(WARM));
    assert!(ring.reserved_else > 0, "meeting others does");
    (ring.beats, ring.others, ring.reserved) = (0, 0, 0);
    let mut until = Tick(WARM);
    while ring.beats < 10_000 {
        until = Tick(until.0 + 1_000_000);
        ring.run_until(until);
    }
    assert!(until.0 < WARM + 1_000_000_000, "a beat of each node in about a second: {until:?}");
    assert_eq!(ring.reserved, 0);
    // Rounds on links that nobody watches, every few minutes.
    assert!(ring.others < ring.beats / 20, "{} of {}", ring.others, ring.beats);
}
