//! One node with its disk, driven by hand.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use gossip_proto::node::{
    Boot, Command, CommandError, CommandId, Effect, Event, Input, LinkId, Node, NodeConfig, Reply,
};
use gossip_proto::wire::OFFERED_VERSION;
use gossip_proto::{
    ChainHash, ChannelId, ChannelRecord, Durability, LogId, NodeId, Now, Seq, StoreRequest, StreamId, Tick,
    WallMs,
};

use super::Side;
use crate::sim::disk::{Log, Volume};

/// Where both wall clocks stand at first.
pub(super) const DAWN: u64 = 1_700_000_000_000;

/// What one node is configured with.
#[derive(Debug, Clone)]
pub(super) struct Given {
    pub(super) config: NodeConfig,
    /// The newest wire version it offers.
    pub(super) version: u8,
}

impl Default for Given {
    fn default() -> Self {
        Self { config: NodeConfig::default(), version: OFFERED_VERSION }
    }
}

/// One node, and what it is started from.
#[derive(Debug)]
pub struct End {
    side: Side,
    given: Given,
    secret: u64,
    boots: u64,
    node: Node,
    volume: Volume,
    commands: u64,
    replies: BTreeMap<u64, Result<Reply, CommandError>>,
    sent: Vec<(LinkId, Bytes)>,
    closed: Vec<LinkId>,
    events: Vec<Event>,
    /// Logs are not ended any more: the power goes before.
    loses_turns: bool,
}

impl End {
    /// A running node without links.
    pub(super) fn new(side: Side, secret: u64, given: &Given, channels: &[ChannelId]) -> Self {
        let id = NodeId::new(side.name()).expect("a node id");
        let mut volume = Volume::new(id, side as u64 + 1);
        for id in channels {
            let record = ChannelRecord {
                id: id.clone(),
                members: Side::BOTH.map(|side| NodeId::new(side.name()).expect("a node id")).into(),
                payload_limit: given.config.payload_limit,
            };
            volume.channels.insert(id.clone(), record);
        }
        let node = Node::new(now(Tick(0)), boot(&volume, given, [0; 32], 0));
        Self {
            side,
            given: given.clone(),
            secret,
            boots: 0,
            node,
            volume,
            commands: 0,
            replies: BTreeMap::new(),
            sent: Vec::new(),
            closed: Vec::new(),
            events: Vec::new(),
            loses_turns: false,
        }
    }

    pub(super) fn hold(&mut self, logs: impl Iterator<Item = Log>) {
        self.volume.logs.extend(logs.map(|log| (log.head.name.id(), log)));
    }

    /// Everything it holds is gone.
    pub(super) fn forget_logs(&mut self) {
        self.volume.logs.clear();
    }

    pub(super) fn lose_turns(&mut self, loses: bool) {
        self.loses_turns = loses;
    }

    /// Starts the node from its disk.
    pub(super) fn boot(&mut self, at: Tick) {
        self.boots += 1;
        let seed = self.secret << 16 | self.boots << 8 | self.side as u64;
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&seed.to_le_bytes());
        self.node = Node::new(now(at), boot(&self.volume, &self.given, secret, seed));
        (self.sent, self.closed) = Default::default();
        let id = self.next_command();
        self.give(at, Input::Command { id, command: Command::Start });
    }

    /// Gives the node an input; its disk does at once what follows.
    pub fn give(&mut self, at: Tick, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.node.handle(now(at), input);
            while let Some(effect) = self.node.poll_effect() {
                self.carry_out(effect, &mut inputs);
            }
            if inputs.is_empty() && self.node.has_unwritten() {
                inputs.push_back(Input::StoreReady);
            }
        }
    }

    fn carry_out(&mut self, effect: Effect, inputs: &mut VecDeque<Input>) {
        match effect {
            Effect::Send { link, frame, .. } => self.sent.push((link, frame.into_bytes())),
            Effect::Close { link } => self.closed.push(link),
            Effect::Store { request: StoreRequest::Turn { .. }, .. } if self.loses_turns => {}
            Effect::Store { op, request } => {
                let result = Ok(self.volume.execute(&request));
                inputs.push_back(Input::Stored { op, result });
            }
            Effect::Reply { id, result } => {
                let again = self.replies.insert(id.0, result);
                assert!(again.is_none(), "command {} answered twice", id.0);
            }
            // There is one link, which comes and goes as tests want.
            Effect::Dial { .. } | Effect::Forget(_) | Effect::Renew(_) => {}
            Effect::Notify(event) => self.events.push(event),
        }
    }

    /// Frames sent since the last call.
    pub fn take_sent(&mut self) -> Vec<(LinkId, Bytes)> {
        std::mem::take(&mut self.sent)
    }

    pub(super) fn take_closed(&mut self) -> Vec<LinkId> {
        std::mem::take(&mut self.closed)
    }

    /// What it told its application since the last call.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// The answer to a command, once.
    pub fn take_reply(&mut self, command: u64) -> Option<Result<Reply, CommandError>> {
        self.replies.remove(&command)
    }

    pub(super) fn next_command(&mut self) -> CommandId {
        self.commands += 1;
        CommandId(self.commands)
    }

    /// When it wants [`Input::Deadline`].
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.node.deadline()
    }

    /// Its node id.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.node.id().clone()
    }

    /// Heights and hashes its disk holds.
    #[must_use]
    pub fn heads(&self) -> BTreeMap<LogId, (Seq, ChainHash)> {
        self.heads_iter().collect()
    }

    pub(super) fn heads_iter(&self) -> impl Iterator<Item = (LogId, (Seq, ChainHash))> + '_ {
        self.volume.logs.iter().map(|(id, log)| (*id, (log.head.height, log.head.hash)))
    }

    /// All logs by their place, with a floor each: at most their height.
    pub(super) fn floors(&self, upto: Seq) -> BTreeMap<(ChannelId, StreamId), Vec<(LogId, Seq)>> {
        let mut floors: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (id, log) in &self.volume.logs {
            let place = (log.head.name.channel.clone(), log.head.name.stream.clone());
            floors.entry(place).or_default().push((*id, upto.min(log.head.height)));
        }
        floors
    }

    pub(super) fn channels(&self) -> impl Iterator<Item = &ChannelId> {
        self.volume.channels.keys()
    }
}

fn now(tick: Tick) -> Now {
    Now { tick, wall: WallMs(DAWN + tick.0 / 1000) }
}

fn boot(volume: &Volume, given: &Given, secret: [u8; 32], seed: u64) -> Boot {
    let inventory = volume.inventory(Durability::Sync, false);
    let boot = Boot::new(volume.record.clone(), inventory, given.config.clone(), seed, secret);
    Boot { max_version: given.version, ..boot }
}
