//! Anti-entropy: digests are compared, now and then, and soon after something moved.
//!
//! A beacon carries the speaker's digest. Whoever holds the same says so, and both know; otherwise it is
//! looked into (see `reconcile`). As long as digests differ a round is scheduled; while they agree an
//! occasional beacon makes sure of it. One side of a link speaks first, the one with the smaller
//! id: the other one only if nothing was heard of it.
//!
//! On links of version 1 beacons carry both digests. If they differ the responder of the handshake offers
//! all its heights, the initiator answers with those in which it is ahead, and both ask for what
//! they lack.

use std::time::Duration;

use super::outlook::Outlook;
use super::{Class, LinkId, Node, Timer, tree};
use crate::wire::{Beacon, ChannelTag, DigestTag, Equal, Message};
use crate::{ChannelId, Tick};

/// While nobody answers, rounds come at least this often at first, so that a healed network is
/// noticed soon,
const UNANSWERED: Duration = Duration::from_secs(1);
/// for so many rounds.
const EAGER_ROUNDS: u32 = 64;
/// Runs on their way make digests differ for a moment; so long it is not taken for a difference.
const SETTLE: Duration = Duration::from_millis(20);
/// Or so long, where round trips take longer.
const SETTLE_MAX: Duration = Duration::from_secs(1);
/// Differences older than this are looked into even if runs keep moving.
const IMPATIENCE: Duration = Duration::from_secs(5);
/// So long a transfer under way is left to itself.
const PATIENCE: Duration = Duration::from_secs(10);
/// Who comes back compares with all its neighbours in a large group, with each after about so long.
const IN_TURN: Duration = Duration::from_millis(500);
/// In large groups agreements are left alone so much longer: where beats do not compare, other links do.
const SELDOM: u32 = 12;

impl Node {
    /// Compares a channel with a peer, unless nothing can have changed.
    pub(super) fn round(&mut self, id: LinkId, channel: &ChannelId) {
        if !self.is_active() {
            return;
        }
        let Some(link) = self.links.get(&id) else { return };
        let Some(session) = link.session.as_ref() else { return };
        let Some(shared) = session.shared.get(channel) else { return };
        if link.congested || !self.speaks(id, channel) {
            // Its turn may come without anybody telling it.
            let pause = self.rng.jitter(self.config.round_max);
            return self.set_timer(Timer::Round(id, channel.clone()), pause);
        }
        if self.beats_agree(id) && self.agrees(id, channel) && !self.is_awaited(id, channel) {
            let pause = self.quiet_pause(id);
            return self.set_timer(Timer::Round(id, channel.clone()), pause);
        }
        if self.is_in_flux(id, channel) {
            let wait = self.quiet_time(id);
            return self.set_timer(Timer::Round(id, channel.clone()), wait);
        }
        let Some(found) = self.channels.get(channel) else { return };
        let mine = shared.digest_of(found);
        let initiator = session.initiator;
        let theirs = shared.theirs;
        let stranger = theirs.is_none() && shared.named == 0;
        // What they said before something moved says nothing.
        let is_old = shared.moved.is_some_and(|moved| moved >= shared.heard);
        let pause = self.round_pause(id, channel);
        self.set_timer(Timer::Round(id, channel.clone()), pause);
        if let Some(shared) = self.shared(id, channel) {
            shared.tries = shared.tries.saturating_add(1);
        }
        let differs = theirs.is_some_and(|theirs| theirs != mine);
        match self.spoken(id) {
            1 if differs && !initiator => self.offer_all(id, channel),
            1 => self.beacon(id, channel),
            _ if (stranger || differs) && !is_old => self.look_into(id, channel),
            _ => self.beacon(id, channel),
        }
    }

    pub(super) fn round_pause(&mut self, id: LinkId, channel: &ChannelId) -> Duration {
        let (Some(link), Some(found)) = (self.links.get(&id), self.channels.get(channel)) else {
            return self.config.round_max;
        };
        let Some(shared) = link.session.as_ref().and_then(|session| session.shared.get(channel)) else {
            return self.config.round_max;
        };
        if shared.theirs == Some(shared.digest_of(found)) && !self.is_awaited(id, channel) {
            return self.quiet_pause(id);
        }
        let eager = shared.tries < EAGER_ROUNDS;
        let limit = if eager { UNANSWERED.min(self.config.round_max) } else { self.config.round_max };
        let pause = link.rtt.backoff(shared.tries.min(16), limit).max(self.config.round_min);
        self.rng.jitter(pause)
    }

    /// How long after something moved digests are compared.
    fn quiet_time(&self, id: LinkId) -> Duration {
        let settle = self.settle_time(id);
        if self.speaks_first(id) { settle } else { settle * 4 }
    }

    /// How long an agreement is left alone.
    fn quiet_pause(&mut self, id: LinkId) -> Duration {
        let pause = self.rng.jitter(self.config.round_max);
        let pause = if self.is_in_tree(id) || self.is_calm(id) { pause * SELDOM } else { pause };
        if self.speaks_first(id) { pause } else { pause * 4 }
    }

    /// Whether it is for us to say something when something moved.
    fn speaks_first(&self, id: LinkId) -> bool {
        self.spoken(id) == 1 || self.links.get(&id).is_some_and(|link| self.record.id < link.peer)
    }

    pub(super) fn beacon(&mut self, id: LinkId, channel: &ChannelId) {
        let version = self.spoken(id);
        let Some(found) = self.channels.get(channel) else { return };
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(shared) = session.and_then(|session| session.shared.get_mut(channel)) else { return };
        let mine = shared.digest_of(found);
        shared.looked = self.now.tick;
        shared.told.asked += 1;
        let beacon = Beacon { tag: shared.tag, mine, yours: shared.theirs.filter(|_| version == 1) };
        self.send(id, &Message::Beacon(beacon), Class::Urgent);
    }

    pub(super) fn on_beacon(&mut self, id: LinkId, beacon: &Beacon) {
        let Some((name, _)) = self.shared_by_tag(id, beacon.tag) else { return self.rescan(id) };
        let Some(mine) = self.hear_digest(id, &name, beacon.mine) else { return };
        let is_new = self.spoken(id) > 1;
        if mine == beacon.mine && is_new {
            return self.say_equal(id, &name);
        }
        let knows = beacon.yours == Some(mine);
        if mine == beacon.mine {
            if !knows {
                self.beacon(id, &name);
            }
            let pause = self.rng.jitter(self.config.round_max);
            return self.set_timer(Timer::Round(id, name), pause);
        }
        let settle = self.settle_time(id);
        if self.is_in_flux(id, &name) {
            return self.timers.bring_forward(Timer::Round(id, name), self.now.tick + settle);
        }
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        match session.is_some_and(|session| session.initiator) {
            _ if is_new => self.look_into(id, &name),
            true if !knows => self.beacon(id, &name),
            true => self.timers.ensure(Timer::Round(id, name), self.now.tick + settle),
            false => self.offer_all(id, &name),
        }
    }

    pub(super) fn say_equal(&mut self, id: LinkId, name: &ChannelId) {
        let Some(shared) = self.shared(id, name) else { return };
        let (tag, theirs) = (shared.tag, shared.theirs);
        if let Some(digest) = theirs.map(|theirs| theirs.short()) {
            self.send(id, &Message::Equal(Equal { tag, digest }), Class::Urgent);
        }
    }

    pub(super) fn on_equal(&mut self, id: LinkId, equal: &Equal) {
        let Some((name, _)) = self.shared_by_tag(id, equal.tag) else { return };
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let Some(shared) = session.and_then(|session| session.shared.get(&name)) else { return };
        let mine = self.channels.get(&name).map(|channel| shared.digest_of(channel));
        // What was said of an older state says nothing.
        if let Some(mine) = mine.filter(|mine| mine.short() == equal.digest) {
            if let Some(shared) = self.shared(id, &name) {
                shared.told.answered = shared.told.asked.min(shared.told.answered + 1);
            }
            self.hear_digest(id, &name, mine);
        } else if self.exchanges.get(id, &name).is_some_and(|exchange| exchange.said == Some(equal.digest)) {
            // To our probe, which something of ours overtook: they have nothing to give.
            self.end_exchange(id, &name);
        }
    }

    /// Takes in their digest of a channel; returns ours.
    pub(super) fn hear_digest(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        theirs: crate::wire::DigestTag,
    ) -> Option<crate::wire::DigestTag> {
        let (now, wall) = (self.now.tick, self.now.wall);
        let channel = self.channels.get(name)?;
        let session = self.links.get_mut(&id)?.session.as_mut()?;
        let shared = session.shared.get_mut(name)?;
        let mine = shared.digest_of(channel);
        if shared.theirs.replace(theirs) != Some(theirs) {
            shared.tries = 0;
        }
        (shared.heard, shared.told.last_exchange) = (now, Some(wall));
        if mine == theirs {
            self.in_sync(id, name, mine);
            self.note_agreement(id, name);
        }
        self.tell_status(id, name);
        Some(mine)
    }

    /// Both hold the same.
    fn in_sync(&mut self, id: LinkId, name: &ChannelId, digest: DigestTag) {
        let (pause, now) = (self.quiet_pause(id), self.now.tick);
        self.agreed(id, name, digest);
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(shared) = session.and_then(|session| session.shared.get_mut(name)) else { return };
        if shared.told.agreed.replace(digest) != Some(digest) {
            // They hold all that we do, whoever gave it to them.
            let logs = shared.knows.iter_mut().filter_map(|(log, known)| Some((self.logs.get(log)?, known)));
            logs.for_each(|(log, known)| *known = log.stored.height.max(*known));
        }
        shared.outlook = Outlook::default();
        shared.tries = 0;
        (shared.looked, shared.compared) = (now, now);
        shared.failures = (0, Tick(0));
        shared.todo.clear();
        shared.offer_from = None;
        if self.spoken(id) > 1 {
            self.set_timer(Timer::Round(id, name.clone()), pause);
        }
        self.end_exchange(id, name);
    }

    /// Whether differences are to be expected because runs are on their way; from time to time
    /// they are looked into all the same.
    pub(super) fn is_in_flux(&self, id: LinkId, name: &ChannelId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let Some(session) = &link.session else { return false };
        let Some(shared) = session.shared.get(name) else { return false };
        let now = self.now.tick;
        let looked = now.since(shared.looked);
        let moved = |time| shared.moved.is_some_and(|moved| now.since(moved) < time);
        let pieces = session.version > 1 && self.exchanges_pieces(id);
        let transfer = self.is_fetching(id) || session.serving.is_busy() || pieces;
        // What is given without being asked for would be given again as long as it is on its way.
        let is_given = session.version > 1 && (moved(PATIENCE) || pieces);
        // What both sides ask in turn without coming to anything is no comparison.
        let flows = match session.version {
            1 => looked < IMPATIENCE,
            _ if self.beats_compare(id) => now.since(shared.compared) < tree::IMPATIENCE,
            _ => now.since(shared.compared) < IMPATIENCE * 4,
        };
        moved(self.settle_time(id)) && flows || transfer && (looked < PATIENCE || is_given)
    }

    /// Whether a message in pieces is under way either way.
    fn exchanges_pieces(&self, id: LinkId) -> bool {
        let peer = self.links.get(&id).and_then(|link| self.peers.get(&link.peer));
        let since = self.now.tick - IMPATIENCE;
        peer.is_some_and(|peer| peer.assemblies.is_busy(since) || peer.outgoing.is_busy(since))
    }

    pub(super) fn settle_time(&self, id: LinkId) -> Duration {
        let rtt = self.links.get(&id).and_then(|link| link.rtt.smoothed());
        rtt.map_or(SETTLE, |rtt| (rtt * 2).clamp(SETTLE, SETTLE_MAX))
    }

    /// Something changed: a round on every link once runs had time to arrive.
    pub(super) fn compare_soon(&mut self, channel: &ChannelId) {
        for link in self.speakers(channel) {
            self.compare_link_soon(link, channel);
        }
    }

    pub(super) fn compare_link_soon(&mut self, link: LinkId, channel: &ChannelId) {
        let wait = self.quiet_time(link);
        self.timers.bring_forward(Timer::Round(link, channel.clone()), self.now.tick + wait);
    }

    /// The same on a link without beats, where those of others tell sooner what was missed.
    pub(super) fn compare_link_later(&mut self, link: LinkId, channel: &ChannelId) {
        let pause = self.rng.jitter(self.config.round_max);
        let wait = if self.speaks_first(link) { pause } else { pause * 4 };
        self.timers.bring_forward(Timer::Round(link, channel.clone()), self.now.tick + wait);
    }

    /// A round of every shared channel of a link, now.
    pub(super) fn compare_link(&mut self, id: LinkId) {
        self.compare_link_after(id, Duration::ZERO);
    }

    fn compare_link_after(&mut self, id: LinkId, wait: Duration) {
        let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) else { return };
        for (name, shared) in &mut session.shared {
            shared.tries = 0;
            self.timers.bring_forward(Timer::Round(id, name.clone()), self.now.tick + wait);
        }
    }

    /// A round on every link. In a large group they come one after the other.
    pub(super) fn compare_everything(&mut self) {
        let links: Vec<LinkId> = self.established().collect();
        for link in links {
            let wait = if self.is_in_tree(link) { self.rng.jitter(IN_TURN) } else { Duration::ZERO };
            self.compare_link_after(link, wait);
        }
    }

    /// Whether a tag is one of a link's channels.
    pub(super) fn knows_tag(&self, id: LinkId, tag: ChannelTag) -> bool {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        session.is_some_and(|session| session.tags.contains_key(&tag))
    }
}
