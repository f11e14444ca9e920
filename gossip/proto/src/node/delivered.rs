//! Who holds an entry.
//!
//! A chain hash covers all that comes before it, so a peer that knows ours at a place holds the entry there,
//! or held it. Linked peers are asked for it at the entry and where our log ends, for those who pruned the
//! entry: a height alone may be that of another history. One question is under way on a link, about one log,
//! and said again until it is answered; who does not hold the entry yet is asked again. Whoever agreed on the whole
//! channel, or proved a later place of the log, need not be asked. On links of version 1 only agreement
//! proves anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::ops::Op;
use super::{Class, CommandError, CommandId, LinkId, Node, NodeState, Reply, Timer};
use crate::wire::{Hashes, MAX_POSITIONS, Message, Positions, StreamKey};
use crate::{
    ChainHash, ChannelId, Check, EntryId, Fault, LogId, NodeId, Seq, SeqRange, StoreFailure, StoreReply,
    StoreRequest, Tick,
};

/// Peers are given so long to prove it.
const PATIENCE: Duration = Duration::from_secs(2);
/// Calls that may wait.
const CALLS: usize = 1024;
/// Proofs remembered, over all links.
const PROOFS: usize = 4096;
/// The wire version in which peers can be asked.
const ASKS: u8 = 2;

/// Calls that wait, what is asked for them, and what was proven.
#[derive(Debug, Default)]
pub(super) struct Deliveries {
    calls: BTreeMap<CommandId, Call>,
    asked: BTreeMap<LinkId, Question>,
    /// How far peers proved to hold logs.
    proofs: BTreeMap<(LinkId, LogId), Seq>,
}

/// Somebody wants to know who holds an entry.
#[derive(Debug)]
struct Call {
    channel: ChannelId,
    stream: StreamKey,
    log: LogId,
    sequence: Seq,
    places: Places,
    /// Our hashes were asked for again, because the log was cut meanwhile.
    is_second: bool,
    /// Our hashes there, once they were read.
    ours: Vec<(Seq, Check)>,
    until: Tick,
    /// Links on which nothing was proven, each not to be asked before.
    open: BTreeMap<LinkId, Tick>,
    proven: BTreeSet<NodeId>,
}

/// Where a hash proves that an entry is held.
#[derive(Debug, Clone, Copy)]
struct Places {
    /// The first from the entry on of which we know the hash.
    at: Seq,
    /// Where our log ended when the call came.
    top: Seq,
}

/// What was asked on a link.
#[derive(Debug)]
struct Question {
    serial: u32,
    log: LogId,
    at: Vec<Seq>,
    /// It is not waited for any longer.
    again: Tick,
}

/// What an answer says of an entry.
enum Held {
    /// All up to here.
    Upto(Seq),
    NotYet,
    /// Another history.
    No,
}

impl Places {
    fn all(self) -> impl Iterator<Item = Seq> {
        [self.at].into_iter().chain((self.top > self.at).then_some(self.top))
    }

    fn are_in(self, asked: &[Seq]) -> bool {
        self.all().all(|at| asked.contains(&at))
    }
}

impl Call {
    /// Whether they know one of our hashes from the entry on. Of an entry that they do not know nothing
    /// follows from their height, nor from another hash further up.
    fn weigh(&self, hashes: &Hashes) -> Held {
        let theirs = |at: Seq| hashes.at.iter().find(|(of, _)| *of == at).and_then(|(_, hash)| *hash);
        let same = self.ours.iter().rev().find(|(at, ours)| theirs(*at) == Some(*ours));
        match same {
            Some((at, _)) => Held::Upto(*at),
            None if theirs(self.places.at).is_some() => Held::No,
            None => Held::NotYet,
        }
    }
}

impl Deliveries {
    pub(super) fn forget_link(&mut self, id: LinkId) {
        self.asked.remove(&id);
        self.proofs.retain(|(link, _), _| *link != id);
        self.calls.values_mut().for_each(|call| _ = call.open.remove(&id));
    }

    fn prove(&mut self, id: LinkId, log: LogId, at: Seq) {
        if self.proofs.len() >= PROOFS {
            self.proofs.clear();
        }
        let proof = self.proofs.entry((id, log)).or_insert(at);
        *proof = at.max(*proof);
    }

    /// Takes in an answer; false if it is none.
    fn answered(&mut self, id: LinkId, peer: &NodeId, hashes: &Hashes, again: Tick) -> bool {
        let fits = |asked: &&Question| (asked.serial, asked.log) == (hashes.serial, hashes.log);
        if self.asked.get(&id).filter(fits).is_none() {
            return false;
        }
        let Some(Question { at: asked, .. }) = self.asked.remove(&id) else { return false };
        let mut proven = None;
        for call in self.calls.values_mut().filter(|call| call.log == hashes.log) {
            if !call.places.are_in(&asked) || !call.open.contains_key(&id) {
                continue;
            }
            match call.weigh(hashes) {
                Held::Upto(at) => {
                    call.open.remove(&id);
                    call.proven.insert(peer.clone());
                    proven = proven.max(Some(at));
                }
                Held::No => _ = call.open.remove(&id),
                Held::NotYet => _ = call.open.insert(id, again),
            }
        }
        proven.into_iter().for_each(|at| self.prove(id, hashes.log, at));
        true
    }

    /// The next places to ask for on a link, of the log that waits for the longest time.
    fn next(&mut self, id: LinkId, now: Tick) -> Option<(ChannelId, LogId, Vec<Seq>)> {
        if self.asked.get(&id).is_some_and(|asked| now < asked.again) {
            return None;
        }
        let due = |call: &&Call| !call.ours.is_empty() && call.open.get(&id).is_some_and(|at| *at <= now);
        let first = self.calls.values().filter(due).min_by_key(|call| call.open.get(&id))?;
        let (channel, log) = (first.channel.clone(), first.log);
        let same = self.calls.values().filter(due).filter(|call| call.log == log);
        let mut at = BTreeSet::new();
        for places in same.map(|call| call.places) {
            // Both or none: one of them alone may not be enough.
            if at.len() + places.all().count() > MAX_POSITIONS {
                break;
            }
            at.extend(places.all());
        }
        Some((channel, log, at.into_iter().collect()))
    }

    fn ask(&mut self, id: LinkId, question: Question) {
        let (log, again) = (question.log, question.again);
        let asked = |call: &&mut Call| call.log == log && call.places.are_in(&question.at);
        for call in self.calls.values_mut().filter(asked) {
            call.open.entry(id).and_modify(|at| *at = again);
        }
        self.asked.insert(id, question);
    }

    /// When to look again.
    fn due(&self, now: Tick) -> Option<Tick> {
        let ends = self.calls.values().map(|call| call.until);
        let asks = self.calls.values().flat_map(|call| call.open.values().copied());
        ends.chain(asks).filter(|at| *at > now).min()
    }
}

impl Node {
    /// Finds out which linked peers hold an entry.
    pub(super) fn find_holders(&mut self, command: CommandId, channel: ChannelId, entry: EntryId) {
        let now = self.now.tick;
        if self.state == NodeState::ShutDown {
            return self.reply(command, Err(CommandError::State { state: self.state }));
        }
        if self.deliveries.calls.len() >= CALLS {
            return self.reply(command, Err(CommandError::Busy));
        }
        let Some((stream, places)) = self.place_of(&channel, entry) else {
            return self.reply(command, Err(CommandError::UnknownEntry(entry)));
        };
        let (log, until, open, proven) = (entry.log, now + PATIENCE, BTreeMap::new(), BTreeSet::new());
        let (sequence, is_second, ours) = (entry.sequence, false, Vec::new());
        let mut call = Call { channel, stream, log, sequence, places, is_second, ours, until, open, proven };
        // Each peer once, however many links lead to it.
        let links = self.links_of(&call.channel).into_iter();
        let carry = links.filter(|id| self.carries(*id, &call.channel, &call.stream));
        for id in carry.collect::<Vec<_>>() {
            self.involve(id, &mut call);
        }
        let is_done = call.open.is_empty();
        self.deliveries.calls.insert(command, call);
        if is_done {
            return self.answer_callers();
        }
        self.timers.bring_forward(Timer::Delivered, until);
        self.store(Op::Delivered(command), StoreRequest::HashAt { log, positions: places.all().collect() });
    }

    /// The stream of an entry that was held here, and where its hash or one that covers it is known.
    fn place_of(&self, channel: &ChannelId, entry: EntryId) -> Option<(StreamKey, Places)> {
        let EntryId { log, sequence } = entry;
        let log = self.logs.inside(channel, &log)?;
        let (_, stream) = self.logs.place_of(log)?;
        let stream = self.channels.get(channel)?.streams.get(stream)?;
        let hole = log.holes().touched_by(&SeqRange { first: sequence, last: sequence });
        let top = log.stored.height;
        let places = Places { at: hole.map_or(sequence, |hole| hole.last), top };
        (1..=top).contains(&sequence).then_some((stream.key, places))
    }

    /// Counts the peer of a link, has it asked, or leaves it out.
    fn involve(&mut self, id: LinkId, call: &mut Call) {
        let Some(link) = self.links.get(&id) else { return };
        let proof = self.deliveries.proofs.get(&(id, call.log));
        if proof.is_some_and(|proof| *proof >= call.places.at) || self.agrees(id, &call.channel) {
            call.proven.insert(link.peer.clone());
        } else if self.is_active() {
            call.open.insert(id, self.now.tick);
            if self.spoken(id) < ASKS {
                self.timers.bring_forward(Timer::Round(id, call.channel.clone()), self.now.tick);
            }
        }
    }

    /// Our own hash at the place was read.
    pub(super) fn on_own_hash(&mut self, command: CommandId, result: Result<StoreReply, StoreFailure>) {
        let Some(call) = self.deliveries.calls.get_mut(&command) else { return };
        match result {
            Ok(StoreReply::Hashes(hashes)) => {
                call.ours = call.places.all().zip(hashes.iter().map(ChainHash::check)).collect();
            }
            Ok(_) => {}
            Err(failure) if failure.fault == Fault::Rejected && self.place_again(command) => {}
            Err(failure) => {
                self.deliveries.calls.remove(&command);
                self.reply(command, Err(CommandError::Store(failure)));
            }
        }
        self.tend_callers();
    }

    /// The store did not know a place: the log may have ended below it just then. False if it was asked before.
    fn place_again(&mut self, command: CommandId) -> bool {
        let Some(call) = self.deliveries.calls.get(&command).filter(|call| !call.is_second) else {
            return false;
        };
        let entry = self.moved(EntryId { log: call.log, sequence: call.sequence });
        let Some((_, places)) = self.place_of(&call.channel, entry) else { return false };
        let Some(call) = self.deliveries.calls.get_mut(&command) else { return false };
        (call.log, call.sequence, call.places, call.is_second) = (entry.log, entry.sequence, places, true);
        let (log, positions) = (entry.log, places.all().collect());
        self.store(Op::Delivered(command), StoreRequest::HashAt { log, positions });
        true
    }

    /// Hashes that a peer told, if they were asked for here.
    pub(super) fn on_held(&mut self, id: LinkId, hashes: &Hashes) {
        let Some(link) = self.links.get(&id) else { return };
        let again = self.now.tick + link.rtt.timeout();
        let peer = link.peer.clone();
        if self.deliveries.answered(id, &peer, hashes, again) {
            self.tend_callers();
        }
    }

    /// A link's peer holds all of a channel that is held here.
    pub(super) fn prove_all(&mut self, id: LinkId, name: &ChannelId) {
        let Some(link) = self.links.get(&id) else { return };
        let Some(channel) = self.channels.get(name) else { return };
        let takes = |call: &&mut Call| call.channel == *name && channel.scopes.has(id, &call.stream);
        for call in self.deliveries.calls.values_mut().filter(takes) {
            if call.open.remove(&id).is_some() {
                call.proven.insert(link.peer.clone());
            }
        }
        self.answer_callers();
    }

    /// Asks what is to be asked, and answers whom there is an answer for.
    pub(super) fn tend_callers(&mut self) {
        self.answer_callers();
        let now = self.now.tick;
        let links = self.deliveries.calls.values().flat_map(|call| call.open.keys().copied());
        for id in links.collect::<BTreeSet<LinkId>>() {
            self.ask_holder(id);
        }
        if let Some(due) = self.deliveries.due(now) {
            self.timers.set(Timer::Delivered, due);
        }
    }

    fn ask_holder(&mut self, id: LinkId) {
        let now = self.now.tick;
        if self.spoken(id) < ASKS {
            return;
        }
        let Some((channel, log, at)) = self.deliveries.next(id, now) else { return };
        let Some(again) = self.links.get(&id).map(|link| now + link.rtt.timeout()) else { return };
        let serial = self.forks.next_serial();
        self.deliveries.ask(id, Question { serial, log, at: at.clone(), again });
        // Without a tag the channel is not shared any more.
        let Some(tag) = self.shared(id, &channel).map(|shared| shared.tag) else { return };
        self.send(id, &Message::Positions(Positions { tag, serial, log, at }), Class::Live);
    }

    /// Answers calls for which nothing is open, or the time is up.
    pub(super) fn answer_callers(&mut self) {
        let now = self.now.tick;
        let ended = (self.state == NodeState::ShutDown).then_some(self.state);
        let is_done = |call: &Call| ended.is_some() || call.open.is_empty() || call.until <= now;
        let done =
            self.deliveries.calls.iter().filter(|(_, call)| is_done(call)).map(|(command, _)| *command);
        for command in done.collect::<Vec<_>>() {
            let Some(call) = self.deliveries.calls.remove(&command) else { continue };
            let result = match ended {
                Some(state) => Err(CommandError::State { state }),
                None => Ok(Reply::Members(call.proven.into_iter().collect())),
            };
            self.reply(command, result);
        }
    }
}
