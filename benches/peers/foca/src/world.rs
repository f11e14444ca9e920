//! Nodes, and the network between them, in virtual time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use foca::Timer;
use gossip_testkit::swarm::{Plan, Purpose};

use crate::node::{Id, Message, Node, Want};

/// Datagrams a blocked process finds in its sockets afterwards, each way; the others are gone.
const HELD: usize = 4_096;

/// Since the beginning.
pub(crate) type Time = Duration;

enum Happening {
    Start(usize),
    Arrive { to: usize, datagram: Bytes },
    Due { node: usize, timer: Timer<Id> },
}

#[derive(Default)]
struct Held {
    arrived: VecDeque<Bytes>,
    sent: VecDeque<(usize, Bytes)>,
}

#[derive(Default)]
struct Host {
    node: Option<Node>,
    /// While it is blocked.
    held: Option<Held>,
}

/// What was handed to sockets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Meter {
    pub(crate) datagrams: u64,
    pub(crate) bytes: u64,
    /// Messages in them, repeated ones too.
    pub(crate) copies: u64,
}

/// A node told that another is there, or is not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) at: Time,
    pub(crate) observer: usize,
    pub(crate) subject: usize,
    pub(crate) is_there: bool,
}

/// A message, and when it came to each node.
pub(crate) struct Sent {
    pub(crate) at: Time,
    pub(crate) sender: usize,
    pub(crate) reached: Vec<Option<Time>>,
}

/// Everything there is.
pub(crate) struct World {
    pub(crate) plan: Plan,
    pub(crate) now: Time,
    pub(crate) meter: Meter,
    pub(crate) changes: Vec<Change>,
    pub(crate) sent: Vec<Sent>,
    /// Even and odd nodes do not hear each other.
    pub(crate) is_split: bool,
    /// Ordered pairs of which the first holds that the second is there.
    pub(crate) reachable: usize,
    views: Vec<bool>,
    hosts: Vec<Host>,
    calendar: BTreeMap<(Time, u64), Happening>,
    planned: u64,
    /// How often it was drawn whether a datagram is lost.
    drawn: u64,
}

impl World {
    /// Nodes that know each other, after so long.
    pub(crate) fn settled(plan: Plan, time: Duration) -> Self {
        let mut world = Self {
            plan,
            now: Time::ZERO,
            meter: Meter::default(),
            changes: Vec::new(),
            sent: Vec::new(),
            is_split: false,
            reachable: 0,
            views: vec![false; plan.nodes * plan.nodes],
            hosts: (0..plan.nodes).map(|_| Host::default()).collect(),
            calendar: BTreeMap::new(),
            planned: 0,
            drawn: 0,
        };
        (0..plan.nodes).for_each(|node| world.plan_at(plan.start(node), Happening::Start(node)));
        world.pass(time);
        world.changes.clear();
        world
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.run_until(self.now + time);
    }

    pub(crate) fn run_until(&mut self, until: Time) {
        while self.step(until) {}
    }

    /// Lets time pass until so many pairs are reachable again; notes when.
    pub(crate) fn run_until_whole(&mut self, pairs: usize, until: Time, whole: &mut Option<Time>) {
        while whole.is_none() {
            if self.reachable >= pairs {
                *whole = Some(self.now);
            } else if !self.step(until) {
                return;
            }
        }
    }

    /// Lets the next thing happen; false, and it is then, when there is none until then.
    fn step(&mut self, until: Time) -> bool {
        match self.calendar.first_entry().filter(|first| first.key().0 <= until) {
            Some(first) => {
                let ((at, _), happening) = first.remove_entry();
                self.now = at;
                self.happen(happening);
                true
            }
            None => {
                self.now = until;
                false
            }
        }
    }

    pub(crate) fn is_up(&self, node: usize) -> bool {
        self.hosts[node].node.is_some()
    }

    /// Who holds that this one is there.
    pub(crate) fn observers(&self, subject: usize) -> Vec<usize> {
        (0..self.plan.nodes).filter(|observer| self.views[observer * self.plan.nodes + subject]).collect()
    }

    pub(crate) fn crash(&mut self, node: usize) {
        self.hosts[node] = Host::default();
    }

    /// A process cannot do I/O from now on, while its timers run.
    pub(crate) fn block(&mut self, node: usize) {
        self.hosts[node].held.get_or_insert_default();
    }

    /// It can again: what it wanted to send goes out, then what came is read.
    pub(crate) fn unblock(&mut self, node: usize) {
        let Some(Held { arrived, sent }) = self.hosts[node].held.take() else { return };
        sent.into_iter().for_each(|(to, datagram)| self.transmit(node, to, datagram));
        arrived.into_iter().for_each(|datagram| self.give(node, |node| node.hear(&datagram)));
    }

    /// A node says a message.
    pub(crate) fn send_message(&mut self, node: usize) {
        let message = Message(self.sent.len() as u32);
        self.sent.push(Sent { at: self.now, sender: node, reached: vec![None; self.plan.nodes] });
        self.give(node, |node| node.say(message));
    }

    fn plan_at(&mut self, at: Time, happening: Happening) {
        self.planned += 1;
        self.calendar.insert((at, self.planned), happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start(node) => {
                let seed = self.plan.mix(Purpose::Nodes, node as u64);
                self.hosts[node].node = Some(Node::new(node, self.plan.nodes as u32, seed));
                self.give(node, |_| {});
            }
            Happening::Due { node, timer } => self.give(node, |node| node.due(timer)),
            Happening::Arrive { to, datagram } => match &mut self.hosts[to].held {
                Some(held) if held.arrived.len() < HELD => held.arrived.push_back(datagram),
                Some(_) => {}
                None => self.give(to, |node| node.hear(&datagram)),
            },
        }
    }

    /// Gives a node something, and does what it wants then.
    fn give(&mut self, at: usize, what: impl FnOnce(&mut Node)) {
        let Some(node) = &mut self.hosts[at].node else { return };
        what(node);
        while let Some(want) = self.hosts[at].node.as_mut().and_then(Node::want) {
            match want {
                Want::Send(to, datagram) => self.send(at, to, datagram),
                Want::Schedule(after, timer) => {
                    self.plan_at(self.now + after, Happening::Due { node: at, timer })
                }
                Want::Told(subject, is_there) => self.note(at, subject, is_there),
                Want::Delivered(message) => {
                    self.sent[message.0 as usize].reached[at].get_or_insert(self.now);
                }
            }
        }
    }

    fn note(&mut self, observer: usize, subject: usize, is_there: bool) {
        let view = &mut self.views[observer * self.plan.nodes + subject];
        self.reachable = self.reachable + usize::from(is_there) - usize::from(*view);
        *view = is_there;
        self.changes.push(Change { at: self.now, observer, subject, is_there });
    }

    fn send(&mut self, from: usize, to: usize, datagram: Bytes) {
        self.meter.datagrams += 1;
        self.meter.bytes += datagram.len() as u64;
        self.meter.copies += Message::count(&datagram);
        match &mut self.hosts[from].held {
            Some(held) if held.sent.len() < HELD => held.sent.push_back((to, datagram)),
            Some(_) => {}
            None => self.transmit(from, to, datagram),
        }
    }

    fn transmit(&mut self, from: usize, to: usize, datagram: Bytes) {
        let is_parted = self.is_split && from % 2 != to % 2;
        self.drawn += 1;
        let is_lost = self.plan.mix(Purpose::Loss, self.drawn) % 1_000 < self.plan.loss;
        if !is_parted && !is_lost {
            self.plan_at(self.now + self.plan.latency(from, to), Happening::Arrive { to, datagram });
        }
    }
}
