//! The world: hosts, network, applications and virtual time on one thread.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use gossip_proto::node::{Class, Command, Effect, Input, LinkId, OpId};
use gossip_proto::wire::Content;
use gossip_proto::{CommitItem, LogId, NodeId, StoreRequest, Tick};

use super::calendar::{Calendar, Happening};
use super::choosy::Choosy;
use super::client::Client;
use super::coverage::Coverage;
use super::fact::{Fact, Scene};
use super::host::Host;
use super::invariants::Checks;
use super::liar::Liar;
use super::net::{Net, Port, Sent};
use super::plan::{HostPlan, Plan, rng_for};
use super::restore::Restore;
use super::stuck::Watch;
use super::trace::{Trace, short};
use super::twin::Twin;
use super::wiretap::{self, Wiretap};
use super::{storm, work};

/// Most effects a node may yield in one turn.
const MAX_EFFECTS: usize = 20_000;
/// Most deadlines served in a row without time moving on.
const MAX_SPINS: u32 = 200;
/// Most happenings of a seed.
const MAX_HAPPENINGS: u64 = 4_000_000;

/// Everything there is.
#[derive(Debug)]
pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) calendar: Calendar,
    pub(super) hosts: Vec<Host>,
    pub(super) net: Net,
    pub(super) client: Client,
    pub(super) checks: Checks,
    pub(super) trace: Trace,
    pub(super) coverage: Coverage,
    pub(super) storm: storm::Storm,
    pub(super) work: work::Work,
    pub(super) restore: Option<Restore>,
    pub(super) twin: Option<Twin>,
    pub(super) stuck: Watch,
    /// Logs of which two versions may come to be.
    pub(super) may_fork: BTreeSet<LogId>,
    /// Who lies, and how.
    pub(super) liar: Option<(usize, Liar)>,
    /// Applications that want other things all the time.
    pub(super) choosy: Option<Choosy>,
    wiretap: Wiretap,
    /// Happenings so far.
    happened: u64,
    /// Deadlines served so far.
    pub(super) deadlines: u64,
    /// Store operations not answered yet, with their bytes, for each host.
    pub(super) outstanding: Vec<BTreeMap<OpId, usize>>,
}

impl World {
    pub(super) fn new(plan: Plan, record: bool) -> Self {
        let seed = plan.seed;
        let host = |(index, host): (usize, &HostPlan)| {
            Host::new(host.clone(), plan.scheme, rng_for(seed, 100 + index as u64))
        };
        let mut world = Self {
            calendar: Calendar::default(),
            hosts: plan.hosts.iter().enumerate().map(host).collect(),
            net: Net::new(plan.edges.clone(), plan.storm, rng_for(seed, 2)),
            client: Client::new(&plan),
            checks: Checks::new(&plan),
            trace: Trace::new(record),
            coverage: Coverage::default(),
            storm: storm::Storm::new(rng_for(seed, 3)),
            work: work::Work::new(rng_for(seed, 4)),
            twin: Twin::draw(&plan).filter(|_| Restore::draw(&plan).is_none()),
            stuck: Watch::default(),
            may_fork: BTreeSet::new(),
            restore: Restore::draw(&plan),
            liar: plan.liar.map(|host| (host, Liar::new(rng_for(seed, 7)))),
            choosy: Choosy::draw(&plan),
            wiretap: Wiretap::default(),
            happened: 0,
            deadlines: 0,
            outstanding: vec![Default::default(); plan.hosts.len()],
            plan,
        };
        for host in 0..world.hosts.len() {
            world.calendar.plan(Tick(1_000 * host as u64), Happening::Boot { host });
        }
        world
    }

    pub(super) fn id(&self, host: usize) -> NodeId {
        self.hosts[host].plan.id.clone()
    }

    /// Lets time pass until `until`, or until something is wrong.
    pub(super) fn run_until(&mut self, until: Tick) {
        while self.checks.violation.is_none() {
            let Some(happening) = self.calendar.next(until) else { return };
            self.happened += 1;
            if self.happened > MAX_HAPPENINGS {
                self.checks.fail("quiescence", format!("more than {MAX_HAPPENINGS} happenings"));
            }
            self.happen(happening);
        }
    }

    /// Shows the invariants a fact about a host.
    pub(super) fn show(&mut self, host: usize, fact: Fact<'_>) {
        let it = &self.hosts[host];
        let now = it.now(self.calendar.now());
        self.checks.see(&Scene { host, id: &it.plan.id, now, volume: &it.disk.volume, fact });
    }

    /// The application of a host asks for something, if the host is up.
    pub(super) fn ask(&mut self, host: usize, command: Command) {
        if self.hosts[host].node.is_some() {
            let id = self.client.ask(host, &command);
            self.show(host, Fact::Asked(id, &command));
            self.feed(host, Input::Command { id, command });
        }
    }

    /// The same, and the answer is kept.
    pub(super) fn ask_and_wait(&mut self, host: usize, command: Command) {
        let id = self.client.ask(host, &command);
        self.work.awaited.insert(id, None);
        self.show(host, Fact::Asked(id, &command));
        self.feed(host, Input::Command { id, command });
    }

    /// Gives a node an input, carries out its effects, arms its deadline.
    pub(super) fn feed(&mut self, host: usize, input: Input) {
        let now = self.hosts[host].now(self.calendar.now());
        if self.hosts[host].node.is_none() || self.checks.violation.is_some() {
            return;
        }
        self.note_input(host, &input);
        if let Some(node) = self.hosts[host].node.as_mut() {
            node.handle(now, input);
        }
        let boot = self.hosts[host].boot;
        let effects = self.drain(host) + self.write_appended(host);
        if self.hosts[host].boot == boot && self.hosts[host].node.is_some() {
            let ops = &self.outstanding[host];
            let (store_ops, store_bytes) = (ops.len(), ops.values().sum());
            self.show(host, Fact::Turn { effects, store_ops, store_bytes });
            self.arm(host);
        }
    }

    /// Lets the node write what was appended, if the disk has nothing else to write.
    pub(super) fn write_appended(&mut self, host: usize) -> usize {
        let it = &mut self.hosts[host];
        let now = it.now(self.calendar.now());
        match it.node.as_mut().filter(|node| node.has_unwritten() && !it.disk.is_writing()) {
            Some(node) => node.handle(now, Input::StoreReady),
            None => return 0,
        }
        self.drain(host)
    }

    fn drain(&mut self, host: usize) -> usize {
        let mut effects = 0;
        while let Some(effect) = self.hosts[host].node.as_mut().and_then(|node| node.poll_effect()) {
            effects += 1;
            if effects > MAX_EFFECTS {
                self.checks.fail("bounded", format!("n{host}: effects without end"));
                break;
            }
            self.carry_out(host, effect);
        }
        effects
    }

    fn carry_out(&mut self, host: usize, effect: Effect) {
        self.note_effect(host, &effect);
        match effect {
            Effect::Send { link, frame, class } => {
                let frame = frame.into_bytes();
                if !self.lie(host, link, &frame, class) {
                    self.send(host, link, frame, class);
                }
            }
            Effect::Close { link } => {
                if self.net.close(&mut self.calendar, link) {
                    let boot = self.hosts[host].boot;
                    self.calendar.plan(self.calendar.now(), Happening::Closed { host, boot, link });
                }
            }
            // Links are there as the shape of the network wants.
            Effect::Dial { .. } | Effect::Forget(_) | Effect::Renew(_) => {}
            Effect::Store { op, request } => self.store(host, op, request),
            Effect::Reply { id, result } => {
                self.show(host, Fact::Answered(id, &result));
                self.answered(host, id, result);
            }
            Effect::Notify(event) => {
                self.show(host, Fact::Told(&event));
                self.cover_event(&event);
            }
        }
    }

    fn send(&mut self, host: usize, link: LinkId, frame: Bytes, class: Class) {
        let now = self.calendar.now();
        match self.wiretap.listen(link, &frame, &mut self.coverage) {
            Ok(content) => {
                let length = frame.len();
                let key = (host, link.0, length, class as u8);
                self.trace.note(now, key, || {
                    format!("n{host} => {} {length} bytes {class:?}: {}", link.0, wiretap::words(&content))
                });
                if let Content::Whole(message) = &content {
                    self.show(host, Fact::Sent(link, message));
                }
            }
            Err(what) => self.show(host, Fact::Missent(&what)),
        }
        if let Some(peer) = self.net.peer(host, link) {
            self.stuck.hear(now, [host, peer], &frame);
        }
        match self.net.send(&mut self.calendar, host, (link, frame, class)) {
            Sent::Queued | Sent::Overflow => {}
            Sent::NoLink => self.show(host, Fact::Missent("to a link that is down")),
            Sent::TooLarge => self.show(host, Fact::Missent("larger than the link carries")),
        }
    }

    /// What a liar sends in place of a frame; whether it does.
    fn lie(&mut self, host: usize, link: LinkId, frame: &Bytes, class: Class) -> bool {
        let Some((_, liar)) = self.liar.as_mut().filter(|(liar, _)| *liar == host) else { return false };
        let Some(lies) = liar.tell(frame) else { return false };
        self.coverage.hit("liar");
        for (late, frame) in lies {
            let at = self.calendar.now() + late;
            self.calendar.plan(at, Happening::Lie { host, link, frame, class });
        }
        true
    }

    fn store(&mut self, host: usize, op: OpId, request: StoreRequest) {
        let now = self.calendar.now();
        self.outstanding[host].insert(op, size(&request));
        let it = &mut self.hosts[host];
        let reads = matches!(
            request,
            StoreRequest::Read { .. }
                | StoreRequest::Head { .. }
                | StoreRequest::HashAt { .. }
                | StoreRequest::Since { .. }
        );
        if reads {
            let (at, result) = it.disk.read(now, &request);
            let boot = it.boot;
            self.cover_read(&result);
            self.calendar.plan(at, Happening::Stored { host, boot, op, result });
        } else if let Some(at) = it.disk.write(now, op, request) {
            let boot = it.boot;
            if let Some(power) = it.doomed.take() {
                let middle = Tick(now.0 + (at.0 - now.0) / 2);
                self.calendar.plan(middle, Happening::Crash { host, boot, power });
            }
            self.calendar.plan(at, Happening::Written { host, boot });
        }
    }

    fn arm(&mut self, host: usize) {
        let it = &mut self.hosts[host];
        let deadline = it.node.as_ref().and_then(|node| node.deadline());
        if deadline != it.armed {
            it.armed = deadline;
            if let Some(at) = deadline {
                let boot = it.boot;
                self.calendar.plan(at, Happening::Due { host, boot, at });
            }
        }
    }

    /// A deadline planned earlier comes up; it counts only if the node still wants it.
    pub(super) fn due(&mut self, host: usize, at: Tick) {
        let now = self.calendar.now();
        let it = &mut self.hosts[host];
        if it.armed != Some(at) {
            return;
        }
        it.armed = None;
        it.spins = if it.spins.0 == now { (now, it.spins.1 + 1) } else { (now, 0) };
        self.deadlines += 1;
        if it.spins.1 > MAX_SPINS {
            self.checks.fail("bounded", format!("n{host}: deadlines without time moving on"));
        }
        self.feed(host, Input::Deadline);
    }

    /// A lie reaches the network, if the link is still there; nobody vouches for its size.
    pub(super) fn tell_lie(&mut self, host: usize, link: LinkId, frame: Bytes, class: Class) {
        let length = frame.len();
        self.trace.note(self.calendar.now(), (host, link.0, length), || {
            format!("n{host} => {} {length} bytes that lie: {}", link.0, wiretap::words_of(&frame))
        });
        self.net.send(&mut self.calendar, host, (link, frame, class));
    }

    pub(super) fn link_up(&mut self, ports: [Port; 2]) {
        for Port { host, peer, link, limits } in ports {
            let peer = self.id(peer);
            self.feed(host, Input::LinkUp { peer, link, limits });
        }
    }

    /// Closes all links of a host that stops or dies.
    pub(super) fn unplug(&mut self, host: usize, notice: Duration) -> Vec<LinkId> {
        self.hosts[host].running = false;
        self.net.host_gone(&mut self.calendar, host, notice.as_micros() as u64)
    }

    fn note_input(&mut self, host: usize, input: &Input) {
        let bytes = if let Input::Frame { bytes, .. } = input { &bytes[..] } else { &[] };
        let kind = std::mem::discriminant(input);
        self.trace.note(self.calendar.now(), (host, kind, bytes), || match input {
            Input::Frame { link, bytes } => format!("n{host} <- frame {} of {} bytes", link.0, bytes.len()),
            other => format!("n{host} <- {}", short(other)),
        });
    }

    fn note_effect(&mut self, host: usize, effect: &Effect) {
        let key = match effect {
            Effect::Send { .. } => return,
            Effect::Close { link } => (link.0, 0, 3),
            Effect::Store { op, request } => (op.0, size(request), 4),
            Effect::Reply { id, result } => (id.0, usize::from(result.is_ok()), 5),
            Effect::Notify(_) => (0, 0, 6),
            Effect::Dial { addresses, .. } => (0, addresses.len(), 7),
            Effect::Forget(_) => (0, 0, 8),
            Effect::Renew(link) => (link.0, 0, 9),
        };
        self.trace.note(self.calendar.now(), (host, key), || format!("n{host} -> {}", short(effect)));
    }
}

/// Bytes of runs in a request.
fn size(request: &StoreRequest) -> usize {
    let StoreRequest::Commit { items, .. } = request else { return 0 };
    let run = |item: &CommitItem| match item {
        CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => run.encoded().len(),
        CommitItem::Adopt { .. } => 0,
    };
    items.iter().map(run).sum()
}
