//! Two nodes without a network between them, and a count of what is done inside.

mod apart;
mod away;
mod back;
mod beats;
mod calm;
mod crowded;
mod dead;
mod deaf;
mod doubts;
mod dozes;
mod floods;
mod frozen;
mod full;
mod giving;
mod gone;
mod incarnations;
mod late;
mod linked;
mod looks;
mod missed;
mod near;
mod overlay;
mod ring;
mod scopes;
mod tables;
mod thresholds;
mod tree;
mod wakes;
mod ways;
mod wood;

use std::collections::BTreeMap;

use super::*;
use crate::wire::{Content, Message, OFFERED_VERSION, read};
use crate::{
    ChannelRecord, Committed, Epoch, Inventory, LogHead, LogId, LogName, SeqRange, Stamp, StoreReply,
    StoredRun, StreamId, StreamRecord, WallMs,
};

const LINK: LinkId = LinkId(1);

fn node(name: &str, heads: Vec<LogHead>, max_version: u8) -> Node {
    node_of(name, heads, max_version, NodeConfig::default())
}

fn node_of(name: &str, heads: Vec<LogHead>, max_version: u8, config: NodeConfig) -> Node {
    let id = NodeId::new(name).unwrap();
    let members = ["a", "b"].map(|name| NodeId::new(name).unwrap()).into();
    let channel = ChannelRecord { id: ChannelId::new("c").unwrap(), members, payload_limit: 1024 };
    let stream = StreamRecord::new(StreamId::new("s").unwrap());
    let inventory = Inventory { channels: vec![(channel, vec![stream])], heads, ..Inventory::default() };
    let record = NodeRecord::new(id);
    let (seed, secret) = (u64::from(name.as_bytes()[0]), [name.as_bytes()[0]; 32]);
    let boot = Boot::new(record, inventory, config, seed, secret);
    let boot = Boot { max_version, ..boot };
    Node::new(Now { tick: Tick(0), wall: WallMs(1) }, boot)
}

fn log(number: u64) -> LogName {
    LogName {
        channel: ChannelId::new("c").unwrap(),
        stream: StreamId::new("s").unwrap(),
        author: NodeId::new("away").unwrap(),
        epoch: Epoch::new(1, number),
        branch: None,
    }
}

/// A log of five entries of which all but the first are a gap.
fn holey(number: u64) -> LogHead {
    let name = log(number);
    let gaps = vec![SeqRange { first: 2, last: 5 }];
    LogHead { height: 5, gaps, ..LogHead::empty(name) }
}

/// Nodes `a`, which holds these logs, and `b`, which holds nothing.
struct Pair {
    nodes: [Node; 2],
    heads: BTreeMap<LogId, LogHead>,
    /// Found by both when they read.
    runs: BTreeMap<LogId, Vec<StoredRun>>,
    /// Every message, by who sent it.
    said: Vec<(usize, Message)>,
    /// What applications were told, and the answers to their commands.
    told: Vec<(usize, Event)>,
    answers: Vec<(usize, Result<Reply, CommandError>)>,
    /// Whom they tried to reach, and gave up.
    dialled: Vec<(usize, String)>,
    given_up: Vec<(usize, String)>,
    /// How urgent offers were.
    offered: Vec<Class>,
    /// Sketches are lost: nothing is exchanged but what a test begins.
    no_sketches: bool,
    now: Tick,
    asked: usize,
}

impl Pair {
    fn new(logs: u64) -> Self {
        let heads: Vec<LogHead> = (0..logs).map(holey).collect();
        Self::of([heads, Vec::new()], OFFERED_VERSION)
    }

    fn of(heads: [Vec<LogHead>; 2], version: u8) -> Self {
        Self::begin(heads, BTreeMap::new(), version, false)
    }

    fn begin(
        heads: [Vec<LogHead>; 2],
        runs: BTreeMap<LogId, Vec<StoredRun>>,
        version: u8,
        no_sketches: bool,
    ) -> Self {
        let [a, b] = heads.clone();
        let nodes = [node("a", a, version), node("b", b, version)];
        Self::of_nodes(nodes, heads, runs, no_sketches)
    }

    fn of_nodes(
        nodes: [Node; 2],
        heads: [Vec<LogHead>; 2],
        runs: BTreeMap<LogId, Vec<StoredRun>>,
        no_sketches: bool,
    ) -> Self {
        let heads = heads.into_iter().flatten().map(|head| (head.name.id(), head)).collect();
        let (said, told, answers, offered) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let now = Tick(0);
        let (dialled, given_up) = (Vec::new(), Vec::new());
        let mut pair = Self {
            nodes,
            heads,
            runs,
            said,
            told,
            answers,
            dialled,
            given_up,
            offered,
            no_sketches,
            now,
            asked: 0,
        };
        for at in [0, 1] {
            pair.give(at, Input::Command { id: CommandId(1), command: Command::Start });
            pair.link(at, LINK);
        }
        pair
    }

    fn link(&mut self, at: usize, link: LinkId) {
        let limits =
            LinkLimits { max_frame: 1 << 20, cost: 1, ordered: true, reliable: true, notices_loss: false };
        let peer = NodeId::new(["b", "a"][at]).unwrap();
        self.give(at, Input::LinkUp { peer, link, limits });
    }

    fn command(&mut self, at: usize, command: Command) {
        self.give(at, Input::Command { id: CommandId(1), command });
        self.give(at, Input::StoreReady);
    }

    fn give(&mut self, at: usize, input: Input) {
        let mut inputs = VecDeque::from([(at, input)]);
        while let Some((at, input)) = inputs.pop_front() {
            self.nodes[at].handle(Now { tick: self.now, wall: WallMs(1) }, input);
            while let Some(effect) = self.nodes[at].poll_effect() {
                match effect {
                    Effect::Send { link, frame, class } => {
                        let bytes = frame.into_bytes();
                        let Ok(Content::Whole(message)) = read(&bytes) else { panic!("a piece") };
                        let is_lost = self.no_sketches && matches!(message, Message::Sketch(_));
                        self.offered.extend(matches!(message, Message::Offer(_)).then_some(class));
                        self.said.push((at, message));
                        if is_lost {
                            continue;
                        }
                        inputs.push_back((1 - at, Input::Frame { link, bytes }));
                    }
                    Effect::Store { op, request: StoreRequest::Read { log, from, budget } } => {
                        let runs = self.read(log, from, budget);
                        inputs.push_back((at, Input::Stored { op, result: Ok(StoreReply::Runs(runs)) }));
                    }
                    // For the places of forks: a store that takes its time.
                    Effect::Store { request: StoreRequest::HashAt { .. }, .. } => {}
                    Effect::Store { op, request: StoreRequest::Commit { items, .. } } => {
                        let committed = Committed { arrivals: vec![None; items.len()] };
                        let result = Ok(StoreReply::Committed(committed));
                        inputs.push_back((at, Input::Stored { op, result }));
                    }
                    Effect::Store { op, request: StoreRequest::Head { log } } => {
                        self.asked += 1;
                        let head = self.heads.get(&log).cloned().map(Box::new);
                        inputs.push_back((at, Input::Stored { op, result: Ok(StoreReply::Head(head)) }));
                    }
                    Effect::Store { op, .. } => {
                        inputs.push_back((at, Input::Stored { op, result: Ok(StoreReply::Saved) }));
                    }
                    Effect::Notify(event) => self.told.push((at, event)),
                    Effect::Reply { result, .. } => self.answers.push((at, result)),
                    Effect::Dial { peer, .. } => self.dialled.push((at, peer.to_string())),
                    Effect::Forget(peer) => self.given_up.push((at, peer.to_string())),
                    Effect::Renew(_) | Effect::Close { .. } => {}
                }
            }
        }
    }

    fn read(&self, log: LogId, from: u64, budget: usize) -> Vec<StoredRun> {
        let runs = self.runs.get(&log).into_iter().flatten().filter(|stored| stored.run.last() >= from);
        let mut bytes = 0;
        let within = runs.take_while(|stored| {
            let is_first = bytes == 0;
            bytes += stored.run.encoded().len();
            is_first || bytes <= budget
        });
        within.cloned().collect()
    }

    fn run(&mut self, until: Tick) {
        while let Some(next) =
            self.nodes.iter().filter_map(Node::deadline).min().filter(|next| *next <= until)
        {
            self.now = next.max(self.now);
            [0, 1].into_iter().for_each(|at| self.give(at, Input::Deadline));
        }
        self.now = until;
    }
}

/// With ten times as many holes that a peer has nothing for, ten times as much is looked at: the same
/// for each question. Looking at all of them each time would be a hundred times as much.
#[test]
fn holes_nobody_fills_cost_what_is_asked_and_not_their_number() {
    for logs in [100, 1000] {
        let mut pair = Pair::new(logs);
        pair.run(Tick(1_500_000));
        let (asked, looks) = (pair.asked, pair.nodes[0].refills.looks);
        assert!(asked >= logs as usize, "every log is asked for: {asked} of {logs}");
        assert!(looks <= 3 * (asked + logs as usize), "{looks} looks for {asked} questions at {logs} logs");
        // Left alone longer and longer.
        pair.run(Tick(1_200_000_000));
        let (before, looks) = (pair.asked, pair.nodes[0].refills.looks);
        pair.run(Tick(1_800_000_000));
        assert!(pair.asked - before <= 4 * logs as usize, "{} questions in ten minutes", pair.asked - before);
        let again = pair.nodes[0].refills.looks - looks;
        assert!(again <= 3 * (pair.asked - before + logs as usize), "{again} looks");
    }
}

/// Nobody is there to ask, and something keeps happening.
#[test]
fn holes_nobody_can_be_asked_for_cost_nothing() {
    let mut pair = Pair::new(1000);
    pair.run(Tick(10_000_000));
    pair.give(0, Input::LinkDown { link: LINK });
    let looks = pair.nodes[0].refills.looks;
    for _ in 0..100 {
        pair.nodes[0].refill();
    }
    pair.nodes[0].refill_anew();
    assert_eq!(pair.nodes[0].refills.looks, looks);
}
