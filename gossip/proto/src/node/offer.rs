//! Heights, offered and weighed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Duration;

use super::admin::Job;
use super::log::Log;
use super::model::{Channel, Stream};
use super::table::Logs;
use super::{Class, DropReason, LinkId, Node, Timer};
use crate::wire::{Message, Offer, OfferLog};
use crate::{ChannelId, LogId, LogName, NodeId, StreamId};

/// Logs in one offer.
pub(super) const OFFER_LOGS: usize = 512;
/// Offers in one round.
const OFFER_PAGES: usize = 64;
/// Streams and refusals in one offer.
const OFFER_STREAMS: usize = 64 * 1024;
/// Offering all heights is not repeated sooner than the round trip says, and so much later for
/// each log.
const OFFER_COST: Duration = Duration::from_micros(50);

impl Node {
    /// Offers all heights of a channel, page by page; each page can be lost without harm.
    pub(super) fn offer_all(&mut self, id: LinkId, name: &ChannelId) {
        let now = self.now.tick;
        let Some(timeout) = self.links.get(&id).map(|link| link.rtt.timeout()) else { return };
        let Some(count) = self.channels.get(name).map(|channel| channel.logs.len()) else { return };
        let count = count.min(OFFER_PAGES * OFFER_LOGS);
        let pause = (timeout / 2).max(OFFER_COST * u32::try_from(count).unwrap_or(u32::MAX));
        let Some(shared) = self.shared(id, name) else { return };
        if shared.offered.is_some_and(|last| now.since(last) < pause) {
            return self.timers.bring_forward(Timer::Round(id, name.clone()), now + pause);
        }
        (shared.offered, shared.looked, shared.compared) = (Some(now), now, now);
        let mut after = shared.offer_from.take();
        let Some(channel) = self.channels.get(name) else { return };
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let logs = self.logs.ordered(&channel.logs, from).filter(|log| self.compares(id, log));
        let logs: Vec<LogId> = logs.take(OFFER_PAGES * OFFER_LOGS + 1).map(|log| log.id).collect();
        let mut pages = logs.chunks(OFFER_LOGS).peekable();
        for _ in 0..OFFER_PAGES {
            let page = pages.next().unwrap_or_default();
            let upto = pages.peek().and(page.last().copied());
            self.offer(id, name, page, Some((after, upto)), &BTreeSet::new());
            after = upto;
            if after.is_none() {
                return;
            }
        }
        // More than an outbox takes at once: the next round goes on from here.
        if let Some(shared) = self.shared(id, name) {
            shared.offer_from = after;
        }
        self.timers.bring_forward(Timer::Round(id, name.clone()), now + pause);
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
        if let Some(offer) = self.page_of(id, name, logs, range, known) {
            self.send(id, &Message::Offer(offer), Class::Live);
        }
    }

    /// Offers logs behind the runs that are on their way: whoever heard of them before would ask for those
    /// again.
    pub(super) fn offer_behind(&mut self, id: LinkId, name: &ChannelId, logs: &[LogId]) {
        let logs: Vec<LogId> = logs.iter().filter(|log| self.may_compare(id, log)).copied().collect();
        for page in logs.chunks(OFFER_LOGS) {
            if let Some(offer) = self.page_of(id, name, page, None, &BTreeSet::new()) {
                self.send(id, &Message::Offer(offer), Class::Bulk);
            }
        }
    }

    fn page_of(
        &self,
        id: LinkId,
        name: &ChannelId,
        logs: &[LogId],
        range: Option<(Option<LogId>, Option<LogId>)>,
        known: &BTreeSet<&StreamId>,
    ) -> Option<Offer> {
        let channel = self.channels.get(name)?;
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let shared = session.and_then(|session| session.shared.get(name))?;
        let (tag, mine) = (shared.tag, shared.digest_of(channel));
        let mut page = OfferPage::default();
        logs.iter().filter_map(|id| self.logs.get(id)).for_each(|log| page.push(&self.logs, log));
        if range.is_some_and(|(after, _)| after.is_none()) {
            self.push_empty(&mut page, id, channel, known);
        }
        // All but some cannot be said here.
        let [ours, _] = channel.scopes.left_out(id);
        let refused = ours.filter(|ours| !ours.is_only()).map(|ours| ours.listed().iter().copied().collect());
        let refused = refused.unwrap_or_default();
        let OfferPage { streams, authors, logs, .. } = page;
        Some(Offer { tag, mine, range, refused, streams, authors, logs })
    }

    /// Streams nobody has written to yet, as far as we hold.
    fn push_empty(&self, page: &mut OfferPage, id: LinkId, channel: &Channel, known: &BTreeSet<&StreamId>) {
        let untold = channel.streams_on(id, true).filter(|stream| self.is_untold(stream, known));
        untold.for_each(|stream| _ = index(&mut page.streams, &mut page.stream_index, &stream.record.id));
    }

    /// Whether a peer has to be told that a stream exists. Those it leaves out are not told again: it
    /// would answer so, for ever.
    fn is_untold(&self, stream: &Stream, known: &BTreeSet<&StreamId>) -> bool {
        let is_known = || known.contains(&stream.record.id);
        stream.is_open() && !is_known() && !self.logs.of(stream.logs).any(Log::is_written)
    }

    /// Tells the linked peers that logs moved, without their content.
    pub(super) fn announce(&mut self, channel: &ChannelId, logs: &[LogId]) {
        for link in self.speakers(channel) {
            self.offer_some(link, channel, logs);
            self.compare_link_soon(link, channel);
        }
    }

    /// Offers some logs to one peer.
    pub(super) fn offer_some(&mut self, id: LinkId, name: &ChannelId, logs: &[LogId]) {
        let logs: Vec<LogId> = logs.iter().filter(|log| self.may_compare(id, log)).copied().collect();
        if !logs.is_empty() {
            self.offer(id, name, &logs, None, &BTreeSet::new());
        }
    }

    /// Offers the streams without logs, and asks for theirs.
    pub(super) fn offer_streams(&mut self, id: LinkId, name: &ChannelId, ask: bool) {
        let mut upto = [0; 16];
        upto[15] = u8::from(ask);
        self.offer(id, name, &[], Some((None, Some(LogId(upto)))), &BTreeSet::new());
    }

    pub(super) fn on_offer(&mut self, id: LinkId, offer: &Offer) {
        let large =
            offer.logs.len() > OFFER_LOGS || offer.refused.len().max(offer.streams.len()) > OFFER_STREAMS;
        if large {
            let peer = self.links.get(&id).map(|link| link.peer.clone());
            return self.drop_from(peer, DropReason::Bound, "an offer over its bounds");
        }
        let Some((name, _)) = self.shared_by_tag(id, offer.tag) else { return };
        self.leave_out_unchosen(id, &name, &offer.streams);
        let news = self.hear_refused(id, &name, &offer.refused);
        // Heights instead of what there was room kept for.
        self.end_exchange(id, &name);
        let mine = self.hear_digest(id, &name, offer.mine);
        if mine != Some(offer.mine) && offer.range.is_some_and(|(after, _)| after.is_none()) {
            self.doubt_scope(id, &name);
        }
        let Some(seen) = self.read_offer(id, &name, offer) else { return };
        if self.is_active() {
            self.answer_offer(id, &name, offer, &seen, news);
        }
        self.fetch(id);
        let pause = self.round_pause(id, &name);
        self.timers.ensure(Timer::Round(id, name), self.now.tick + pause);
    }

    /// Notes what the peer has more of. Returns all logs it told of and their heights.
    fn read_offer(&mut self, id: LinkId, name: &ChannelId, offer: &Offer) -> Option<BTreeMap<LogId, u64>> {
        let (mut seen, mut room) = (BTreeMap::new(), true);
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
            if self.leaves_out(id, name, stream) {
                continue;
            }
            let log_id = log.id();
            seen.insert(log_id, told.height);
            room &= self.weigh(id, name, log, log_id, told);
        }
        let channel = self.channels.get(name)?;
        let new = offer.streams.iter().filter(|stream| !channel.streams.contains_key(*stream));
        let new = new.filter(|stream| !self.leaves_out(id, name, stream));
        let used: BTreeSet<u32> = offer.logs.iter().map(|log| log.stream).collect();
        let empty = offer.streams.iter().zip(0_u32..).filter(|(_, index)| !used.contains(index));
        let empty: BTreeSet<&StreamId> = empty.map(|(stream, _)| stream).collect();
        let learn: Vec<StreamId> = new.filter(|stream| empty.contains(stream)).cloned().collect();
        if !room || !learn.is_empty() && !self.has_room_for_streams() {
            self.tell_crowded(&peer);
        }
        for stream in learn {
            self.queue_job(Job::Learn(name.clone(), stream));
        }
        Some(seen)
    }

    /// Compares one offered log with ours. False when it is new and there is no room for it.
    fn weigh(&mut self, id: LinkId, name: &ChannelId, log: LogName, log_id: LogId, told: &OfferLog) -> bool {
        let refused = self.channels.get(name).and_then(|channel| channel.streams.get(&log.stream));
        if refused.is_some_and(|stream| !stream.is_open()) {
            return true;
        }
        let ours = self.logs.get(&log_id).map(|log| (log.pending().height, log.stored));
        // Whoever does not know yet that it forks tells of more than it ends with.
        let told_height = told.height.min(self.reach(&log_id));
        if let Some((_, stored)) = ours
            && stored.height == told.height
            && stored.hash.check() != told.check
        {
            self.fork(id, name, log, log_id, told.height);
            return true;
        }
        if told.height > 0 && ours.is_none() && !self.know_log(log, log_id) {
            return false;
        }
        if let Some(shared) = self.shared(id, name) {
            shared.note(log_id, told.height);
            // What was found to be a fork would only be fetched and refused again.
            let forked = shared.forks.contains(&log_id);
            if told_height > ours.map_or(0, |(pending, _)| pending) && !forked {
                shared.todo.insert(log_id, (told_height, told.floor));
                if self.is_believed_ours(&log_id) {
                    self.disclaim(log_id);
                }
            }
        }
        true
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
        let ahead = |log: &&Log| {
            log.stored.height > seen.get(&log.id).copied().unwrap_or(0) && self.compares(id, log)
        };
        let logs: Vec<LogId> = match offer.range {
            Some((after, upto)) => {
                let rest = self.logs.ordered(&channel.logs, after.map_or(Bound::Unbounded, Bound::Excluded));
                let range = rest.take_while(|log| upto.is_none_or(|upto| log.id <= upto));
                range.filter(ahead).map(|log| log.id).collect()
            }
            None => seen.keys().filter_map(|id| self.logs.get(id)).filter(ahead).map(|log| log.id).collect(),
        };
        let known: BTreeSet<&StreamId> = offer.streams.iter().collect();
        let first = offer.range.is_some_and(|(after, _)| after.is_none());
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let Some(shared) = session.and_then(|session| session.shared.get(name)) else { return };
        let untold = |stream: &Stream| self.is_untold(stream, &known);
        // An answer about streams is not answered with streams.
        let reply = offer.range.is_some_and(|(_, upto)| upto == Some(LogId([0; 16])));
        let empty = first && !reply && channel.streams_on(id, true).any(untold);
        // Having no log to tell of, we may still differ in what they think that we leave out.
        let whole = offer.range.is_some_and(|(_, upto)| upto.is_none());
        let differ = whole && logs.is_empty() && offer.mine != shared.digest_of(channel);
        let refuses = known.iter().any(|stream| self.leaves_out(id, name, stream));
        let Some(shared) = self.shared(id, name) else { return };
        for (log, height) in seen {
            shared.note(*log, *height);
        }
        if empty || refuses || news || differ {
            // An empty range: tells streams and refusals, claims nothing about logs.
            self.offer(id, name, &[], Some((None, Some(LogId([0; 16])))), &known);
        }
        for page in logs.chunks(OFFER_LOGS) {
            self.offer(id, name, page, None, &known);
        }
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
    fn push(&mut self, table: &Logs, log: &Log) {
        let Some(((_, stream), author)) = table.place_of(log).zip(table.author_of(log)) else { return };
        if !log.is_written() {
            return;
        }
        let stream = index(&mut self.streams, &mut self.stream_index, stream);
        let author = index(&mut self.authors, &mut self.author_index, author);
        self.logs.push(OfferLog {
            stream,
            author,
            epoch: log.epoch,
            branch: log.branch(),
            height: log.stored.height,
            check: log.stored.hash.check(),
            floor: log.holes().floor,
        });
    }
}

fn index<T: Clone + Ord>(items: &mut Vec<T>, known: &mut BTreeMap<T, u32>, item: &T) -> u32 {
    *known.entry(item.clone()).or_insert_with(|| {
        items.push(item.clone());
        (items.len() - 1) as u32
    })
}
