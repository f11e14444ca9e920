//! Those that are down are tried again, rarely, by a few: so what was split grows together.

use std::collections::BTreeMap;
use std::time::Duration;

use super::row::{Member, Slot};
use super::rows::Members;
use crate::node::{Effect, LinkId, Node, Timer};
use crate::wire::BeatFlags;
use crate::{MemberKey, MemberState, Tick};

/// A member is tried after this part of the time since it went down,
const PART: u32 = 8;
/// between these bounds.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// So many are tried at once when all may be in reach again.
const AT_ONCE: u32 = 8;
/// Who says something although it is down is asked so often.
const CALLS: Duration = Duration::from_secs(1);

/// When those that are down are tried next, as far as this node does.
#[derive(Debug, Default)]
pub(super) struct Dead {
    next: BTreeMap<MemberKey, Tick>,
}

impl Dead {
    pub(super) fn tries(&self, key: MemberKey) -> bool {
        self.next.contains_key(&key)
    }

    /// They may be in reach again: some are tried at once, and as many a second of the others.
    pub(super) fn hurry(&mut self, now: Tick) {
        for (number, at) in (0..).zip(self.next.values_mut()) {
            *at = (*at).min(now + PAUSES.0 * (number / AT_ONCE));
        }
    }

    pub(super) fn forget(&mut self, key: MemberKey) {
        self.next.remove(&key);
    }
}

impl Members {
    /// Those that are down behind which this node is one of the next alive: each is tried by two, and by all in a
    /// small group. They lie on one arc of the ring, so that the others are not looked at.
    fn charges(&self) -> Vec<Slot> {
        let me = self.me().key;
        match self.before(me).nth(1).filter(|_| self.is_large()) {
            Some(first) => self.between(first.key, me).filter_map(|member| self.down(member)).collect(),
            None => self.all().filter_map(|member| self.down(member)).collect(),
        }
    }

    /// Whether anybody is gone.
    fn has_gone(&self) -> bool {
        self.live() < self.count()
    }

    fn down(&self, member: &Member) -> Option<Slot> {
        (member.state == MemberState::Down).then(|| self.find(member.key)).flatten()
    }
}

impl Node {
    /// Tries those of the dead whose turn it is. Nothing else waits for what comes of it, and nothing is counted.
    pub(in crate::node) fn try_the_dead(&mut self) {
        let now = self.now.tick;
        let charges = if self.is_active() { self.members.charges() } else { Vec::new() };
        let mut before = std::mem::take(&mut self.members.dead.next);
        for slot in charges {
            let at = match before.remove(&slot.key) {
                Some(at) if at > now => at,
                known => {
                    if known.is_some() {
                        self.try_again(slot);
                    }
                    now + self.rng.jitter(self.pause_of(slot))
                }
            };
            self.members.dead.next.insert(slot.key, at);
        }
        match self.members.dead.next.values().min() {
            Some(at) => self.timers.set(Timer::Dead, *at),
            None => self.timers.cancel(&Timer::Dead),
        }
    }

    /// Something came that is no beat. Two that hold each other to be gone would say none, whatever else they say: one
    /// beat tells both.
    pub(in crate::node) fn ask_who_is_back(&mut self, id: LinkId) {
        if !self.members.has_gone() {
            return;
        }
        let now = self.now.tick;
        let Some(link) = self.links.get_mut(&id) else { return };
        let member = self.members.find(link.watch.key).and_then(|slot| self.members.get(slot));
        let is_down = member.is_some_and(|member| member.state == MemberState::Down);
        if is_down && link.watch.calls.take(now, 1, CALLS) {
            self.beat_now(id, BeatFlags::ANSWER);
        }
    }

    fn pause_of(&self, slot: Slot) -> Duration {
        let down = self.members.get(slot).map_or(Duration::ZERO, |member| self.now.tick.since(member.since));
        (down / PART).clamp(PAUSES.0, PAUSES.1)
    }

    /// Links bring nothing: perhaps they lead nowhere, or their transport repeats what was lost ever more rarely.
    pub(super) fn renew(&mut self, links: Vec<LinkId>) {
        self.effects.extend(links.into_iter().map(Effect::Renew));
    }

    /// Nobody answers, so the network may have been gone since then: for all links on which nothing came.
    pub(super) fn renew_silent(&mut self, since: Tick) {
        let silent = self.links.iter().filter(|(_, link)| link.is_open() && link.heard <= since);
        self.renew(silent.map(|(id, _)| *id).collect());
    }

    /// On a link that is left over, or a new one. Who keeps to its own peers leaves that to whoever made the link.
    fn try_again(&mut self, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        if let Some(link) = self.primary(&member.id) {
            self.beat_now(link, BeatFlags::ANSWER);
            return self.renew(self.links_to(slot.key));
        }
        let (peer, addresses) = (member.id.clone(), member.details.addresses.to_vec());
        // One that is being dialled has a link on which it has said nothing yet.
        if self.config.peer_exchange && !addresses.is_empty() && !self.is_linked(slot) {
            self.effects.push_back(Effect::Dial { peer, addresses });
        }
    }
}
