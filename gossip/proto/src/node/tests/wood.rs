//! Twelve nodes and what passes between them: more than push everything to everybody.

use std::collections::BTreeSet;
use std::time::Duration;

use super::*;
use crate::wire::{Row, write};
use crate::{NewPayload, Retention, Seq};

pub(super) const NODES: usize = 12;
pub(super) const MILLI: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// Twelve nodes in a ring, each linked with the two behind it and the two before.
pub(super) struct Wood {
    pub(super) nodes: Vec<Node>,
    stores: Vec<BTreeMap<LogId, Vec<StoredRun>>>,
    calendar: BTreeMap<(Tick, u64), (usize, Input)>,
    /// Every message that was sent, by whom and to whom.
    pub(super) said: Vec<(usize, usize, Message)>,
    /// Which of them are lost.
    pub(super) lost: fn(usize, usize, &Message) -> bool,
    pub(super) now: Tick,
    count: u64,
}

pub(super) fn link(one: usize, other: usize) -> LinkId {
    LinkId((one.min(other) * 100 + one.max(other)) as u64)
}

/// Milliseconds from one to another.
pub(super) fn delay(one: usize, other: usize) -> Duration {
    MILLI * (5 + (one * other * 7 % 20) as u32)
}

pub(super) fn is_push(message: &Message) -> bool {
    match message {
        Message::Fresh(_) | Message::Push(_) => true,
        Message::Runs(runs) => runs.serial == 0,
        _ => false,
    }
}

/// Larger than anything else that is pushed.
pub(super) const MARKED: usize = 700;

pub(super) fn is_marked(message: &Message) -> bool {
    is_push(message) && write(message, 3).len() > MARKED
}

impl Wood {
    pub(super) fn new() -> Self {
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
    pub(super) fn pruned() -> Self {
        let mut wood = Self::new();
        for at in 0..2 * NODES {
            wood.append(at % NODES, 100);
            wood.pass(SECOND / 2);
        }
        wood.said.clear();
        wood
    }

    pub(super) fn connect(&mut self, one: usize, other: usize) {
        let limits =
            LinkLimits { max_frame: 1_200, cost: 1, ordered: false, reliable: false, notices_loss: false };
        for (at, peer) in [(one, other), (other, one)] {
            let peer = self.nodes[peer].id().clone();
            self.give(at, Input::LinkUp { peer, link: link(one, other), limits });
        }
    }

    pub(super) fn give(&mut self, at: usize, input: Input) {
        self.nodes[at].handle(Now { tick: self.now, wall: WallMs(1) }, input);
        self.take(at);
    }

    pub(super) fn later(&mut self, after: Duration, at: usize, input: Input) {
        self.count += 1;
        self.calendar.insert((self.now + after, self.count), (at, input));
    }

    pub(super) fn take(&mut self, at: usize) {
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

    pub(super) fn send(&mut self, at: usize, link: LinkId, bytes: &bytes::Bytes) {
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

    pub(super) fn stored(&mut self, at: usize, request: StoreRequest) -> StoreReply {
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

    pub(super) fn pass(&mut self, time: Duration) {
        self.run(self.now + time);
    }

    pub(super) fn run(&mut self, until: Tick) {
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

    pub(super) fn append(&mut self, at: usize, bytes: usize) {
        self.append_in(at, ("c", "s"), bytes);
    }

    pub(super) fn append_in(&mut self, at: usize, (channel, stream): (&str, &str), bytes: usize) {
        let (channel, stream) = (ChannelId::new(channel).unwrap(), StreamId::new(stream).unwrap());
        let payloads = vec![NewPayload::new(vec![7; bytes])];
        self.command(at, Command::Append { channel, stream, payloads });
        self.give(at, Input::StoreReady);
    }

    pub(super) fn command(&mut self, at: usize, command: Command) {
        self.give(at, Input::Command { id: CommandId(2), command });
    }

    /// A stream, and its channel.
    pub(super) fn create(&mut self, at: usize, (channel, stream): (&str, &str)) {
        let (channel, stream) = (ChannelId::new(channel).unwrap(), StreamId::new(stream).unwrap());
        self.command(at, Command::CreateChannel { channel: channel.clone(), payload_limit: None });
        self.command(at, Command::CreateStream { channel, stream, retention: Retention::default() });
        self.pass(SECOND);
    }

    /// How many entries of a channel a node holds.
    pub(super) fn held_in(&self, at: usize, channel: &str) -> Seq {
        let node = &self.nodes[at];
        let channel = ChannelId::new(channel).unwrap();
        let logs = node
            .logs
            .values()
            .filter(|log| node.logs.place_of(log).is_some_and(|(name, _)| *name == channel));
        logs.map(|log| log.stored.height).sum()
    }

    /// How long it took until a node held so much of a channel, looked at every so often.
    pub(super) fn until_held(
        &mut self,
        at: usize,
        (channel, wanted): (&str, Seq),
        longest: Duration,
    ) -> Duration {
        let begin = self.now;
        while self.held_in(at, channel) < wanted && self.now.since(begin) < longest {
            self.pass(MILLI * 50);
        }
        self.now.since(begin)
    }

    /// How many entries each node holds.
    pub(super) fn held(&self) -> Vec<Seq> {
        let sum = |node: &Node| node.logs.values().map(|log| log.stored.height).sum();
        self.nodes.iter().map(sum).collect()
    }

    pub(super) fn agree(&self) -> bool {
        self.held().iter().collect::<BTreeSet<_>>().len() == 1
    }

    pub(super) fn count(&self, wanted: impl Fn(&Message) -> bool) -> usize {
        self.said.iter().filter(|(_, _, message)| wanted(message)).count()
    }

    pub(super) fn named(&self, name: &str) -> usize {
        self.count(|message| message.name() == name)
    }

    /// The neighbours to which a node pushes.
    pub(super) fn eager(&self, at: usize) -> Vec<usize> {
        let channel = ChannelId::new("c").unwrap();
        let linked = |other: &usize| self.nodes[at].links.contains_key(&link(at, *other));
        (0..NODES)
            .filter(linked)
            .filter(|other| !self.nodes[at].is_lazy(link(at, *other), &channel))
            .collect()
    }

    /// Ends of links that are eager there.
    pub(super) fn edges(&self) -> usize {
        (0..NODES).map(|at| self.eager(at).len()).sum()
    }

    /// One whose only eager link is this.
    pub(super) fn leaf(&self) -> (usize, usize) {
        let leaf = (0..NODES).find(|at| self.eager(*at).len() == 1).expect("a tree has leaves");
        (leaf, self.eager(leaf)[0])
    }

    pub(super) fn hear(&mut self, from: usize, to: usize, message: &Message) {
        let bytes = write(message, 3).into_bytes();
        self.give(to, Input::Frame { link: link(from, to), bytes });
    }

    /// A member comes to a node over a link that nobody else has.
    pub(super) fn meet(&mut self, at: usize, row: &Row) {
        let (key, _) = row.about();
        self.nodes[at].members.merge(self.now, row, members::merge::Told::News);
        let slot = self.nodes[at].members.find(key).unwrap();
        self.nodes[at].spread_row(slot, LinkId(u64::MAX));
        self.give(at, Input::Deadline);
    }

    pub(super) fn tag(&mut self, at: usize, other: usize) -> crate::wire::ChannelTag {
        self.nodes[at].shared(link(at, other), &ChannelId::new("c").unwrap()).unwrap().tag
    }
}
