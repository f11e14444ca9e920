//! A node driven by hand, which measures what each input does.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gossip_proto::node::{
    Boot, Command, CommandError, CommandId, Effect, Event, Health, Input, LinkId, LinkLimits, Node,
    NodeConfig, NodeState, Query, Reply,
};
use gossip_proto::wire::OFFERED_VERSION;
use gossip_proto::{
    ChannelId, Ed25519Sealer, Fault, LogId, NewPayload, NodeId, NodeRecord, Now, Retention, Sealer,
    StoreFailure, StoreRequest, StreamId, Tick, VersionVector, WallMs,
};

use crate::disk::Disk;

pub(crate) const DAWN: u64 = 1_700_000_000_000;

/// More than any input may do to a node that holds as little as these.
const MOST_EFFECTS: usize = 4_000;
/// Eight wants of two windows each, when all were waiting for the disk.
const MOST_BYTES: usize = 36 << 20;
/// Deadlines met without time passing.
const SPINS: u32 = 64;

pub(crate) struct Host {
    node: Node,
    pub(crate) disk: Disk,
    now: u64,
    last_command: u64,
    replies: BTreeMap<CommandId, Result<Reply, CommandError>>,
    /// Store operations wait while this is set.
    pub(crate) slow_disk: bool,
    /// Store operations for which this holds fail, having done nothing.
    pub(crate) fail: fn(&StoreRequest) -> bool,
    /// What they say.
    pub(crate) fault: Fault,
    waiting: Vec<Input>,
    pub(crate) forks_told: u32,
    /// Frames for links, in order.
    pub(crate) sent: Vec<(LinkId, Bytes)>,
}

pub(crate) fn channel() -> ChannelId {
    ChannelId::new("c").unwrap()
}

pub(crate) fn stream() -> StreamId {
    StreamId::new("s").unwrap()
}

fn failure(fault: Fault) -> StoreFailure {
    StoreFailure { fault, doing: "what the test forbids", detail: String::new() }
}

impl Host {
    pub(crate) fn new(name: &str, config: NodeConfig) -> Self {
        Self::speaking(name, config, OFFERED_VERSION)
    }

    /// A node that offers no newer wire version than this one.
    pub(crate) fn speaking(name: &str, config: NodeConfig, max_version: u8) -> Self {
        let seed = u64::from(name.as_bytes()[0]);
        let record = NodeRecord::new(NodeId::new(name).unwrap());
        let boot = Boot::new(record, Disk::default().inventory(), config, seed, [seed as u8; 32]);
        Self::booted(Boot { max_version, ..boot })
    }

    /// A node whose id is a key.
    pub(crate) fn signing(sealer: Ed25519Sealer, config: NodeConfig) -> Self {
        let record = NodeRecord::new(sealer.public().node_id());
        let boot = Boot::new(record, Disk::default().inventory(), config, 7, [7; 32]);
        Self::booted(Boot { sealer: Some(Arc::new(sealer)), max_version: 2, ..boot })
    }

    fn booted(boot: Boot) -> Self {
        let disk = Disk::default();
        let node = Node::new(Now { tick: Tick(0), wall: WallMs(DAWN) }, boot);
        let replies = BTreeMap::new();
        let mut host = Self {
            node,
            disk,
            now: 0,
            last_command: 0,
            replies,
            slow_disk: false,
            fail: |_| false,
            fault: Fault::Transient,
            waiting: Vec::new(),
            forks_told: 0,
            sent: Vec::new(),
        };
        host.create(&channel());
        host
    }

    pub(crate) fn id(&self) -> NodeId {
        self.node.id().clone()
    }

    pub(crate) fn state(&self) -> NodeState {
        self.node.state()
    }

    /// Logs this node wrote.
    pub(crate) fn own_logs(&self) -> impl Iterator<Item = LogId> + '_ {
        self.disk.logs_of(self.node.id())
    }

    /// Gives the node one input and everything that comes of it.
    pub(crate) fn give(&mut self, input: Input) {
        let (effects_before, mut effects, mut bytes) = (self.waiting.len(), 0, 0);
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let now = Now { tick: Tick(self.now), wall: WallMs(DAWN + self.now / 1000) };
            self.node.handle(now, input);
            while let Some(effect) = self.node.poll_effect() {
                effects += 1;
                match effect {
                    Effect::Send { link, frame, .. } => {
                        bytes += frame.len();
                        self.sent.push((link, frame.into_bytes()));
                    }
                    Effect::Store { op, request } => {
                        let result = match (self.fail)(&request) {
                            true => Err(failure(self.fault)),
                            false if self.disk.refuses(&request) => Err(failure(Fault::Rejected)),
                            false => Ok(self.disk.execute(request)),
                        };
                        self.waiting.push(Input::Stored { op, result });
                    }
                    Effect::Reply { id, result } => {
                        assert!(self.replies.insert(id, result).is_none(), "answered twice");
                    }
                    Effect::Notify(Event::ForkDetected { .. }) => self.forks_told += 1,
                    Effect::Close { .. }
                    | Effect::Dial { .. }
                    | Effect::Forget(_)
                    | Effect::Renew(_)
                    | Effect::Notify(_) => {}
                }
            }
            if self.node.has_unwritten() {
                inputs.push(Input::StoreReady);
            } else if !self.slow_disk && !self.waiting.is_empty() {
                inputs.push(self.waiting.remove(0));
            }
        }
        assert!(effects <= MOST_EFFECTS + effects_before, "{effects} effects of one input");
        assert!(bytes <= MOST_BYTES, "{bytes} bytes sent for one input");
    }

    pub(crate) fn command(&mut self, command: Command) -> Option<Result<Reply, CommandError>> {
        self.last_command += 1;
        let id = CommandId(self.last_command);
        self.give(Input::Command { id, command });
        self.replies.get(&id).cloned()
    }

    /// Every answer to a command so far.
    pub(crate) fn replies(&self) -> impl Iterator<Item = &Result<Reply, CommandError>> {
        self.replies.values()
    }

    /// The answer to a command that was given with an id of its own.
    pub(crate) fn reply(&self, id: u64) -> Option<&Result<Reply, CommandError>> {
        self.replies.get(&CommandId(id))
    }

    /// The store loses every log, as after a restored backup; the node is not told.
    pub(crate) fn forget_logs(&mut self) {
        self.disk.forget_logs();
    }

    /// A command that is carried out.
    pub(crate) fn must(&mut self, command: Command) -> Reply {
        self.command(command).expect("an answer").expect("success")
    }

    pub(crate) fn append(&mut self, size: usize) {
        let payloads = vec![NewPayload::new(vec![7; size])];
        self.must(Command::Append { channel: channel(), stream: stream(), payloads });
    }

    /// A channel with one stream in it.
    pub(crate) fn create(&mut self, channel: &ChannelId) {
        let (channel, retention) = (channel.clone(), Retention::KeepAll);
        self.must(Command::CreateChannel { channel: channel.clone(), payload_limit: None });
        self.must(Command::CreateStream { channel, stream: stream(), retention });
    }

    pub(crate) fn health(&mut self) -> Health {
        match self.must(Command::Query(Query::Health)) {
            Reply::Health(health) => *health,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn has_session(&mut self, link: u64) -> bool {
        match self.must(Command::Query(Query::Peers)) {
            Reply::Peers(peers) => {
                let mut links = peers.iter().flat_map(|peer| &peer.links);
                links.any(|info| info.link == LinkId(link) && info.established)
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn streams(&mut self) -> usize {
        match self.must(Command::Query(Query::Streams(channel()))) {
            Reply::Streams(streams) => streams.len(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn version(&mut self) -> VersionVector {
        self.version_in(&channel())
    }

    pub(crate) fn version_in(&mut self, channel: &ChannelId) -> VersionVector {
        match self.must(Command::Query(Query::Version(channel.clone(), stream()))) {
            Reply::Version(version) => version,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn link_up(&mut self, peer: &NodeId, link: u64, max_frame: usize) {
        let limits = LinkLimits { max_frame, ordered: true, reliable: true, notices_loss: false, cost: 0 };
        self.give(Input::LinkUp { peer: peer.clone(), link: LinkId(link), limits });
    }

    /// Store operations that waited are done now.
    pub(crate) fn disk_works(&mut self) {
        self.slow_disk = false;
        while !self.waiting.is_empty() {
            let done = self.waiting.remove(0);
            self.give(done);
        }
    }

    pub(crate) fn waits_for_disk(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Of the store operations that wait the oldest is done.
    pub(crate) fn disk_goes_on(&mut self) {
        let oldest = self.waiting.remove(0);
        self.give(oldest);
    }

    /// Of the store operations that wait the newest is done, before the others.
    pub(crate) fn disk_overtakes(&mut self) {
        let newest = self.waiting.pop().expect("something waits for the disk");
        self.give(newest);
    }

    /// Time passes, deadlines are met.
    pub(crate) fn pass(&mut self, micros: u64) {
        let end = self.now + micros;
        let mut spins = 0;
        while let Some(due) = self.node.deadline().filter(|due| due.0 <= end) {
            spins = if due.0 > self.now { 0 } else { spins + 1 };
            assert!(spins < SPINS, "a deadline that does not move");
            self.now = self.now.max(due.0);
            self.give(Input::Deadline);
        }
        self.now = end;
    }

    /// Frames sent on a link since the last call; those of other links are lost.
    pub(crate) fn take_sent(&mut self, link: u64) -> Vec<Bytes> {
        let sent = std::mem::take(&mut self.sent);
        sent.into_iter().filter(|(of, _)| of.0 == link).map(|(_, frame)| frame).collect()
    }
}

/// Lets two nodes talk over a link for so many milliseconds. Returns every frame, from `a` first.
pub(crate) fn talk(a: &mut Host, b: &mut Host, link: u64, millis: u64) -> Vec<Bytes> {
    let mut passed = Vec::new();
    for _ in 0..millis {
        for _ in 0..2 {
            let (there, back) = (a.take_sent(link), b.take_sent(link));
            for frame in &there {
                b.give(Input::Frame { link: LinkId(link), bytes: frame.clone() });
            }
            for frame in &back {
                a.give(Input::Frame { link: LinkId(link), bytes: frame.clone() });
            }
            passed.extend(there.into_iter().chain(back));
        }
        a.pass(1000);
        b.pass(1000);
    }
    passed
}
