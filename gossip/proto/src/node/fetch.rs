//! Asking for what is missing, within what there is room for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::fetches::{Asked, Holder, Subject};
use super::log::Log;
use super::pieces::MESSAGE;
use super::shared::Shared;
use super::{Class, LinkId, Node, Timer};
use crate::wire::{Ask, ChannelTag, MAX_ASKED, Message, Want, WantLog};
use crate::{ChannelId, LogId, MAX_RUN_BYTES, NodeId, Seq, Tick};

/// Logs in one want.
pub(super) const WANT_LOGS: usize = 256;
/// Wants on their way on one link: enough that the next answer is on its way while one is stored.
const WANTS: usize = 4;
/// An answer is waited for at most this long.
const PATIENCE: Duration = Duration::from_secs(30);

/// Logs of a channel of a link that did not continue our chain, at most.
const UNCHAINED: usize = 1024;

/// What to ask a link for.
#[derive(Default)]
struct Choice {
    logs: Vec<WantLog>,
    /// When to look again for what is left to others now.
    again: Option<Tick>,
}

impl Node {
    /// Where frames are small the peer has to keep everything it sends in pieces: one run's worth
    /// at a time is enough to keep such a link busy.
    fn wants_at_once(&self, link: LinkId) -> usize {
        let small = self.links.get(&link).is_some_and(|link| link.limits.max_frame < MESSAGE);
        if small { 1 } else { WANTS }
    }

    /// Bytes that may be asked for on a link at once: its part of what the store may be given, so that no
    /// link takes all of it, but at least one run.
    fn share_of(&self, link: LinkId) -> usize {
        let free = self.config.store_budget_bytes.saturating_sub(self.store_bytes);
        (free / self.fetches.links_with(link)).max(MAX_RUN_BYTES).min(self.config.window_bytes)
    }

    /// Bytes that may still be asked for on a link.
    pub(super) fn room(&self, link: LinkId) -> usize {
        let [asked, all] = [Some(link), None].map(|of| self.fetches.budget(of) + self.refills.budget(of));
        let free = self.config.store_budget_bytes.saturating_sub(self.store_bytes + all);
        self.share_of(link).saturating_sub(asked).min(free)
    }

    /// Asks a link's peer for what it has more of, as far as there is room. Its channels take turns.
    pub(super) fn fetch(&mut self, id: LinkId) {
        let usable = self.links.get(&id).is_some_and(|link| !link.congested && link.session.is_some());
        if !self.is_active() || !usable || self.now.tick < self.fetches.store_ready_at() {
            return;
        }
        let Some(session) = self.links.get(&id).and_then(|link| link.session.as_ref()) else { return };
        let busy = session.shared.iter().filter(|(_, shared)| !shared.todo.is_empty());
        let mut names: Vec<ChannelId> = busy.map(|(name, _)| name.clone()).collect();
        let next = names.partition_point(|name| session.turn.as_ref() >= Some(name));
        names.rotate_left(next);
        self.fetches.feed(id);
        while !names.is_empty() {
            let most = self.wants_at_once(id);
            names.retain(|name| self.fetches.count(id) < most && self.fetch_channel(id, name));
        }
    }

    /// Sends one want for a channel; false when there is nothing to ask for, or no room.
    fn fetch_channel(&mut self, id: LinkId, name: &ChannelId) -> bool {
        let Some(budget) = self.ration(id) else { return false };
        let Choice { logs, again } = self.choose(id, name);
        if let Some(again) = again {
            self.timers.bring_forward(Timer::Wants(id), again);
        }
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(session) = session.filter(|_| !logs.is_empty()) else { return false };
        session.turn = Some(name.clone());
        let Some(tag) = session.shared.get(name).map(|shared| shared.tag) else { return false };
        let serial = serial_of(&logs);
        let from = logs.iter().map(|want| (want.log, want.after)).collect();
        self.expect(id, serial, Subject::Logs(from), budget);
        let by_key = self.spoken(id) > 1 && !self.is_unchained(id, name, &logs);
        let message = if by_key {
            let logs = logs.iter().map(|want| (key(want.log), want.after)).collect();
            ask(tag, serial, budget, logs)
        } else {
            Message::Want(Want { tag, serial, budget: budget as u64, logs })
        };
        self.send(id, &message, Class::Live);
        true
    }

    /// What one want on a link may bring, if there is room for any.
    fn ration(&mut self, id: LinkId) -> Option<usize> {
        let room = self.room(id);
        if room < MAX_RUN_BYTES {
            self.fetches.starve(id);
            return None;
        }
        // Several wants share the window, so that the peer never runs dry between them.
        let most = if self.wants_at_once(id) == 1 { MAX_RUN_BYTES } else { self.share_of(id) / 2 };
        Some(room.min(most.max(MAX_RUN_BYTES)))
    }

    /// Room for what was asked for is taken until it came, is late, or the link is gone.
    fn expect(&mut self, id: LinkId, serial: u64, what: Subject, budget: usize) {
        let deadline = self.answer_due(id);
        self.fetches.begin(id, serial, Asked { what, budget, deadline, since: self.now.tick });
        self.timers.bring_forward(Timer::Wants(id), deadline);
    }

    /// Keeps room for what a peer may give in an exchange of sketches, under the exchange's serial. Returns
    /// how many bytes, in whole KiB; 0 when there is no room.
    pub(super) fn reserve(&mut self, id: LinkId, serial: u32) -> usize {
        self.fetches.end(id, serial.into());
        let most = if self.wants_at_once(id) == 1 { MAX_RUN_BYTES } else { usize::MAX };
        let room = self.room(id).min(most) & !1023;
        if room < MAX_RUN_BYTES {
            return 0;
        }
        self.expect(id, serial.into(), Subject::Gift { came: false }, room);
        room
    }

    /// Nothing more is given in an exchange: its room is free again, for whoever waits for some.
    pub(super) fn release(&mut self, id: LinkId, serial: u32) {
        self.fetches.end(id, serial.into());
        self.fetch_starved();
    }

    /// Asks for all of the logs whose ids begin so, and for their names; of more than [`MAX_ASKED`] the
    /// rest is left to the next round, as is everything when there is no room.
    pub(super) fn ask_unknown(&mut self, id: LinkId, name: &ChannelId, keys: &[[u8; 5]]) {
        let keys = &keys[..keys.len().min(MAX_ASKED)];
        let usable = self.is_active() && self.now.tick >= self.fetches.store_ready_at() && !keys.is_empty();
        let Some(tag) = self.shared(id, name).filter(|_| usable).map(|shared| shared.tag) else { return };
        let Some(budget) = self.ration(id) else { return };
        let serial = serial_from(keys.iter().map(|key| &key[..]));
        self.expect(id, serial, Subject::Unknown, budget);
        let message = ask(tag, serial, budget, keys.iter().map(|key| (*key, 0)).collect());
        self.send(id, &message, Class::Live);
    }

    /// A log that was asked for by its key alone did not continue our chain: it is asked for once more,
    /// by what we hold. False when that was done before.
    pub(super) fn recheck(&mut self, id: LinkId, name: &ChannelId, log: LogId, height: Seq) -> bool {
        if self.spoken(id) < 2 {
            return false;
        }
        let Some(shared) = self.shared(id, name) else { return false };
        let is_new = shared.unchained.len() < UNCHAINED && shared.unchained.insert(log);
        if is_new {
            let told = shared.todo.entry(log).or_insert((height, 0));
            told.0 = told.0.max(height);
            self.fetches.excuse(log);
        }
        is_new
    }

    /// Whether a want is for logs that have to be asked for by what we hold of them.
    fn is_unchained(&self, id: LinkId, name: &ChannelId, logs: &[WantLog]) -> bool {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let shared = session.and_then(|session| session.shared.get(name));
        let of_end = logs.iter().any(|want| self.ends_above(&want.log));
        of_end || shared.is_some_and(|shared| logs.iter().any(|want| shared.unchained.contains(&want.log)))
    }

    /// Whether a sealed log may end without a seal above what we hold, because it forks there: that is told
    /// only to who asks by what it holds.
    fn ends_above(&self, id: &LogId) -> bool {
        let Some(log) = self.logs.get(id) else { return false };
        if !self.logs.author_of(log).is_some_and(NodeId::is_key) {
            return false;
        }
        let height = log.pending().height;
        let ends = log.turn().is_some_and(|turn| turn.at > height + 1);
        ends || self.family(id).any(|begins| begins.is_some_and(|(at, _)| at > height))
    }

    /// When to give up on an answer that is asked for now.
    pub(super) fn answer_due(&self, id: LinkId) -> Tick {
        let Some(link) = self.links.get(&id) else { return self.now.tick };
        let patience = link.rtt.backoff(self.fetches.tries(id) + 2, PATIENCE).max(Duration::from_millis(500));
        self.now.tick + patience.max(link.pace * 8)
    }

    /// Logs to ask for; what is no longer missing leaves the list.
    fn choose(&mut self, id: LinkId, name: &ChannelId) -> Choice {
        let most = if self.spoken(id) > 1 { MAX_ASKED } else { WANT_LOGS };
        let (mut choice, mut unchained, mut done) = (Choice::default(), Vec::new(), Vec::new());
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let Some(shared) = session.and_then(|session| session.shared.get(name)) else { return choice };
        for (log, (height, floor)) in &shared.todo {
            let height = (*height).min(self.reach(log));
            let Some(held) = self.logs.get(log).filter(|held| held.pending().height < height) else {
                done.push(*log);
                continue;
            };
            let is_over = shared.forks.contains(log) && held.pending().height == held.end();
            if held.is_frozen() || is_over || !self.may_ask(id, log, *floor) || self.comes_later(held, shared)
            {
                continue;
            }
            match self.fetches.holder(log, id, self.now.tick) {
                Holder::Itself => {}
                Holder::Another { until } => {
                    choice.again = Some(choice.again.map_or(until, |again| again.min(until)));
                }
                Holder::Nobody => {
                    let (after, check) = (held.pending().height, held.pending().hash.check());
                    let want = WantLog { log: *log, after, check };
                    let by_check = shared.unchained.contains(log) || self.ends_above(log);
                    if by_check { unchained.push(want) } else { choice.logs.push(want) }
                }
            }
            if choice.logs.len().max(unchained.len()) == most {
                break;
            }
        }
        if !unchained.is_empty() {
            unchained.truncate(WANT_LOGS);
            choice.logs = unchained;
        }
        if let Some(shared) = self.shared(id, name) {
            done.iter().for_each(|log| _ = shared.todo.remove(log));
        }
        choice
    }

    /// Whether a log is a branch that cannot be taken before more of the log it parts from, which is asked for. Of
    /// a sealed one the branch has to come first: it may vouch for the end of that log.
    fn comes_later(&self, log: &Log, shared: &Shared) -> bool {
        let is_new = log.pending().height == 0 && !self.logs.author_of(log).is_some_and(NodeId::is_key);
        let Some(branch) = log.branch().filter(|_| is_new) else { return false };
        let told = shared.todo.get(&branch.parent).map(|(height, _)| *height);
        let held = self.logs.get(&branch.parent).map_or(0, |parent| parent.pending().height);
        told.is_some_and(|told| held < told.min(self.reach(&branch.parent)))
    }

    /// Whether to ask this peer: not if it pruned what another linked peer still offers.
    fn may_ask(&self, id: LinkId, log: &LogId, floor: u64) -> bool {
        let Some(held) = self.logs.get(log) else { return false };
        if floor <= held.pending().height {
            return true;
        }
        let others = self
            .links
            .iter()
            .filter(|(other, _)| **other != id)
            .filter_map(|(_, link)| link.session.as_ref());
        let Some((channel, _)) = self.logs.place_of(held) else { return false };
        let offers = others.filter_map(|session| session.shared.get(channel)?.todo.get(log));
        let better = |(height, other): &(u64, u64)| *other < floor && *height > held.pending().height;
        !offers.into_iter().any(better)
    }

    pub(super) fn fetch_from_peer(&mut self, peer: &NodeId) {
        let links: BTreeSet<LinkId> = self.peers.get(peer).map(|peer| peer.links.clone()).unwrap_or_default();
        links.into_iter().for_each(|link| self.fetch(link));
    }

    pub(super) fn fetch_everywhere(&mut self) {
        let links: Vec<LinkId> = self.established().collect();
        links.into_iter().for_each(|link| self.fetch(link));
    }

    /// Asks those for whom there was no room before.
    pub(super) fn fetch_starved(&mut self) {
        self.fetches.starved().into_iter().for_each(|link| self.fetch(link));
    }

    /// Whether answers are expected on a link.
    pub(super) fn is_fetching(&self, id: LinkId) -> bool {
        self.fetches.count(id) > 0
    }

    /// Something was received on a link: it is alive, and what was asked for may be on its way.
    pub(super) fn extend_wants(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let pause = link.rtt.backoff(2, PATIENCE).max(Duration::from_millis(500));
        let until = self.now.tick + pause.max(link.pace * 8);
        self.fetches.extend(id, until);
        self.refills.extend(id, until);
        self.forks.extend(id, until);
    }

    /// Part of an answer came; with the last part the want is done.
    pub(super) fn answered(&mut self, id: LinkId, name: &ChannelId, serial: u64, bytes: usize, end: bool) {
        self.extend_wants(id);
        if !end {
            return self.fetches.spend(id, serial, bytes);
        }
        let asked = self.fetches.end(id, serial);
        // An answer that brought nothing would bring nothing again: wait for the next offer.
        let moved =
            |(log, from): &(LogId, u64)| self.logs.get(log).is_some_and(|log| log.pending().height > *from);
        if asked.iter().any(moved) {
            return;
        }
        // Of a log that ends here nothing more can be placed of what they hold of it.
        let over = |log: &LogId| self.logs.get(log).is_some_and(|log| log.pending().height == log.end());
        let over: Vec<LogId> = asked.iter().map(|(log, _)| *log).filter(over).collect();
        if let Some(shared) = self.shared(id, name) {
            asked.iter().for_each(|(log, _)| _ = shared.todo.remove(log));
            shared.forks.extend(over);
        }
    }

    /// Gives up on answers that did not come; whoever else offered the logs is asked first.
    pub(super) fn expire_wants(&mut self, id: LinkId) {
        let late = self.fetches.expire(id, self.now.tick);
        if let Some(next) = self.fetches.deadline(id) {
            self.timers.set(Timer::Wants(id), next);
        }
        if late > 0 {
            let others: Vec<LinkId> = self.established().filter(|other| *other != id).collect();
            others.into_iter().for_each(|other| self.fetch(other));
        }
        self.fetch(id);
    }
}

/// What stands for a log in an ask.
pub(super) fn key(log: LogId) -> [u8; 5] {
    let [a, b, c, d, e, ..] = log.0;
    [a, b, c, d, e]
}

fn ask(tag: ChannelTag, serial: u64, budget: usize, logs: Vec<([u8; 5], Seq)>) -> Message {
    let room = u32::try_from(budget >> 10).unwrap_or(u32::MAX);
    Message::Ask(Ask { tag, serial: serial as u32, room, logs })
}

fn serial_of(wanted: &[WantLog]) -> u64 {
    let mut bytes = Vec::with_capacity(wanted.len() * 32);
    for WantLog { log, after, check } in wanted {
        [&log.0[..], &after.to_le_bytes(), &check.0]
            .into_iter()
            .for_each(|part| bytes.extend_from_slice(part));
    }
    serial_from(std::iter::once(&bytes[..]))
}

/// Names a want by what it asks for: asked again it gets the same answer in the same bytes, so that
/// pieces of the first one count. Odd, and of 32 bits.
pub(super) fn serial_from<'a>(parts: impl Iterator<Item = &'a [u8]>) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("gossip 1 want serial");
    parts.for_each(|part| _ = hasher.update(part));
    let mut serial = [0; 8];
    serial.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    // 0 is for what is pushed.
    u64::from_le_bytes(serial) >> 32 | 1
}
