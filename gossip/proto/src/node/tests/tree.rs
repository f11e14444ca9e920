//! A group too large to push everything to everybody, with links that take their time: entries go along a tree,
//! and come by other ways where it fails.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::wire::{Row, TreeMessage, write};
use crate::{MemberRow, NewPayload, Seq};

const NODES: usize = 12;
const MILLI: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

/// Twelve nodes in a ring, each linked with the two behind it and the two before.
struct Wood {
    nodes: Vec<Node>,
    stores: Vec<BTreeMap<LogId, Vec<StoredRun>>>,
    calendar: BTreeMap<(Tick, u64), (usize, Input)>,
    /// Every message that was sent, by whom and to whom.
    said: Vec<(usize, usize, Message)>,
    /// Which of them are lost.
    lost: fn(usize, usize, &Message) -> bool,
    now: Tick,
    count: u64,
}

fn link(one: usize, other: usize) -> LinkId {
    LinkId((one.min(other) * 100 + one.max(other)) as u64)
}

/// Milliseconds from one to another.
fn delay(one: usize, other: usize) -> Duration {
    MILLI * (5 + (one * other * 7 % 20) as u32)
}

fn is_push(message: &Message) -> bool {
    match message {
        Message::Fresh(_) | Message::Push(_) => true,
        Message::Runs(runs) => runs.serial == 0,
        _ => false,
    }
}

impl Wood {
    fn new() -> Self {
        let names = (b'a'..).take(NODES).map(|name| char::from(name).to_string());
        let nodes = names.map(|name| node(&name, Vec::new(), OFFERED_VERSION)).collect();
        let stores = vec![BTreeMap::new(); NODES];
        let (calendar, said, now) = (BTreeMap::new(), Vec::new(), Tick(0));
        let mut wood = Self { nodes, stores, calendar, said, lost: |_, _, _| false, now, count: 0 };
        for at in 0..NODES {
            wood.give(at, Input::Command { id: CommandId(1), command: Command::Start });
        }
        for at in 0..NODES {
            for step in [1, 2] {
                wood.connect(at, (at + step) % NODES);
            }
        }
        wood.pass(SECOND * 10);
        assert!(wood.nodes.iter().all(|node| node.members.live() == NODES), "they know each other");
        wood
    }

    /// As [`Wood::new`], when some entries have shown which links are not needed.
    fn pruned() -> Self {
        let mut wood = Self::new();
        for at in 0..2 * NODES {
            wood.append(at % NODES, 100);
            wood.pass(SECOND / 2);
        }
        wood.said.clear();
        wood
    }

    fn connect(&mut self, one: usize, other: usize) {
        let limits = LinkLimits { max_frame: 1_200, cost: 1, ordered: false, reliable: false };
        for (at, peer) in [(one, other), (other, one)] {
            let peer = self.nodes[peer].id().clone();
            self.give(at, Input::LinkUp { peer, link: link(one, other), limits });
        }
    }

    fn give(&mut self, at: usize, input: Input) {
        self.nodes[at].handle(Now { tick: self.now, wall: WallMs(1) }, input);
        self.take(at);
    }

    fn later(&mut self, after: Duration, at: usize, input: Input) {
        self.count += 1;
        self.calendar.insert((self.now + after, self.count), (at, input));
    }

    fn take(&mut self, at: usize) {
        while let Some(effect) = self.nodes[at].poll_effect() {
            match effect {
                Effect::Send { link, frame, .. } => self.send(at, link, &frame.into_bytes()),
                Effect::Store { op, request } => {
                    let result = Ok(self.stored(at, request));
                    self.later(Duration::ZERO, at, Input::Stored { op, result });
                }
                _ => {}
            }
        }
    }

    fn send(&mut self, at: usize, link: LinkId, bytes: &bytes::Bytes) {
        let [low, high] = [link.0 / 100, link.0 % 100].map(|at| at as usize);
        let to = if at == low { high } else { low };
        // Pieces are of greetings.
        if let Ok(Content::Whole(message)) = read(bytes) {
            let is_lost = (self.lost)(at, to, &message);
            self.said.push((at, to, message));
            if is_lost {
                return;
            }
        }
        self.later(delay(at, to), to, Input::Frame { link, bytes: bytes.clone() });
    }

    fn stored(&mut self, at: usize, request: StoreRequest) -> StoreReply {
        let store = &mut self.stores[at];
        match request {
            StoreRequest::Commit { items, .. } => {
                let committed = Committed { arrivals: vec![None; items.len()] };
                for item in items {
                    if let crate::CommitItem::Run { prev, run, .. } = item {
                        store.entry(run.log()).or_default().push(StoredRun { prev, run });
                    }
                }
                StoreReply::Committed(committed)
            }
            StoreRequest::Read { log, from, .. } => {
                let runs = store.get(&log).into_iter().flatten().filter(|stored| stored.run.last() >= from);
                StoreReply::Runs(runs.cloned().collect())
            }
            _ => StoreReply::Saved,
        }
    }

    fn pass(&mut self, time: Duration) {
        self.run(self.now + time);
    }

    fn run(&mut self, until: Tick) {
        loop {
            let deadlines =
                self.nodes.iter().enumerate().filter_map(|(at, node)| Some((node.deadline()?, at)));
            let due = deadlines.min().filter(|(due, _)| *due <= until);
            let next = self.calendar.keys().next().copied().filter(|(at, _)| *at <= until);
            match (due, next) {
                (None, None) => break,
                (Some((due, at)), next) if next.is_none_or(|(next, _)| due < next) => {
                    self.now = due.max(self.now);
                    self.give(at, Input::Deadline);
                }
                (_, Some(next)) => {
                    self.now = next.0;
                    let Some((at, input)) = self.calendar.remove(&next) else { break };
                    self.give(at, input);
                    if self.nodes[at].has_unwritten() {
                        self.give(at, Input::StoreReady);
                    }
                }
                _ => break,
            }
        }
        self.now = until;
    }

    fn append(&mut self, at: usize, bytes: usize) {
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
        let payloads = vec![NewPayload::new(vec![7; bytes])];
        self.give(
            at,
            Input::Command { id: CommandId(2), command: Command::Append { channel, stream, payloads } },
        );
        self.give(at, Input::StoreReady);
    }

    /// How many entries each node holds.
    fn held(&self) -> Vec<Seq> {
        let sum = |node: &Node| node.logs.values().map(|log| log.stored.height).sum();
        self.nodes.iter().map(sum).collect()
    }

    fn agree(&self) -> bool {
        self.held().iter().collect::<BTreeSet<_>>().len() == 1
    }

    fn count(&self, wanted: impl Fn(&Message) -> bool) -> usize {
        self.said.iter().filter(|(_, _, message)| wanted(message)).count()
    }

    fn named(&self, name: &str) -> usize {
        self.count(|message| message.name() == name)
    }

    /// The neighbours to which a node pushes.
    fn eager(&self, at: usize) -> Vec<usize> {
        let channel = ChannelId::new("c").unwrap();
        let linked = |other: &usize| self.nodes[at].links.contains_key(&link(at, *other));
        (0..NODES)
            .filter(linked)
            .filter(|other| !self.nodes[at].is_lazy(link(at, *other), &channel))
            .collect()
    }

    /// Ends of links that are eager there.
    fn edges(&self) -> usize {
        (0..NODES).map(|at| self.eager(at).len()).sum()
    }

    /// One whose only eager link is this.
    fn leaf(&self) -> (usize, usize) {
        let leaf = (0..NODES).find(|at| self.eager(*at).len() == 1).expect("a tree has leaves");
        (leaf, self.eager(leaf)[0])
    }

    fn hear(&mut self, from: usize, to: usize, message: &Message) {
        let bytes = write(message, 3).into_bytes();
        self.give(to, Input::Frame { link: link(from, to), bytes });
    }

    /// A member comes to a node over a link that nobody else has.
    fn meet(&mut self, at: usize, row: &Row) {
        let (key, _) = row.about();
        self.nodes[at].members.merge(
            self.now,
            row,
            members::merge::Speaker { settled: true, repairs: false },
        );
        let slot = self.nodes[at].members.find(key).unwrap();
        self.nodes[at].spread_row(slot, LinkId(u64::MAX));
        self.give(at, Input::Deadline);
    }

    fn tag(&mut self, at: usize, other: usize) -> crate::wire::ChannelTag {
        self.nodes[at].shared(link(at, other), &ChannelId::new("c").unwrap()).unwrap().tag
    }
}

#[test]
fn each_entry_comes_once_to_everybody_whoever_wrote_it() {
    let mut wood = Wood::pruned();
    for at in 0..NODES {
        wood.append(at, 100);
        wood.pass(SECOND / 2);
    }
    assert!(wood.agree(), "{:?}", wood.held());
    assert_eq!(wood.count(is_push), NODES * (NODES - 1), "as many copies as there are others");
    let pushes = wood.said.iter().filter(|(_, _, message)| is_push(message));
    let longest = pushes.map(|(_, _, message)| write(message, 3).len()).max();
    assert!(longest <= Some(153), "{longest:?} bytes for 100");
    assert_eq!(wood.named("tree") + wood.named("have") + wood.named("beacon") + wood.named("equal"), 0);
    assert_eq!(wood.edges(), 2 * (NODES - 1), "both sides of a link think alike, and it is a tree");
}

#[test]
fn nothing_but_beats_is_said_while_nothing_happens() {
    let mut wood = Wood::pruned();
    wood.pass(SECOND * 300);
    assert_eq!(wood.said.len(), wood.named("beat"));
    assert!(wood.said.len() >= 280 * NODES);
}

#[test]
fn a_last_link_is_not_given_up() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    let tag = Some(wood.tag(leaf, parent));
    wood.hear(parent, leaf, &Message::Tree(TreeMessage { tag, eager: false }));
    assert_eq!(wood.eager(leaf), [parent]);
    let refusal = Message::Tree(TreeMessage { tag, eager: true });
    assert!(wood.said.iter().any(|said| *said == (leaf, parent, refusal.clone())));
}

#[test]
fn the_more_is_lost_the_more_ways_there_are() {
    /// Of so many beats one.
    fn loses(message: &Message, one_of: u8) -> bool {
        matches!(message, Message::Beat(beat) if beat.n % one_of == 1)
    }
    let mut wood = Wood::pruned();
    let lost: [fn(usize, usize, &Message) -> bool; 3] =
        [|_, _, beat| loses(beat, 40), |_, _, beat| loses(beat, 10), |_, _, beat| loses(beat, 4)];
    for (lost, least) in lost.into_iter().zip([2, 3, 4]) {
        wood.lost = lost;
        wood.pass(SECOND * 400);
        for at in 0..NODES {
            wood.append(at, 100);
            wood.pass(SECOND);
        }
        let fewest = (0..NODES).map(|at| wood.eager(at).len()).min();
        assert!(fewest >= Some(least), "{fewest:?} of {least}");
    }
    assert!(wood.agree());
}

#[test]
fn who_doubts_a_neighbour_opens_all_other_links_for_a_while() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    wood.nodes[leaf].alarm_tree(link(leaf, parent));
    wood.take(leaf);
    wood.pass(SECOND);
    assert_eq!(wood.eager(leaf).len(), 4);
    for other in wood.eager(leaf) {
        assert!(wood.eager(other).contains(&leaf));
    }
    for at in 0..3 * NODES {
        wood.append(at % NODES, 100);
        wood.pass(SECOND);
    }
    assert_eq!(wood.edges(), 2 * (NODES - 1), "they were not needed");
}

/// What a link cannot carry is announced, and asked for.
#[test]
fn what_is_not_pushed_is_announced_and_asked_for() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    for congested in [true, false].repeat(10) {
        wood.give(parent, Input::LinkCongested { link: link(leaf, parent), congested });
    }
    wood.pass(SECOND / 10);
    wood.said.clear();
    (0..40).for_each(|_| wood.append(parent, 1_000));
    wood.run(wood.now + MILLI * 700);
    assert!(wood.agree(), "{:?}", wood.held());
    let said = |wanted: fn(&Message) -> bool| {
        wood.said
            .iter()
            .filter(|(from, to, message)| (*from, *to) == (parent, leaf) && wanted(message))
            .count()
    };
    assert!((1..40).contains(&said(is_push)), "{} of 40", said(is_push));
    assert_eq!((wood.named("have"), wood.named("ask"), wood.named("beacon")), (1, 1, 0));
}

/// A leaf hears nothing of an entry, and nothing follows.
#[test]
fn what_a_push_missed_comes_out_with_the_next_beats() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    wood.lost = |_, _, message| is_push(message);
    wood.append(parent, 100);
    wood.pass(SECOND / 4);
    assert_eq!(wood.held().iter().collect::<BTreeSet<_>>().len(), 2, "nobody has it but its writer");
    wood.lost = |_, _, _| false;
    wood.pass(SECOND * 6);
    assert!(wood.agree(), "{:?}", wood.held());
    // And the tree is one again.
    for at in 0..2 * NODES {
        wood.append(at % NODES, 100);
        wood.pass(SECOND);
    }
    wood.said.clear();
    wood.append(leaf, 100);
    wood.pass(SECOND);
    assert_eq!((wood.agree(), wood.count(is_push)), (true, NODES - 1));
}

#[test]
fn a_neighbour_that_goes_takes_nothing_with_it() {
    let mut wood = Wood::pruned();
    let (leaf, parent) = wood.leaf();
    let linked = |other: &usize| wood.nodes[parent].links.contains_key(&link(parent, *other));
    for other in (0..NODES).filter(linked).collect::<Vec<_>>() {
        let link = link(parent, other);
        [parent, other].into_iter().for_each(|at| wood.give(at, Input::LinkDown { link }));
    }
    let before = wood.held();
    wood.append(leaf, 100);
    wood.run(wood.now + MILLI * 300);
    let got = wood.held().iter().zip(&before).filter(|(now, before)| now > before).count();
    assert_eq!(got, NODES - 1, "all but who is gone");
}

/// As many messages as there are others tell of one who joins, once some have shown which links are not needed.
#[test]
fn who_joins_is_told_of_once_to_everybody() {
    let mut wood = Wood::new();
    for number in 0..60 {
        let id = NodeId::new(format!("new{number}")).unwrap();
        let row =
            Row::Live { row: MemberRow { id, incarnation: 1, instance: 1, addresses: vec![] }, doze: 0 };
        wood.said.clear();
        wood.meet(number % NODES, &row);
        wood.pass(SECOND * 2);
    }
    assert!(wood.nodes.iter().all(|node| node.members.live() == NODES + 60));
    assert_eq!((wood.named("news"), wood.named("tree")), (NODES - 1, 0));
}
