//! Erasures passed on: asked of every peer that shares the channel until it says that it heard.
//!
//! An author may erase what it wrote, and everybody follows; what others wrote is only told to the
//! application. What is new is passed on in turn, what is known is not, so it ends by itself.
//!
//! Who asks cannot be proved, so a request never reaches what was not written yet: it is cut to what is
//! known here, and heard only when that was all of it. Until then it is told again.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::erase::new_entries;
use super::{Class, DropReason, Event, LinkId, Node, Timer};
use crate::log::MAX_SEQ;
use crate::wire::{ChannelTag, Erase, EraseLog, Message};
use crate::{ChannelId, Erasure, LogId, LogName, NodeId, SeqRange, StreamId};

/// Logs and ranges in one message.
const LOGS: usize = 64;
const RANGES: usize = 512;
/// Erasures that wait for one peer.
const WAITING: usize = 64 * 1024;
/// Longest pause before they are told again.
const AGAIN: Duration = Duration::from_secs(30);
/// So often the same is told before what waits behind it has its turn.
const PATIENCE: u32 = 3;
/// Requests about other people's entries that are remembered as told.
const REQUESTED: usize = 1024;

/// What a peer has still to be told.
#[derive(Debug, Default)]
pub(super) struct Telling {
    waiting: VecDeque<Erasure>,
    /// How many of them are on their way.
    sent: usize,
    serial: u64,
    tries: u32,
}

impl Telling {
    /// How many erasures wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Nothing waits any more.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.sent = 0;
    }
}

impl Node {
    /// Tells a peer everything that was erased in a channel.
    pub(super) fn tell_all_erasures(&mut self, id: LinkId, name: &ChannelId) {
        let Some(channel) = self.channels.get(name) else { return };
        let open = channel.streams.values().filter(|stream| stream.is_open());
        let all: Vec<Erasure> = open.flat_map(|stream| stream.record.erased.iter().cloned()).collect();
        self.queue_telling(id, name, &all);
    }

    /// Tells peers what was just erased; `from` knows.
    pub(super) fn tell_erasures(&mut self, name: &ChannelId, news: &[Erasure], from: Option<&NodeId>) {
        let knows = |id: &LinkId| self.links.get(id).map(|link| &link.peer) == from;
        let links: Vec<LinkId> = self.established().filter(|id| !knows(id)).collect();
        for id in links {
            self.queue_telling(id, name, news);
        }
    }

    /// Goes on where a pause interrupted.
    pub(super) fn tell_everyone(&mut self) {
        let links: Vec<LinkId> = self.established().collect();
        for id in links {
            let session = self.links.get(&id).and_then(|link| link.session.as_ref());
            let names: Vec<ChannelId> = session.into_iter().flat_map(|s| s.shared.keys().cloned()).collect();
            names.into_iter().for_each(|name| self.repeat_telling(id, name));
        }
    }

    fn queue_telling(&mut self, id: LinkId, name: &ChannelId, news: &[Erasure]) {
        let Some(shared) = self.shared(id, name) else { return };
        let room = WAITING.saturating_sub(shared.telling.waiting.len());
        shared.telling.waiting.extend(news.iter().take(room).cloned());
        if news.len() > room {
            self.drop_from(None, DropReason::Bound, "more erasures than can be told at once");
        }
        self.tell(id, name);
    }

    /// Tells the next erasures, unless some are on their way.
    fn tell(&mut self, id: LinkId, name: &ChannelId) {
        if !self.is_active() || self.shared(id, name).is_none_or(|shared| shared.telling.sent > 0) {
            return;
        }
        let Some(shared) = self.shared(id, name) else { return };
        shared.telling.tries = 0;
        self.repeat_telling(id, name.clone());
    }

    /// Tells the same again until it was heard.
    pub(super) fn repeat_telling(&mut self, id: LinkId, name: ChannelId) {
        if !self.is_active() {
            return;
        }
        self.let_others_pass(id, &name);
        self.keep_within_scope(id, &name);
        let Some((count, mut erase)) = self.erase_message(id, &name) else {
            if let Some(shared) = self.shared(id, &name) {
                shared.telling.sent = 0;
            }
            return;
        };
        let Some(link) = self.links.get(&id) else { return };
        let rtt = link.rtt.timeout();
        let Some(shared) = self.shared(id, &name) else { return };
        // More may wait by now than the last time: what was heard of that says nothing of this.
        (shared.telling.serial, shared.telling.sent) = (shared.telling.serial + 1, count);
        erase.serial = shared.telling.serial;
        shared.telling.tries += 1;
        let pause = (rtt * (1 << shared.telling.tries.min(10))).min(AGAIN);
        let pause = self.rng.jitter(pause);
        self.set_timer(Timer::Tell(id, name), pause);
        self.send(id, &Message::Erase(erase), Class::Live);
    }

    /// What a peer does not hold yet, and may never hold, keeps nothing else waiting.
    fn let_others_pass(&mut self, id: LinkId, name: &ChannelId) {
        let Some(shared) = self.shared(id, name) else { return };
        let Telling { waiting, sent, tries, .. } = &mut shared.telling;
        if *tries >= PATIENCE {
            waiting.rotate_left((*sent).min(waiting.len()));
        }
    }

    /// What is left out on a link is told when it is taken up again.
    fn keep_within_scope(&mut self, id: LinkId, name: &ChannelId) {
        let Some(channel) = self.channels.get(name).filter(|channel| !channel.scopes.is_whole(id)) else {
            return;
        };
        let logs = channel.streams_on(id, false).flat_map(|stream| self.logs.of(stream.logs));
        let logs: BTreeSet<LogId> = logs.map(|log| log.id).collect();
        if let Some(shared) = self.shared(id, name) {
            shared.telling.waiting.retain(|erasure| !logs.contains(&erasure.log));
        }
    }

    /// The first erasures that wait: of one asker, and either all or none of what it wrote itself.
    fn erase_message(&mut self, id: LinkId, name: &ChannelId) -> Option<(usize, Erase)> {
        // Of logs that were forgotten nobody knows the name.
        while let Some(front) = self.shared(id, name)?.telling.waiting.front().map(|front| front.log) {
            if self.logs.contains(&front) {
                break;
            }
            self.shared(id, name)?.telling.waiting.pop_front();
        }
        let session = self.links.get(&id)?.session.as_ref()?;
        let shared = session.shared.get(name)?;
        let front = shared.telling.waiting.front()?;
        let by = front.by.clone();
        let author = |erasure: &Erasure| self.logs.author_of(self.logs.get(&erasure.log)?);
        let own = |erasure: &Erasure| author(erasure).map(|author| *author == erasure.by);
        let kind = own(front);
        let (mut count, mut logs) = (0, Vec::<EraseLog>::new());
        for erasure in shared.telling.waiting.iter().take(RANGES) {
            if erasure.by != by || own(erasure) != kind {
                break;
            }
            let Some(name) = self.logs.name_of(self.logs.get(&erasure.log)?) else { break };
            let key = (name.stream, name.author, name.epoch, name.branch);
            let full = logs.len() == LOGS;
            match logs.last_mut().filter(|last| last.name == key) {
                Some(last) => last.ranges.push(erasure.range),
                None if full => break,
                None => logs.push(EraseLog { name: key, ranges: vec![erasure.range] }),
            }
            count += 1;
        }
        Some((count, Erase { tag: shared.tag, serial: shared.telling.serial, by, logs }))
    }

    /// A peer heard what was told.
    pub(super) fn on_told(&mut self, id: LinkId, tag: ChannelTag, serial: u64) {
        let Some((name, shared)) = self.shared_by_tag(id, tag) else { return };
        let telling = &mut shared.telling;
        if telling.sent == 0 || telling.serial != serial {
            return;
        }
        let heard = std::mem::take(&mut telling.sent).min(telling.waiting.len());
        telling.waiting.drain(..heard);
        self.timers.cancel(&Timer::Tell(id, name.clone()));
        self.tell(id, &name);
    }

    /// A peer asks to erase.
    pub(super) fn on_erase(&mut self, id: LinkId, erase: Erase) {
        let Some((name, _)) = self.shared_by_tag(id, erase.tag) else { return };
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let ranges = || erase.logs.iter().flat_map(|log| &log.ranges);
        if erase.logs.len() > LOGS || ranges().count() > RANGES {
            return self.drop_from(Some(peer), DropReason::Bound, "a request to erase over its bounds");
        }
        let wellformed =
            |range: &SeqRange| 0 < range.first && range.first <= range.last && range.last <= MAX_SEQ;
        if !ranges().all(wellformed) {
            return self.drop_from(Some(peer), DropReason::Malformed, "a request to erase no entries");
        }
        if self.erasures.is_full_for(&peer) {
            // Not heard: the peer tells it again.
            return self.drop_from(Some(peer), DropReason::Bound, "more erasures than are done at once");
        }
        let Erase { tag, serial, by, logs } = erase;
        // What we want ourselves we know.
        let follow =
            self.config.follow_erasures && by != self.record.id && logs.iter().all(|log| log.name.1 == by);
        let mut is_whole = true;
        let mut streams: std::collections::BTreeMap<StreamId, Vec<(LogId, SeqRange)>> = Default::default();
        for EraseLog { name: (stream, author, epoch, branch), ranges } in logs {
            let log = LogName { channel: name.clone(), stream: stream.clone(), author, epoch, branch };
            let (known, all) = self.written(id, &log, ranges);
            is_whole &= all;
            if !known.is_empty() {
                streams.entry(stream).or_default().extend(known);
            }
        }
        for (stream, entries) in streams {
            match follow {
                true => self.follow_erasure(&peer, (name.clone(), stream), by.clone(), &entries),
                false => self.request_erasure(name.clone(), stream, by.clone(), entries),
            }
        }
        if is_whole {
            self.send(id, &Message::Erased(tag, serial), Class::Urgent);
        }
    }

    /// The part of some ranges that is known here to be written, and whether that is all. Nothing is
    /// known of a stream that is left out here: it may be taken up again before the peer learns that it was
    /// left out, and what was said to be heard would never be told again.
    fn written(&self, link: LinkId, name: &LogName, ranges: Vec<SeqRange>) -> (Vec<(LogId, SeqRange)>, bool) {
        let stream = self.channels.get(&name.channel).and_then(|channel| channel.streams.get(&name.stream));
        if stream.is_some_and(|stream| !stream.is_open())
            || self.leaves_out(link, &name.channel, &name.stream)
        {
            return (Vec::new(), false);
        }
        let id = name.id();
        let height = self.logs.get(&id).map_or(0, |log| log.stored.height);
        let all = ranges.iter().all(|range| range.last <= height);
        let cut = |range: SeqRange| (id, SeqRange { last: range.last.min(height), ..range });
        let known = ranges.into_iter().filter(|range| range.first <= height).map(cut);
        (known.collect(), all)
    }

    /// Does what an author asks for its own entries, as far as it is new.
    fn follow_erasure(
        &mut self,
        peer: &NodeId,
        (channel, stream): (ChannelId, StreamId),
        by: NodeId,
        entries: &[(LogId, SeqRange)],
    ) {
        let open = self.channels.get_mut(&channel).and_then(|channel| channel.open_stream(&stream));
        let Some(open) = open else { return };
        let news = new_entries(&open.record, Some(&by), entries);
        let news = self.erasures.not_begun(&by, &news);
        if !news.is_empty() {
            self.begin_erasure(None, Some(peer.clone()), (channel, stream), by, news);
        }
    }

    /// Tells the application what somebody wants to have erased that others wrote, once.
    fn request_erasure(
        &mut self,
        channel: ChannelId,
        stream: StreamId,
        by: NodeId,
        entries: Vec<(LogId, SeqRange)>,
    ) {
        let open = self.channels.get_mut(&channel).and_then(|channel| channel.open_stream(&stream));
        let Some(open) = open else { return };
        // What is erased already needs no decision.
        let entries = new_entries(&open.record, None, &entries);
        if entries.is_empty() || !self.erasures.requested.insert(&by, &entries) {
            return;
        }
        self.notify(Event::EraseRequested { channel, stream, by, entries });
    }
}

/// Requests the application was told of, within a bound.
#[derive(Debug, Default)]
pub(super) struct Requested {
    known: BTreeSet<[u8; 16]>,
    order: VecDeque<[u8; 16]>,
}

impl Requested {
    /// False if it was told before.
    fn insert(&mut self, by: &NodeId, entries: &[(LogId, SeqRange)]) -> bool {
        let mut hasher = blake3::Hasher::new_derive_key("gossip 1 erase request");
        hasher.update(by.as_str().as_bytes());
        for (log, range) in entries {
            hasher.update(&log.0).update(&range.first.to_le_bytes()).update(&range.last.to_le_bytes());
        }
        let mut key = [0; 16];
        key.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        if !self.known.insert(key) {
            return false;
        }
        self.order.push_back(key);
        if self.order.len() > REQUESTED
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
        true
    }
}
