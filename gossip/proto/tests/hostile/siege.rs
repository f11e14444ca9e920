//! A victim, a liar that got in, and a good peer that comes afterwards.

use bytes::Bytes;
use gossip_proto::node::{Command, Input, LinkId, NodeConfig, NodeState};
use gossip_proto::wire::{self, Content, Message};
use gossip_proto::{LogId, Rng};

use crate::host::{Host, talk};
use crate::lies::Known;

/// The victim's bound; its own logs come on top.
const MAX_LOGS: usize = 40;
const OWN_LOGS: usize = 8;
const MAX_MEMBERS: usize = 50;
/// Store operations at once that peers can cause.
const MAX_OPS: usize = 300;

/// The link on which the liar has a session; others are up, but no more.
const SESSION: u64 = 1;
const FRESH: u64 = 2;
const UNKNOWN: u64 = 77;
/// Where the good peer comes.
const GOOD: u64 = 50;

pub(crate) struct Siege {
    victim: Host,
    liar: Host,
    good: Host,
    frames: Vec<Bytes>,
    pub(crate) known: Known,
    /// Frames that hit, and those of them that hit an open session.
    pub(crate) hits: u64,
    pub(crate) in_session: u64,
}

impl Siege {
    /// A real exchange, recorded; then the victim is put into a state drawn from the seed.
    pub(crate) fn begin(rng: &mut Rng) -> Self {
        let config = NodeConfig { max_logs: MAX_LOGS, max_members: MAX_MEMBERS, ..NodeConfig::default() };
        let version = 1 + rng.below(3) as u8;
        let mut victim = Host::speaking("victim", config, version);
        let [mut liar, mut good] =
            ["liar", "good"].map(|name| Host::speaking(name, NodeConfig::default(), version));
        for host in [&mut victim, &mut liar, &mut good] {
            host.must(Command::Start);
            host.append(100);
        }
        meet(&mut victim, &mut good, GOOD - 1, 1 << 20);
        let mut frames = talk(&mut victim, &mut good, GOOD - 1, 300);
        part(&mut victim, &mut good, GOOD - 1);
        // Small frames, so that pieces are recorded too.
        meet(&mut victim, &mut liar, SESSION, if rng.chance(500) { 300 } else { 1 << 20 });
        frames.extend(talk(&mut victim, &mut liar, SESSION, 200));
        for size in [10, 2_000, 40_000] {
            liar.append(size);
            victim.append(size);
        }
        frames.extend(talk(&mut victim, &mut liar, SESSION, 300));
        let known = listen(&frames, &liar, &mut victim);
        victim.link_up(&liar.id(), FRESH, 1 << 20);
        let mut siege = Self { victim, liar, good, frames, known, hits: 0, in_session: 0 };
        siege.put_into_a_state(rng);
        siege
    }

    fn put_into_a_state(&mut self, rng: &mut Rng) {
        match rng.below(6) {
            0 => _ = self.victim.command(Command::Pause),
            1 => _ = self.victim.command(Command::Stop),
            2 => self.victim.slow_disk = true,
            3 => self.victim.give(Input::LinkCongested { link: LinkId(SESSION), congested: true }),
            4 if rng.chance(300) => _ = self.victim.command(Command::Shutdown),
            _ => {}
        }
    }

    pub(crate) fn recorded(&self, rng: &mut Rng) -> Bytes {
        self.frames[rng.below(self.frames.len() as u64) as usize].clone()
    }

    /// One frame hits the victim; it must not be impressed.
    pub(crate) fn hit(&mut self, rng: &mut Rng, bytes: Bytes) {
        let link = [SESSION, SESSION, SESSION, SESSION, FRESH, UNKNOWN][rng.below(6) as usize];
        self.hits += 1;
        if link == SESSION && !self.is_over() {
            if !self.victim.has_session(SESSION) && rng.chance(300) {
                self.rejoin();
            }
            self.in_session += u64::from(self.victim.has_session(SESSION));
        }
        self.victim.give(Input::Frame { link: LinkId(link), bytes });
        if rng.chance(200) {
            self.victim.pass(rng.below(50_000));
        }
        if self.is_over() {
            return;
        }
        let health = self.victim.health();
        assert!(health.members <= MAX_MEMBERS, "{} members", health.members);
        assert!(health.logs <= MAX_LOGS + OWN_LOGS, "{} logs remembered", health.logs);
        assert!(health.store_ops <= MAX_OPS, "{} store operations at once", health.store_ops);
        assert!(health.store_bytes <= 32 << 20, "{} bytes on their way to the store", health.store_bytes);
        assert!(self.victim.streams() <= MAX_LOGS + OWN_LOGS, "{} streams", self.victim.streams());
        self.victim.sent.clear();
    }

    /// Something else happens to the victim.
    pub(crate) fn shake(&mut self, rng: &mut Rng) {
        let link = LinkId(SESSION);
        match rng.below(60) {
            0 => self.victim.give(Input::LinkCongested { link, congested: rng.chance(500) }),
            1 => self.victim.slow_disk = true,
            2 => self.victim.disk_works(),
            3 => {
                self.victim.give(Input::LinkDown { link });
                self.victim.link_up(&self.liar.id(), SESSION, 1 << 20);
            }
            4 => _ = self.victim.command(Command::Pause),
            5 => _ = self.victim.command(Command::Resume),
            _ => {}
        }
    }

    /// Some lies cost the liar its session; it comes back by an honest handshake.
    fn rejoin(&mut self) {
        part(&mut self.victim, &mut self.liar, SESSION);
        meet(&mut self.victim, &mut self.liar, SESSION, 1 << 20);
        talk(&mut self.victim, &mut self.liar, SESSION, 20);
    }

    fn is_over(&self) -> bool {
        self.victim.state() == NodeState::ShutDown
    }

    /// A good peer comes: what both wrote reaches the other, while the liar stays.
    pub(crate) fn end(mut self) {
        self.victim.disk_works();
        self.victim.pass(1);
        match self.victim.state() {
            NodeState::ShutDown => return,
            NodeState::Stopped => _ = self.victim.must(Command::Start),
            NodeState::Paused => _ = self.victim.must(Command::Resume),
            NodeState::Running => {}
        }
        for size in [10, 3_000, 70_000] {
            self.good.append(size);
            self.victim.append(size);
        }
        meet(&mut self.victim, &mut self.good, GOOD, 1 << 20);
        for _ in 0..120 {
            talk(&mut self.victim, &mut self.good, GOOD, 500);
            if self.agree() {
                return;
            }
        }
        let (victim, good) = (self.victim.version(), self.good.version());
        panic!("no agreement within a minute: the victim has {victim:?}, the good peer {good:?}");
    }

    /// Each holds everything the other wrote.
    fn agree(&mut self) -> bool {
        let (victim, good) = (self.victim.version(), self.good.version());
        let own: Vec<LogId> = self.victim.own_logs().chain(self.good.own_logs()).collect();
        own.iter().all(|log| victim.height(log) == good.height(log) && good.height(log) > 0)
    }
}

pub(crate) fn meet(a: &mut Host, b: &mut Host, link: u64, max_frame: usize) {
    let (a_id, b_id) = (a.id(), b.id());
    a.link_up(&b_id, link, max_frame);
    b.link_up(&a_id, link, max_frame);
}

pub(crate) fn part(a: &mut Host, b: &mut Host, link: u64) {
    [a, b].into_iter().for_each(|host| host.give(Input::LinkDown { link: LinkId(link) }));
}

/// What the liar learns from what passed.
fn listen(frames: &[Bytes], liar: &Host, victim: &mut Host) -> Known {
    let messages = frames.iter().filter_map(|frame| match wire::read(frame) {
        Ok(Content::Whole(message)) => Some(message),
        _ => None,
    });
    let (mut tag, mut runs) = (None, Vec::new());
    for message in messages {
        match message {
            Message::Beacon(beacon) => tag = Some(beacon.tag),
            Message::Sketch(sketch) => tag = Some(sketch.tag),
            Message::Delta(delta) | Message::Runs(delta) => {
                runs.extend(delta.runs.into_iter().map(|run| run.run));
            }
            Message::Push(push) => runs.extend(push.runs),
            _ => {}
        }
    }
    let logs = victim.version().iter().map(|(log, _)| log).collect();
    Known { tag: tag.expect("a beacon"), liar: liar.id(), logs, runs }
}
