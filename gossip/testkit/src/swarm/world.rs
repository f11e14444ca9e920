//! The swarm: nodes driven through their doors, and a network between them, in virtual time on one thread.
//!
//! Nothing in here looks at all nodes or all links when something happens to one of them.

use std::collections::VecDeque;

use bytes::Bytes;
use gossip_proto::node::{Command, CommandId, Input, LinkId};
use gossip_proto::{ChannelId, NewPayload, StreamId, Tick};

use super::air::Air;
use super::calendar::Calendar;
use super::deliveries::Deliveries;
use super::host::{Held, Host};
use super::links::{self, Links, Side, Welcome};
use super::meter::{Meter, Spent, Window};
use super::plan::Plan;
use super::views::Views;

/// Bytes of a message.
const PAYLOAD: usize = 100;

/// Something that comes to one end of a link.
#[derive(Debug)]
pub(super) struct Arrival {
    pub(super) link: LinkId,
    pub(super) side: Side,
    pub(super) what: Came,
}

#[derive(Debug)]
pub(super) enum Came {
    Frame(Bytes),
    /// The other end closed it.
    Closed,
}

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    Start { host: usize },
    Due { host: usize },
    Arrive(Arrival),
}

/// Everything there is.
#[derive(Debug)]
pub(super) struct Swarm {
    pub(super) plan: Plan,
    pub(super) air: Air,
    pub(super) views: Views,
    pub(super) deliveries: Deliveries,
    pub(super) calendar: Calendar<Happening>,
    pub(super) hosts: Vec<Host>,
    pub(super) links: Links,
    pub(super) meter: Meter,
    pub(super) place: (ChannelId, StreamId),
    pub(super) commands: u64,
    /// What a node's own store and transport tell it within one turn.
    pub(super) inbox: VecDeque<Input>,
}

impl Swarm {
    /// Nodes that start within the first second, each at its time.
    pub(super) fn new(plan: Plan) -> Self {
        let place = (ChannelId::new("c").expect("a channel id"), StreamId::new("s").expect("a stream id"));
        let mut swarm = Self {
            plan,
            air: Air::new(plan),
            views: Views::new(plan.nodes),
            deliveries: Deliveries::new(plan.nodes),
            calendar: Calendar::default(),
            hosts: (0..plan.nodes).map(|index| Host::new(index, &place.0, &place.1)).collect(),
            links: Links::default(),
            meter: Meter::new(plan.nodes),
            place,
            commands: 0,
            inbox: VecDeque::new(),
        };
        for host in 0..plan.nodes {
            swarm.calendar.plan(Tick(0) + plan.start(host), Happening::Start { host });
        }
        swarm
    }

    pub(super) fn now(&self) -> Tick {
        self.calendar.now()
    }

    pub(super) fn is_up(&self, host: usize) -> bool {
        self.hosts[host].is_up()
    }

    /// Lets time pass.
    pub(super) fn run_until(&mut self, until: Tick) {
        self.run_while(until, |_| true);
    }

    /// Lets time pass while something holds; whether it held to the end.
    pub(super) fn run_while(&mut self, until: Tick, mut holds: impl FnMut(&Self) -> bool) -> bool {
        while holds(self) {
            match self.calendar.next(until) {
                Some(happening) => self.happen(happening),
                None => return true,
            }
        }
        false
    }

    pub(super) fn open_window(&self) -> Window {
        Window::open(self.now(), &self.meter)
    }

    pub(super) fn close_window(&self, window: Window) -> Spent {
        window.close(self.now(), &self.meter)
    }

    /// A node starts, for the first time or again.
    pub(super) fn start(&mut self, host: usize) {
        let now = self.now();
        self.views.forget(host);
        self.hosts[host].start(self.plan, host, now);
        self.command(host, Command::Start);
        self.command(host, Command::SetAddresses(vec![links::address(host)]));
    }

    /// A machine is gone without a word.
    pub(super) fn crash(&mut self, host: usize) {
        self.hosts[host].halt();
    }

    /// A process cannot do I/O from now on, while its timers run.
    pub(super) fn block(&mut self, host: usize) {
        self.hosts[host].held.get_or_insert_default();
    }

    /// It can again: what it wanted to send goes out, then what came is read.
    pub(super) fn unblock(&mut self, host: usize) {
        let Some(Held { arrived, sent }) = self.hosts[host].held.take() else { return };
        sent.into_iter().for_each(|arrival| self.transmit(arrival));
        arrived.into_iter().for_each(|arrival| self.arrive(arrival));
    }

    /// A node's transport dials an address: the link is up here at once.
    pub(super) fn dial(&mut self, host: usize, address: &str) {
        let Some(to) = links::dialled(address).filter(|to| *to != host && *to < self.hosts.len()) else {
            return;
        };
        if self.hosts[host].is_up() {
            let from = (host, self.hosts[host].life);
            let link = self.links.dial(from, to, self.plan.latency(host, to));
            self.link_up(host, link, to);
        }
    }

    /// A node appends a message.
    pub(super) fn send_message(&mut self, host: usize) {
        let (channel, stream) = self.place.clone();
        let mut payload = vec![0; PAYLOAD];
        payload[..8].copy_from_slice(&(self.commands + 1).to_le_bytes());
        let payloads = vec![NewPayload::new(payload)];
        self.command(host, Command::Append { channel, stream, payloads });
    }

    pub(super) fn command(&mut self, host: usize, command: Command) {
        self.commands += 1;
        self.feed(host, Input::Command { id: CommandId(self.commands), command });
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Start { host } => self.start(host),
            Happening::Due { host } => self.due(host),
            Happening::Arrive(arrival) => self.arrive(arrival),
        }
    }

    fn due(&mut self, index: usize) {
        let now = self.now();
        let host = &mut self.hosts[index];
        if host.armed != Some(now) {
            return;
        }
        host.armed = None;
        let deadline = host.node.as_ref().and_then(|node| node.deadline());
        if deadline.is_some_and(|at| at <= now) {
            self.feed(index, Input::Deadline);
        } else {
            self.arm(index);
        }
    }

    fn arrive(&mut self, arrival: Arrival) {
        let index = self.links.host(arrival.link, arrival.side);
        let host = &mut self.hosts[index];
        if !host.is_up() {
            return;
        }
        if let Some(held) = &mut host.held {
            return held.keep_arrived(arrival);
        }
        let Arrival { link, side, what } = arrival;
        let welcome = match &what {
            Came::Frame(_) => self.links.welcome(link, side, host.life),
            // One that never came up does not go down.
            Came::Closed if self.links.side_of(link, index, host.life).is_none() => Welcome::Nobody,
            Came::Closed => Welcome::Known,
        };
        if welcome == Welcome::New {
            let peer = self.links.host(link, 1 - side);
            self.link_up(index, link, peer);
        }
        match what {
            _ if welcome == Welcome::Nobody => {}
            Came::Frame(bytes) => self.feed(index, Input::Frame { link, bytes }),
            Came::Closed => {
                self.links.shut(link, side);
                self.feed(index, Input::LinkDown { link });
            }
        }
    }

    fn link_up(&mut self, host: usize, link: LinkId, peer: usize) {
        let peer = self.hosts[peer].id.clone();
        self.feed(host, Input::LinkUp { peer, link, limits: links::LIMITS });
    }

    /// Something goes out to the other end of a link.
    pub(super) fn transmit(&mut self, arrival: Arrival) {
        let Arrival { link, side, .. } = &arrival;
        let (now, from, to) = (self.now(), self.links.host(*link, 1 - side), self.links.host(*link, *side));
        // That a link ends is said in a datagram too.
        if self.air.passes(now, from, to) {
            self.calendar.plan(now + self.links.delay(*link), Happening::Arrive(arrival));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use gossip_proto::node::PeerStatus;

    use super::*;

    const PLAN: Plan = Plan { seed: 1, nodes: 3, loss: 0 };

    /// Two linked nodes and one alone, after two seconds.
    fn linked() -> Swarm {
        let mut swarm = Swarm::new(PLAN);
        swarm.run_until(Tick(1_000_000));
        swarm.dial(0, &links::address(1));
        swarm.run_until(Tick(2_000_000));
        swarm
    }

    #[test]
    fn a_link_is_one_latency_long() {
        let mut swarm = linked();
        assert_eq!(swarm.views.reachable(), 2);
        swarm.send_message(0);
        swarm.run_until(Tick(3_000_000));
        let sent = &swarm.deliveries.sent()[0];
        assert_eq!((sent.age_at(1), sent.age_at(2)), (Some(PLAN.latency(0, 1)), None));
    }

    #[test]
    fn who_is_blocked_holds_its_mail_and_goes_on() {
        let mut swarm = linked();
        swarm.block(1);
        swarm.send_message(0);
        swarm.send_message(1);
        swarm.run_until(Tick(4_000_000));
        assert_eq!(swarm.deliveries.delivered(), 0);
        swarm.unblock(1);
        assert!(swarm.deliveries.sent()[0].age_at(1).is_some_and(|age| age == Duration::from_secs(2)));
        swarm.run_until(Tick(5_000_000));
        assert_eq!(swarm.deliveries.delivered(), 2);
    }

    #[test]
    fn a_crash_is_silent_and_a_stop_is_not() {
        let mut swarm = linked();
        swarm.crash(1);
        swarm.run_until(Tick(2_500_000));
        assert_eq!(swarm.views.status(0, 1), Some(PeerStatus::Reachable));
        let mut swarm = linked();
        swarm.command(1, Command::Stop);
        swarm.run_until(Tick(2_500_000));
        assert_eq!(swarm.views.status(0, 1), Some(PeerStatus::Left));
    }

    #[test]
    fn whoever_loses_everything_does_not_hear_that_a_link_ends() {
        let mut swarm = linked();
        swarm.air = Air::new(Plan { loss: 1_000, ..PLAN });
        swarm.command(1, Command::Stop);
        swarm.run_until(Tick(2_500_000));
        assert_eq!(swarm.views.status(0, 1), Some(PeerStatus::Reachable));
    }

    #[test]
    fn a_new_life_does_not_hear_of_old_links() {
        let mut swarm = linked();
        swarm.crash(1);
        swarm.start(1);
        swarm.send_message(0);
        swarm.run_until(Tick(3_000_000));
        assert_eq!((swarm.deliveries.delivered(), swarm.views.status(1, 0)), (0, None));
        swarm.dial(1, &links::address(0));
        swarm.run_until(Tick(4_000_000));
        assert_eq!(swarm.deliveries.delivered(), 1);
    }
}
