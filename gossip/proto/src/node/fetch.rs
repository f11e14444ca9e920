//! Asking for what is missing, within what there is room for.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::pieces::MESSAGE;
use super::{Class, LinkId, Node, Timer};
use crate::wire::{Message, Want, WantLog};
use crate::{ChannelId, LogId, MAX_RUN_BYTES, NodeId, Seq, Tick};

/// Logs in one want.
pub(super) const WANT_LOGS: usize = 256;
/// Wants on their way on one link: enough that the next answer is on its way while one is stored.
const WANTS: usize = 4;
/// An answer is waited for at most this long.
const PATIENCE: Duration = Duration::from_secs(30);
/// After a failure of the store nothing is asked for, first so long, doubling up to
const STORE_PAUSE: Duration = Duration::from_millis(50);
/// this long.
const STORE_PAUSE_MAX: Duration = Duration::from_secs(10);

/// Ended wants remembered.
const ENDED: usize = 64;

/// A want: the link and the serial.
type WantName = (LinkId, u64);

/// Everything asked for and not yet answered.
#[derive(Debug, Default)]
pub(super) struct Fetches {
    open: BTreeMap<(LinkId, u64), Asked>,
    /// The newest wants that are over, oldest first.
    ended: VecDeque<(WantName, Vec<(LogId, Seq)>)>,
    /// A log is asked of one peer at a time.
    by_log: BTreeMap<LogId, (LinkId, u64)>,
    /// Unanswered wants in a row.
    tries: BTreeMap<LinkId, u32>,
    store_failures: u32,
    store_ready: Tick,
}

#[derive(Debug)]
struct Asked {
    /// Each with the height it was asked from.
    logs: Vec<(LogId, Seq)>,
    budget: usize,
    deadline: Tick,
    /// When it was sent.
    since: Tick,
}

impl Fetches {
    pub(super) fn store_works(&mut self) {
        self.store_failures = 0;
        self.store_ready = Tick(0);
    }

    pub(super) fn store_failed(&mut self, now: Tick) {
        let pause = STORE_PAUSE * (1 << self.store_failures.min(10));
        self.store_failures = self.store_failures.saturating_add(1);
        self.store_ready = now + pause.min(STORE_PAUSE_MAX);
    }

    pub(super) fn store_ready_at(&self) -> Tick {
        self.store_ready
    }

    /// Whether this want asked for what follows `height` in the log. The last part of an answer may
    /// have overtaken the others, so wants that ended not long ago count.
    pub(super) fn asked(&self, link: LinkId, serial: u64, log: LogId, height: Seq) -> bool {
        let open = self.open.get(&(link, serial)).map(|asked| &asked.logs);
        let ended = self.ended.iter().rev().find(|(name, _)| *name == (link, serial)).map(|(_, logs)| logs);
        open.or(ended).is_some_and(|logs| logs.contains(&(log, height)))
    }

    /// Whether a log is being asked of another link, or of this one. After a while a link loses its
    /// turn, however often it says that more will come.
    fn is_asked(&self, log: &LogId, link: LinkId, now: Tick) -> bool {
        let Some(want) = self.by_log.get(log) else { return false };
        want.0 == link || self.open.get(want).is_some_and(|asked| now.since(asked.since) < PATIENCE * 2)
    }

    /// Whether an answer to this want is still within what was asked for.
    pub(super) fn expects(&self, link: LinkId, serial: u64) -> bool {
        self.open.get(&(link, serial)).is_some_and(|asked| asked.budget > 0)
    }

    pub(super) fn forget_log(&mut self, log: &LogId) {
        self.by_log.remove(log);
    }

    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.tries.remove(&link);
        let serials: Vec<u64> =
            self.open.range((link, 0)..=(link, u64::MAX)).map(|((_, serial), _)| *serial).collect();
        for serial in serials {
            self.end(link, serial);
        }
    }

    fn end(&mut self, link: LinkId, serial: u64) {
        let Some(asked) = self.open.remove(&(link, serial)) else { return };
        for (log, _) in &asked.logs {
            if self.by_log.get(log) == Some(&(link, serial)) {
                self.by_log.remove(log);
            }
        }
        if self.ended.len() == ENDED {
            self.ended.pop_front();
        }
        self.ended.push_back(((link, serial), asked.logs));
    }

    fn of_link(&self, link: LinkId) -> impl Iterator<Item = (&(LinkId, u64), &Asked)> {
        self.open.range((link, 0)..=(link, u64::MAX))
    }

    /// Something came on a link: answers that are on their way get more time.
    fn extend(&mut self, link: LinkId, until: Tick) {
        for (_, asked) in self.open.range_mut((link, 0)..=(link, u64::MAX)) {
            asked.deadline = asked.deadline.max(until);
        }
    }
}

impl Node {
    /// Where frames are small the peer has to keep everything it sends in pieces: one run's worth
    /// at a time is enough to keep such a link busy.
    fn wants_at_once(&self, link: LinkId) -> usize {
        let small = self.links.get(&link).is_some_and(|link| link.limits.max_frame < MESSAGE);
        if small { 1 } else { WANTS }
    }

    /// Bytes that may still be asked for on a link.
    pub(super) fn room(&self, link: LinkId) -> usize {
        let asked: usize = self.fetches.of_link(link).map(|(_, asked)| asked.budget).sum();
        let all: usize = self.fetches.open.values().map(|asked| asked.budget).sum();
        let (asked, all) = (asked + self.refills.budget(Some(link)), all + self.refills.budget(None));
        let window = self.config.window_bytes.saturating_sub(asked);
        window.min(self.config.store_budget_bytes.saturating_sub(self.store_bytes + all))
    }

    /// Asks a link's peer for what it has more of, as far as there is room.
    pub(super) fn fetch(&mut self, id: LinkId) {
        let usable = self.links.get(&id).is_some_and(|link| !link.congested && link.session.is_some());
        if !self.is_active() || !usable || self.now.tick < self.fetches.store_ready {
            return;
        }
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let busy = session.into_iter().flat_map(|session| session.shared.iter());
        let names: Vec<ChannelId> =
            busy.filter(|(_, shared)| !shared.todo.is_empty()).map(|(name, _)| name.clone()).collect();
        for name in names {
            while self.fetches.of_link(id).count() < self.wants_at_once(id) && self.fetch_channel(id, &name) {
            }
        }
    }

    /// Sends one want for a channel; false when there is nothing to ask for, or no room.
    fn fetch_channel(&mut self, id: LinkId, name: &ChannelId) -> bool {
        let room = self.room(id);
        if room < MAX_RUN_BYTES {
            return false;
        }
        let wanted = self.choose(id, name);
        let Some(link) = self.links.get(&id) else { return false };
        let Some(shared) = link.session.as_ref().and_then(|session| session.shared.get(name)) else {
            return false;
        };
        if wanted.is_empty() {
            return false;
        }
        // Several wants share the window, so that the peer never runs dry between them.
        let most = if self.wants_at_once(id) == 1 { MAX_RUN_BYTES } else { self.config.window_bytes / 2 };
        let budget = room.min(most.max(MAX_RUN_BYTES));
        let tries = self.fetches.tries.get(&id).copied().unwrap_or(0);
        let patience = link.rtt.backoff(tries + 2, PATIENCE).max(Duration::from_millis(500));
        let deadline = self.now.tick + patience.max(link.pace * 8);
        let tag = shared.tag;
        let serial = serial_of(&wanted);
        let logs: Vec<(LogId, Seq)> = wanted.iter().map(|want| (want.log, want.after)).collect();
        for (log, _) in &logs {
            self.fetches.by_log.insert(*log, (id, serial));
        }
        self.fetches.open.insert((id, serial), Asked { logs, budget, deadline, since: self.now.tick });
        self.timers.bring_forward(Timer::Wants(id), deadline);
        let want = Want { tag, serial, budget: budget as u64, logs: wanted };
        self.send(id, &Message::Want(want), Class::Live);
        true
    }

    /// Logs to ask for; what is no longer missing leaves the list.
    fn choose(&mut self, id: LinkId, name: &ChannelId) -> Vec<WantLog> {
        let (mut wanted, mut done) = (Vec::new(), Vec::new());
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let Some(shared) = session.and_then(|session| session.shared.get(name)) else { return wanted };
        for (log, (height, floor)) in &shared.todo {
            let Some(held) = self.logs.get(log) else {
                done.push(*log);
                continue;
            };
            if held.pending.height >= *height {
                done.push(*log);
            } else if held.frozen.is_none()
                && !self.fetches.is_asked(log, id, self.now.tick)
                && self.may_ask(id, log, *floor)
            {
                let (after, check) = (held.pending.height, held.pending.hash.check());
                wanted.push(WantLog { log: *log, after, check });
            }
            if wanted.len() == WANT_LOGS {
                break;
            }
        }
        if let Some(shared) = self.shared(id, name) {
            done.iter().for_each(|log| _ = shared.todo.remove(log));
        }
        wanted
    }

    /// Whether to ask this peer: not if it pruned what another linked peer still offers.
    fn may_ask(&self, id: LinkId, log: &LogId, floor: u64) -> bool {
        let Some(held) = self.logs.get(log) else { return false };
        if floor <= held.pending.height {
            return true;
        }
        let others = self
            .links
            .iter()
            .filter(|(other, _)| **other != id)
            .filter_map(|(_, link)| link.session.as_ref());
        let offers = others.filter_map(|session| session.shared.get(&held.name.channel)?.todo.get(log));
        let better = |(height, other): &(u64, u64)| *other < floor && *height > held.pending.height;
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

    /// Whether answers are expected on a link.
    pub(super) fn is_fetching(&self, id: LinkId) -> bool {
        self.fetches.of_link(id).next().is_some()
    }

    /// Something was received on a link: it is alive, and what was asked for may be on its way.
    pub(super) fn extend_wants(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let pause = link.rtt.backoff(2, PATIENCE).max(Duration::from_millis(500));
        let until = self.now.tick + pause.max(link.pace * 8);
        self.fetches.tries.remove(&id);
        self.fetches.extend(id, until);
    }

    /// Part of an answer came; with the last part the want is done.
    pub(super) fn answered(&mut self, id: LinkId, name: &ChannelId, serial: u64, bytes: usize, end: bool) {
        self.extend_wants(id);
        if !end {
            if let Some(asked) = self.fetches.open.get_mut(&(id, serial)) {
                asked.budget = asked.budget.saturating_sub(bytes);
            }
            return;
        }
        let asked = self.fetches.open.get(&(id, serial)).map(|asked| asked.logs.clone()).unwrap_or_default();
        self.fetches.end(id, serial);
        // An answer that brought nothing would bring nothing again: wait for the next offer.
        let moved =
            |(log, from): &(LogId, Seq)| self.logs.get(log).is_some_and(|log| log.pending.height > *from);
        if !asked.iter().any(moved)
            && let Some(shared) = self.shared(id, name)
        {
            asked.iter().for_each(|(log, _)| _ = shared.todo.remove(log));
        }
    }

    /// Gives up on answers that did not come; whoever else offered the logs is asked first.
    pub(super) fn expire_wants(&mut self, id: LinkId) {
        let now = self.now.tick;
        let late = self.fetches.of_link(id).filter(|(_, asked)| asked.deadline <= now);
        let late: Vec<u64> = late.map(|((_, serial), _)| *serial).collect();
        if !late.is_empty() {
            *self.fetches.tries.entry(id).or_insert(0) += 1;
        }
        late.iter().for_each(|serial| self.fetches.end(id, *serial));
        let next = self.fetches.of_link(id).map(|(_, asked)| asked.deadline).min();
        if let Some(next) = next {
            self.timers.set(Timer::Wants(id), next);
        }
        if !late.is_empty() {
            let others: Vec<LinkId> = self.established().filter(|other| *other != id).collect();
            others.into_iter().for_each(|other| self.fetch(other));
            self.fetch(id);
        }
    }
}

/// Names a want by what it asks for: asked again it gets the same answer in the same bytes, so that
/// pieces of the first one count.
fn serial_of(wanted: &[WantLog]) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("gossip 1 want serial");
    for WantLog { log, after, check } in wanted {
        hasher.update(&log.0).update(&after.to_le_bytes()).update(&check.0);
    }
    let mut serial = [0; 8];
    serial.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    // 0 is for what is pushed.
    u64::from_le_bytes(serial) >> 32 | 1
}
