//! Some nodes with links between them that take time, lose frames and are cut, and nothing else: how they come
//! to know who is there.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::node::members::Members;
use crate::{MemberKey, MemberState, Rng};

pub(super) const SECOND: Duration = Duration::from_secs(1);

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A frame under way.
struct Flight {
    at: Tick,
    to: usize,
    input: Input,
}

/// Nodes `n0`, `n1` and so on, that share one channel.
pub(super) struct Ring {
    pub(super) nodes: Vec<Node>,
    pub(super) now: Tick,
    /// One way, between any two.
    pub(super) delay: Duration,
    /// Other delays, both ways.
    pub(super) delays: BTreeMap<(usize, usize), Duration>,
    /// In a thousand.
    pub(super) loss: u64,
    /// Links tell by themselves when the other side is gone.
    pub(super) notices_loss: bool,
    /// Ways on which nothing arrives,
    pub(super) cut: BTreeSet<(usize, usize)>,
    /// and links.
    pub(super) deaf: BTreeSet<LinkId>,
    /// Nodes that cannot send or receive, and what waits for them.
    blocked: BTreeMap<usize, Vec<(bool, Flight)>>,
    /// Nodes whose timers wait too.
    stopped: BTreeSet<usize>,
    /// Nodes that are gone.
    pub(super) dead: BTreeSet<usize>,
    /// Nodes can dial each other.
    pub(super) dials: bool,
    flights: BTreeMap<(Tick, u64), Flight>,
    sent: u64,
    rng: Rng,
    /// What applications were told of others.
    pub(super) told: Vec<(Duration, usize, usize, PeerStatus)>,
    /// Whether they were told of a link, at whom and to whom.
    pub(super) linked: Vec<(usize, usize, bool)>,
    /// Who wanted another way beside a link, and when.
    pub(super) renewed: Vec<(Duration, usize, LinkId)>,
    /// What was said: when, from whom, to whom.
    pub(super) said: Vec<(Duration, usize, usize, Message)>,
}

/// Every two nodes have one link, of this name at both ends.
pub(super) fn link(one: usize, other: usize) -> LinkId {
    LinkId((one.min(other) * 1_000 + one.max(other)) as u64)
}

/// Some have another one.
pub(super) fn second_link(one: usize, other: usize) -> LinkId {
    LinkId(link(one, other).0 + 1_000_000)
}

fn ends(id: LinkId) -> (usize, usize) {
    (id.0 as usize / 1_000 % 1_000, id.0 as usize % 1_000)
}

fn other_end(at: usize, id: LinkId) -> usize {
    let (one, other) = ends(id);
    if at == one { other } else { one }
}

pub(super) fn name(number: usize) -> NodeId {
    NodeId::new(format!("n{number}")).unwrap()
}

fn number(id: &NodeId) -> usize {
    id.as_str()[1..].parse().unwrap()
}

impl Ring {
    /// Nodes that are all linked with each other, and have been for a while.
    pub(super) fn new(count: usize) -> Self {
        Self::with_links(count, |_, _| true)
    }

    pub(super) fn with_links(count: usize, is_linked: impl Fn(usize, usize) -> bool) -> Self {
        let mut ring = Self::unlinked(count);
        for (one, other) in (0..count).flat_map(|one| (0..one).map(move |other| (one, other))) {
            if is_linked(one, other) {
                ring.link_up(one, other);
            }
        }
        ring.run(SECOND * 20);
        ring.forget();
        ring
    }

    pub(super) fn unlinked(count: usize) -> Self {
        let nodes = (0..count).map(|number| lone(number, count)).collect();
        let mut ring = Self {
            nodes,
            now: Tick(1),
            delay: millis(15),
            delays: BTreeMap::new(),
            notices_loss: false,
            loss: 0,
            cut: BTreeSet::new(),
            deaf: BTreeSet::new(),
            blocked: BTreeMap::new(),
            stopped: BTreeSet::new(),
            dead: BTreeSet::new(),
            dials: false,
            flights: BTreeMap::new(),
            sent: 0,
            rng: Rng::new(7),
            told: Vec::new(),
            linked: Vec::new(),
            renewed: Vec::new(),
            said: Vec::new(),
        };
        for at in 0..count {
            ring.give(at, Input::Command { id: CommandId(1), command: Command::Start });
        }
        ring
    }

    pub(super) fn link_up(&mut self, one: usize, other: usize) {
        self.link_up_as(link(one, other), one, other);
    }

    pub(super) fn link_up_as(&mut self, link: LinkId, one: usize, other: usize) {
        self.link_up_at(one, link, other);
        self.link_up_at(other, link, one);
    }

    pub(super) fn link_up_at(&mut self, at: usize, link: LinkId, peer: usize) {
        let notices_loss = self.notices_loss;
        let limits = LinkLimits { max_frame: 1_200, cost: 1, ordered: false, reliable: false, notices_loss };
        self.give(at, Input::LinkUp { peer: name(peer), link, limits });
    }

    pub(super) fn forget(&mut self) {
        self.told.clear();
        self.linked.clear();
        self.renewed.clear();
        self.said.clear();
    }

    /// Nothing passes between two, neither way.
    pub(super) fn part(&mut self, one: usize, other: usize) {
        self.cut.extend([(one, other), (other, one)]);
    }

    /// A node can neither send nor receive for a while; what came in order waits.
    pub(super) fn block(&mut self, at: usize) {
        self.blocked.insert(at, Vec::new());
    }

    pub(super) fn unblock(&mut self, at: usize) {
        for (is_in, flight) in self.blocked.remove(&at).unwrap_or_default() {
            let pause = if is_in { Duration::ZERO } else { self.delay };
            self.fly(Flight { at: self.now + pause, ..flight });
        }
    }

    /// A process is stopped: what comes waits, and its timers do.
    pub(super) fn stop(&mut self, at: usize) {
        self.stopped.insert(at);
        self.block(at);
    }

    pub(super) fn go_on(&mut self, at: usize) {
        self.stopped.remove(&at);
        self.unblock(at);
    }

    fn fly(&mut self, flight: Flight) {
        self.sent += 1;
        self.flights.insert((flight.at, self.sent), flight);
    }

    pub(super) fn give(&mut self, at: usize, input: Input) {
        if self.dead.contains(&at) {
            return;
        }
        self.nodes[at].handle(Now { tick: self.now, wall: WallMs(1) }, input);
        while let Some(effect) = self.nodes[at].poll_effect() {
            match effect {
                Effect::Send { link, frame, .. } => self.send(at, link, frame.into_bytes()),
                Effect::Store { op, .. } => {
                    let result = Ok(StoreReply::Saved);
                    self.fly(Flight { at: self.now, to: at, input: Input::Stored { op, result } });
                }
                Effect::Notify(Event::PeerStatusChanged(id, status)) => {
                    self.told.push((self.now.since(Tick(0)), at, number(&id), status));
                }
                Effect::Notify(Event::LinkUp(id)) => self.linked.push((at, number(&id), true)),
                Effect::Notify(Event::LinkDown(id)) => self.linked.push((at, number(&id), false)),
                Effect::Dial { peer, .. } if self.dials => self.dial(at, number(&peer)),
                Effect::Close { link } => self.close(at, link),
                Effect::Renew(link) => self.renewed.push((self.now.since(Tick(0)), at, link)),
                _ => {}
            }
        }
    }

    fn dial(&mut self, from: usize, to: usize) {
        if [from, to].iter().all(|at| !self.nodes[*at].links.contains_key(&link(from, to))) {
            self.link_up(from, to);
        }
    }

    fn close(&mut self, at: usize, id: LinkId) {
        let to = other_end(at, id);
        self.fly(Flight { at: self.now + self.delay, to, input: Input::LinkDown { link: id } });
    }

    fn send(&mut self, from: usize, id: LinkId, bytes: bytes::Bytes) {
        let to = other_end(from, id);
        if let Ok(Content::Whole(message)) = read(&bytes) {
            self.said.push((self.now.since(Tick(0)), from, to, message));
        }
        let is_lost = self.rng.chance(self.loss);
        if is_lost || self.cut.contains(&(from, to)) || self.deaf.contains(&id) {
            return;
        }
        let delay = self.delays.get(&ends(id)).copied().unwrap_or(self.delay);
        let flight = Flight { at: self.now + delay, to, input: Input::Frame { link: id, bytes } };
        match self.blocked.get_mut(&from) {
            Some(held) => held.push((false, flight)),
            None => self.fly(flight),
        }
    }

    pub(super) fn run(&mut self, lasting: Duration) {
        let until = self.now + lasting;
        loop {
            let runs = |at: &usize| !self.dead.contains(at) && !self.stopped.contains(at);
            let alive = (0..self.nodes.len()).filter(runs);
            let due = alive.filter_map(|at| Some((self.nodes[at].deadline()?, at))).min();
            let flight = self.flights.first_key_value().map(|((at, _), _)| *at);
            let Some(next) = due.map(|(at, _)| at).into_iter().chain(flight).min() else { break };
            if next > until {
                break;
            }
            self.now = self.now.max(next);
            match flight.filter(|at| *at <= next) {
                Some(_) => self.land(),
                None => due.into_iter().for_each(|(_, at)| self.give(at, Input::Deadline)),
            }
        }
        self.now = until;
    }

    fn land(&mut self) {
        let Some((_, flight)) = self.flights.pop_first() else { return };
        let is_frame = matches!(flight.input, Input::Frame { .. });
        match self.blocked.get_mut(&flight.to).filter(|_| is_frame) {
            Some(held) => held.push((true, flight)),
            None => self.give(flight.to, flight.input),
        }
    }

    pub(super) fn members(&self, at: usize) -> &Members {
        &self.nodes[at].members
    }

    /// What one node holds of another.
    pub(super) fn state(&self, at: usize, of: usize) -> Option<MemberState> {
        let members = self.members(at);
        members.find(MemberKey::of(&name(of))).and_then(|slot| members.get(slot)).map(|member| member.state)
    }

    /// What one application was told of another node.
    pub(super) fn statuses(&self, at: usize, of: usize) -> Vec<PeerStatus> {
        let told = self.told.iter().filter(|(_, by, about, _)| (*by, *about) == (at, of));
        told.map(|(.., status)| *status).collect()
    }

    /// Messages of a kind from one node to another.
    pub(super) fn sent(&self, from: usize, kind: &str) -> Vec<(Duration, usize)> {
        let of_kind = self.said.iter().filter(|(_, by, _, said)| *by == from && said.name() == kind);
        of_kind.map(|(at, _, to, _)| (*at, *to)).collect()
    }

    pub(super) fn time(&self) -> Duration {
        self.now.since(Tick(0))
    }
}

fn lone(number: usize, count: usize) -> Node {
    let members = (0..count).map(name).collect();
    let channel = ChannelRecord { id: ChannelId::new("c").unwrap(), members, payload_limit: 1024 };
    let stream = StreamRecord::new(StreamId::new("s").unwrap());
    let inventory = Inventory { channels: vec![(channel, vec![stream])], ..Inventory::default() };
    let (seed, secret) = (number as u64, [number as u8; 32]);
    let boot = Boot::new(NodeRecord::new(name(number)), inventory, NodeConfig::default(), seed, secret);
    Node::new(Now { tick: Tick(0), wall: WallMs(1) }, boot)
}
