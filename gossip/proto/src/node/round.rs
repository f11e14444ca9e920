//! Anti-entropy: digests are compared; where they differ, heights are offered.
//!
//! A beacon carries both digests as the speaker knows them. If they differ the responder of the
//! handshake offers all its heights, the initiator answers with those in which it is ahead, and
//! both ask for what they lack. As long as digests differ a round is scheduled; while they agree
//! an occasional beacon makes sure of it.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use super::admin::Job;
use super::model::{Channel, Log, Stream};
use super::{Class, DropReason, Event, LinkId, Node, Timer};
use crate::wire::{Beacon, ChannelTag, Message, Offer, OfferLog};
use crate::{ChannelId, LogId, LogName, NodeId, StreamId};

/// Logs in one offer.
const OFFER_LOGS: usize = 512;
/// While nobody answers, rounds come at least this often at first, so that a healed network is
/// noticed soon,
const UNANSWERED: Duration = Duration::from_secs(1);
/// for so many rounds.
const EAGER_ROUNDS: u32 = 64;
/// Runs on their way make digests differ for a moment; so long it is not taken for a difference.
const SETTLE: Duration = Duration::from_millis(20);
/// Differences older than this are looked into even if runs keep moving.
const IMPATIENCE: Duration = Duration::from_secs(1);

impl Node {
    /// Compares a channel with a peer, unless nothing can have changed.
    pub(super) fn round(&mut self, id: LinkId, channel: &ChannelId) {
        if !self.is_active() {
            return;
        }
        let Some(link) = self.links.get(&id) else { return };
        let Some(session) = link.session.as_ref() else { return };
        let Some(shared) = session.shared.get(channel) else { return };
        if link.congested || !self.is_primary(id) {
            // Its turn may come without anybody telling it.
            let pause = self.rng.jitter(self.config.round_max);
            return self.set_timer(Timer::Round(id, channel.clone()), pause);
        }
        let Some(found) = self.channels.get(channel) else { return };
        let mine = shared.digest_of(found);
        let differs = shared.theirs.is_some_and(|theirs| theirs != mine);
        let pause = self.round_pause(id, channel);
        self.set_timer(Timer::Round(id, channel.clone()), pause);
        if let Some(shared) = self.shared(id, channel) {
            shared.tries = shared.tries.saturating_add(1);
        }
        let initiator =
            self.links.get(&id).and_then(|link| link.session.as_ref()).is_some_and(|s| s.initiator);
        if differs && !initiator { self.offer_all(id, channel) } else { self.beacon(id, channel) }
    }

    fn round_pause(&mut self, id: LinkId, channel: &ChannelId) -> Duration {
        let (Some(link), Some(found)) = (self.links.get(&id), self.channels.get(channel)) else {
            return self.config.round_max;
        };
        let Some(shared) = link.session.as_ref().and_then(|session| session.shared.get(channel)) else {
            return self.config.round_max;
        };
        if shared.theirs == Some(shared.digest_of(found)) {
            return self.rng.jitter(self.config.round_max);
        }
        let eager = shared.tries < EAGER_ROUNDS;
        let limit = if eager { UNANSWERED.min(self.config.round_max) } else { self.config.round_max };
        let pause = link.rtt.backoff(shared.tries.min(16), limit).max(self.config.round_min);
        self.rng.jitter(pause)
    }

    fn beacon(&mut self, id: LinkId, channel: &ChannelId) {
        let Some(found) = self.channels.get(channel) else { return };
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(shared) = session.and_then(|session| session.shared.get_mut(channel)) else { return };
        let mine = shared.digest_of(found);
        let beacon = Beacon { tag: shared.tag, mine, yours: shared.theirs };
        self.send(id, &Message::Beacon(beacon), Class::Urgent);
    }

    pub(super) fn on_beacon(&mut self, id: LinkId, beacon: &Beacon) {
        let Some(initiator) = self.links.get(&id).and_then(|l| l.session.as_ref()).map(|s| s.initiator)
        else {
            return;
        };
        let now = self.now.tick;
        let Some((name, _)) = self.shared_by_tag(id, beacon.tag) else { return };
        let Some(mine) = self.hear_digest(id, &name, beacon.mine) else { return };
        let knows = beacon.yours == Some(mine);
        if mine == beacon.mine {
            if !knows {
                self.beacon(id, &name);
            }
            let pause = self.rng.jitter(self.config.round_max);
            return self.set_timer(Timer::Round(id, name), pause);
        }
        let settle = self.settle_time(id);
        let Some(shared) = self.shared(id, &name) else { return };
        let since = now.since(shared.differs.unwrap_or(now));
        if now.since(shared.moved) < settle && since < IMPATIENCE {
            return self.timers.bring_forward(Timer::Round(id, name), now + settle);
        }
        match initiator {
            true if !knows => self.beacon(id, &name),
            true => self.timers.ensure(Timer::Round(id, name), now + settle),
            false => self.offer_all(id, &name),
        }
    }

    /// Takes in their digest of a channel; returns ours.
    fn hear_digest(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        theirs: crate::wire::DigestTag,
    ) -> Option<crate::wire::DigestTag> {
        let now = self.now.tick;
        let channel = self.channels.get(name)?;
        let session = self.links.get_mut(&id)?.session.as_mut()?;
        let shared = session.shared.get_mut(name)?;
        let mine = shared.digest_of(channel);
        if shared.theirs.replace(theirs) != Some(theirs) {
            shared.tries = 0;
        }
        if mine == theirs {
            shared.differs = None;
            shared.tries = 0;
            shared.todo.clear();
        } else {
            shared.differs.get_or_insert(now);
        }
        Some(mine)
    }

    fn settle_time(&self, id: LinkId) -> Duration {
        let rtt = self.links.get(&id).and_then(|link| link.rtt.smoothed());
        rtt.map_or(SETTLE, |rtt| (rtt * 2).clamp(SETTLE, IMPATIENCE))
    }

    /// Offers all heights of a channel, page by page; each page can be lost without harm.
    fn offer_all(&mut self, id: LinkId, name: &ChannelId) {
        let now = self.now.tick;
        let Some(timeout) = self.links.get(&id).map(|link| link.rtt.timeout()) else { return };
        let Some(shared) = self.shared(id, name) else { return };
        if shared.offered.is_some_and(|last| now.since(last) < timeout / 2) {
            return;
        }
        shared.offered = Some(now);
        let Some(channel) = self.channels.get(name) else { return };
        let logs: Vec<LogId> = channel.logs.iter().copied().collect();
        let mut after = None;
        let mut pages = logs.chunks(OFFER_LOGS).peekable();
        loop {
            let page = pages.next().unwrap_or_default();
            let upto = pages.peek().and(page.last().copied());
            self.offer(id, name, page, Some((after, upto)), &BTreeSet::new());
            if upto.is_none() {
                break;
            }
            after = upto;
        }
    }

    /// Offers some logs. `known` are streams without logs that need not be told.
    fn offer(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        logs: &[LogId],
        range: Option<(Option<LogId>, Option<LogId>)>,
        known: &BTreeSet<&StreamId>,
    ) {
        let Some(channel) = self.channels.get(name) else { return };
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let Some(shared) = session.and_then(|session| session.shared.get(name)) else { return };
        let (tag, mine) = (shared.tag, shared.digest_of(channel));
        let mut page = OfferPage::default();
        logs.iter().filter_map(|id| self.logs.get(id)).for_each(|log| page.push(log));
        if range.is_some_and(|(after, _)| after.is_none()) {
            self.push_empty(&mut page, channel, known);
        }
        let refused =
            channel.streams.values().filter(|stream| stream.record.refused).map(|stream| stream.key);
        let OfferPage { streams, authors, logs, .. } = page;
        let refused = refused.collect();
        let offer = Offer { tag, mine, range, refused, streams, authors, logs };
        self.send(id, &Message::Offer(offer), Class::Live);
    }

    /// Streams nobody has written to yet, as far as we hold.
    fn push_empty(&self, page: &mut OfferPage, channel: &Channel, known: &BTreeSet<&StreamId>) {
        let untold = channel.streams.values().filter(|stream| self.is_untold(stream, known));
        untold.for_each(|stream| _ = index(&mut page.streams, &mut page.stream_index, &stream.record.id));
    }

    fn is_untold(&self, stream: &Stream, known: &BTreeSet<&StreamId>) -> bool {
        let written = |log: &LogId| self.logs.get(log).is_some_and(|log| log.stored.height > 0);
        stream.is_open() && !known.contains(&stream.record.id) && !stream.logs.iter().any(written)
    }

    /// Tells the linked peers that logs moved, without their content.
    pub(super) fn announce(&mut self, channel: &ChannelId, logs: &[LogId]) {
        for link in self.primaries(channel) {
            self.offer_some(link, channel, logs);
            self.compare_link_soon(link, channel);
        }
    }

    /// Offers some logs to one peer.
    pub(super) fn offer_some(&mut self, id: LinkId, name: &ChannelId, logs: &[LogId]) {
        self.offer(id, name, logs, None, &BTreeSet::new());
    }

    pub(super) fn on_offer(&mut self, id: LinkId, offer: &Offer) {
        let Some((name, shared)) = self.shared_by_tag(id, offer.tag) else { return };
        let refused: BTreeSet<_> = offer.refused.iter().copied().collect();
        let news = shared.refused != refused;
        shared.refused = refused;
        self.hear_digest(id, &name, offer.mine);
        let Some(seen) = self.read_offer(id, &name, offer) else { return };
        if self.is_active() {
            self.answer_offer(id, &name, offer, &seen, news);
        }
        self.fetch(id);
        let settle = self.settle_time(id);
        self.timers.bring_forward(Timer::Round(id, name), self.now.tick + settle);
    }

    /// Notes what the peer has more of. Returns all logs it told of and their heights.
    fn read_offer(&mut self, id: LinkId, name: &ChannelId, offer: &Offer) -> Option<BTreeMap<LogId, u64>> {
        let mut seen = BTreeMap::new();
        let peer = self.links.get(&id)?.peer.clone();
        for told in &offer.logs {
            let stream = offer.streams.get(told.stream as usize);
            let author = offer.authors.get(told.author as usize);
            let (Some(stream), Some(author)) = (stream, author) else {
                self.drop_from(Some(peer), DropReason::Malformed, "an offer that refers to nothing");
                return None;
            };
            let log = LogName {
                channel: name.clone(),
                stream: stream.clone(),
                author: author.clone(),
                epoch: told.epoch,
                branch: told.branch,
            };
            let log_id = log.id();
            seen.insert(log_id, told.height);
            self.weigh(id, name, log, log_id, told);
        }
        let channel = self.channels.get(name)?;
        let new = offer.streams.iter().filter(|stream| !channel.streams.contains_key(*stream));
        let used: BTreeSet<u32> = offer.logs.iter().map(|log| log.stream).collect();
        let empty = offer.streams.iter().zip(0_u32..).filter(|(_, index)| !used.contains(index));
        let empty: BTreeSet<&StreamId> = empty.map(|(stream, _)| stream).collect();
        let learn: Vec<StreamId> = new.filter(|stream| empty.contains(stream)).cloned().collect();
        for stream in learn {
            self.queue_job(Job::Learn(name.clone(), stream));
        }
        Some(seen)
    }

    /// Compares one offered log with ours.
    fn weigh(&mut self, id: LinkId, name: &ChannelId, log: LogName, log_id: LogId, told: &OfferLog) {
        let refused = self.channels.get(name).and_then(|channel| channel.streams.get(&log.stream));
        if refused.is_some_and(|stream| !stream.is_open()) {
            return;
        }
        let ours = self.logs.get(&log_id).map(|log| (log.pending.height, log.stored));
        if let Some((_, stored)) = ours
            && stored.height == told.height
            && stored.hash.check() != told.check
        {
            return self.fork(id, name, log, log_id, told.height);
        }
        if let Some(shared) = self.shared(id, name) {
            shared.note(log_id, told.height);
            if told.height > ours.map_or(0, |(pending, _)| pending) {
                shared.todo.insert(log_id, (told.height, told.floor));
            }
        }
        if told.height > 0 && ours.is_none() {
            self.know_log(log, log_id);
        }
    }

    /// Reports a fork once for each peer and log.
    pub(super) fn fork(&mut self, id: LinkId, channel: &ChannelId, log: LogName, log_id: LogId, at: u64) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let Some(shared) = self.shared(id, channel) else { return };
        shared.todo.remove(&log_id);
        if shared.forks.insert(log_id) {
            self.notify(Event::ForkDetected { log, at, peer });
        }
        // Our own current log in another version: a clone of this device, or a restored backup.
        self.retire(log_id);
    }

    /// Offers what we hold more of, within the range the peer told completely.
    fn answer_offer(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        offer: &Offer,
        seen: &BTreeMap<LogId, u64>,
        news: bool,
    ) {
        let Some(channel) = self.channels.get(name) else { return };
        let ahead = |log: &LogId| {
            let held = self.logs.get(log).map_or(0, |log| log.stored.height);
            held > seen.get(log).copied().unwrap_or(0)
        };
        let logs: Vec<LogId> = match offer.range {
            Some((after, upto)) => {
                let after = after.map_or(Bound::Unbounded, Bound::Excluded);
                let upto = upto.map_or(Bound::Unbounded, Bound::Included);
                let wellformed = !matches!((after, upto), (Bound::Excluded(a), Bound::Included(b)) if a >= b);
                let range = wellformed.then(|| channel.logs.range((after, upto)));
                range.into_iter().flatten().filter(|log| ahead(log)).copied().collect()
            }
            None => seen.keys().filter(|log| ahead(log)).copied().collect(),
        };
        let known: BTreeSet<&StreamId> = offer.streams.iter().collect();
        let first = offer.range.is_some_and(|(after, _)| after.is_none());
        let empty = first && channel.streams.values().any(|stream| self.is_untold(stream, &known));
        let refuses =
            channel.streams.values().any(|stream| stream.record.refused && known.contains(&stream.record.id));
        let Some(shared) = self.shared(id, name) else { return };
        for (log, height) in seen {
            shared.note(*log, *height);
        }
        if empty || refuses || news {
            // An empty range: tells streams and refusals, claims nothing about logs.
            self.offer(id, name, &[], Some((None, Some(LogId([0; 16])))), &known);
        }
        for page in logs.chunks(OFFER_LOGS) {
            self.offer(id, name, page, None, &known);
        }
    }

    /// Links on which a channel's news are told, the primary one of each peer.
    pub(super) fn primaries(&self, channel: &ChannelId) -> Vec<LinkId> {
        if !self.is_active() {
            return Vec::new();
        }
        let paused = |peer: &NodeId| self.peers.get(peer).is_some_and(|peer| peer.paused);
        let shares =
            |link: &super::Link| link.session.as_ref().is_some_and(|s| s.shared.contains_key(channel));
        let open =
            self.links.iter().filter(|(_, link)| !link.congested && shares(link) && !paused(&link.peer));
        open.filter(|(id, _)| self.is_primary(**id)).map(|(id, _)| *id).collect()
    }

    /// Something changed: a round on every link once runs had time to arrive.
    pub(super) fn compare_soon(&mut self, channel: &ChannelId) {
        for link in self.primaries(channel) {
            self.compare_link_soon(link, channel);
        }
    }

    pub(super) fn compare_link_soon(&mut self, link: LinkId, channel: &ChannelId) {
        let settle = self.settle_time(link);
        self.timers.bring_forward(Timer::Round(link, channel.clone()), self.now.tick + settle);
    }

    /// A round of every shared channel of a link, now.
    pub(super) fn compare_link(&mut self, id: LinkId) {
        let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) else { return };
        for (name, shared) in &mut session.shared {
            shared.tries = 0;
            self.timers.bring_forward(Timer::Round(id, name.clone()), self.now.tick);
        }
    }

    pub(super) fn compare_everything(&mut self) {
        let links: Vec<LinkId> = self.established().collect();
        links.into_iter().for_each(|link| self.compare_link(link));
    }

    /// Whether a tag is one of a link's channels.
    pub(super) fn knows_tag(&self, id: LinkId, tag: ChannelTag) -> bool {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        session.is_some_and(|session| session.tags.contains_key(&tag))
    }
}

/// Streams and authors once each, logs by index.
#[derive(Default)]
struct OfferPage {
    streams: Vec<StreamId>,
    authors: Vec<NodeId>,
    logs: Vec<OfferLog>,
    stream_index: BTreeMap<StreamId, u32>,
    author_index: BTreeMap<NodeId, u32>,
}

impl OfferPage {
    fn push(&mut self, log: &Log) {
        if log.stored.height == 0 {
            return;
        }
        let stream = index(&mut self.streams, &mut self.stream_index, &log.name.stream);
        let author = index(&mut self.authors, &mut self.author_index, &log.name.author);
        self.logs.push(OfferLog {
            stream,
            author,
            epoch: log.name.epoch,
            branch: log.name.branch,
            height: log.stored.height,
            check: log.stored.hash.check(),
            floor: log.floor,
        });
    }
}

fn index<T: Clone + Ord>(items: &mut Vec<T>, known: &mut BTreeMap<T, u32>, item: &T) -> u32 {
    *known.entry(item.clone()).or_insert_with(|| {
        items.push(item.clone());
        (items.len() - 1) as u32
    })
}
