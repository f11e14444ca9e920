//! Links to the members next to this one are sought.

use std::collections::BTreeMap;
use std::time::Duration;

use super::pauses::Pauses;
use super::row::{Member, Slot};
use super::rows::Members;
use crate::node::{Effect, LinkId, Node, Timer};
use crate::wire::BeatFlags;
use crate::{MemberKey, NodeId, Tick};

/// So long after members came or went last, as others may follow, and after the first of them.
const QUIET: (Duration, Duration) = (Duration::from_millis(300), Duration::from_secs(2));
/// Pauses before a member is dialled again.
const AGAIN: Pauses = Pauses(Duration::from_secs(1), Duration::from_secs(60));
/// A dial that takes longer is not counted as open.
const PATIENCE: Duration = Duration::from_secs(2);
/// Dials at once, and while hardly anybody is there.
const OPEN: (usize, usize) = (3, 8);
/// Links of who has hardly any.
const FEW: usize = 3;

/// A member that was dialled so often in its present life, or is about to be.
#[derive(Debug)]
pub(super) struct Dial {
    peer: NodeId,
    incarnation: u64,
    tries: u32,
    at: Tick,
}

impl Node {
    /// Members came or went: neighbours may be others now.
    pub(in crate::node) fn table_changed(&mut self) {
        let (now, (quiet, longest)) = (self.now.tick, QUIET);
        let first = *self.members.changed.get_or_insert(now);
        self.timers.set(Timer::Overlay, (now + quiet).min(first + longest));
        if self.members.live() <= FEW {
            // With two the link alone tells whether the other one is there; three prove something of each other.
            self.settle_all();
        }
    }

    /// A link is gone, perhaps one that is wanted.
    pub(in crate::node) fn lost_link(&mut self) {
        self.members.senses.is_shaken = true;
        self.table_changed();
    }

    /// Members came or went a moment ago.
    pub(in crate::node) fn look_round(&mut self) {
        self.members.changed = None;
        self.tend_grove();
        self.forget_the_gone();
        self.tend_near();
        self.seek_neighbours();
        self.begin_pulse();
        let open: Vec<LinkId> = self.established().collect();
        open.into_iter().for_each(|id| self.take_back_promise(id));
        self.end_idle_links();
        self.try_the_dead();
    }

    /// A link that has turns again has its first one after all others: as many may be back at once.
    pub(super) fn join_turns(&mut self, id: LinkId) {
        let now = self.now.tick;
        if self.is_watched(id)
            && let Some(link) = self.links.get_mut(&id).filter(|link| !link.watch.promised)
        {
            link.watch.said = now;
        }
    }

    /// A link has no turn any more, on which a beat was promised: it is said, and promises nothing.
    pub(super) fn take_back_promise(&mut self, id: LinkId) {
        let (is_watched, is_idle) = (self.is_watched(id), self.is_idle(id));
        let Some(link) = self.links.get_mut(&id).filter(|link| link.watch.promised && !is_watched) else {
            return;
        };
        link.watch.promised = false;
        // Who is down expects nothing.
        if is_idle {
            self.beat_now(id, BeatFlags::default());
        }
    }

    /// Dials those next to this node to whom there is no link, and gives up those who are not any more.
    fn seek_neighbours(&mut self) {
        if !self.is_active() || !self.config.peer_exchange {
            return;
        }
        let wanted: Vec<Slot> = self.members.neighbours().collect();
        self.give_up_others(&wanted);
        self.seek_the_missing(&wanted);
        wanted.iter().for_each(|slot| self.expect_neighbour(*slot));
        let is_lonely = self.established().nth(FEW - 1).is_none();
        let most = if is_lonely { OPEN.1 } else { OPEN.0 };
        let missing: Vec<Slot> = wanted.into_iter().filter(|slot| !self.is_linked(*slot)).collect();
        for slot in &missing {
            let now = self.now.tick;
            let open = self.members.dials.values().filter(|dial| dial.tries > 0 && now < dial.at + PATIENCE);
            if open.count() < most {
                self.dial(*slot);
            }
        }
        // Some may wait for others that are being dialled.
        let soon = self.now.tick + QUIET.0;
        let again = missing.iter().filter_map(|slot| {
            let (dial, member) = (self.members.dials.get(&slot.key)?, self.members.get(*slot)?);
            Some(dial.again(member))
        });
        again.min().into_iter().for_each(|at| self.timers.bring_forward(Timer::Overlay, at.max(soon)));
    }

    /// There may be a link to a new neighbour on which nothing was promised, as others watched it.
    fn expect_neighbour(&mut self, slot: Slot) {
        let links = self.links_to(slot.key);
        let is_expected = links.iter().any(|id| self.timers.is_set(&Timer::Due(*id)));
        if let Some(id) = links.first().filter(|_| !is_expected) {
            self.beat_now(*id, BeatFlags::ANSWER);
            self.expect_first_beat(*id);
        }
    }

    /// Dials a member if it can be, and it is time to.
    fn dial(&mut self, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        let (now, known) = (self.now.tick, self.members.dials.get(&slot.key));
        if member.details.addresses.is_empty() || known.is_some_and(|dial| dial.again(member) > now) {
            return;
        }
        let (peer, incarnation) = (member.id.clone(), member.incarnation);
        let addresses = member.details.addresses.to_vec();
        // In a small group both sides want the link: one of them waits first.
        let waits = known.is_none() && !self.members.is_large() && slot.key < self.members.me().key;
        let tries = known.map_or(u32::from(!waits), |dial| dial.tries_of(member).saturating_add(1));
        self.members.dials.insert(slot.key, Dial { peer: peer.clone(), incarnation, tries, at: now });
        if !waits {
            self.effects.push_back(Effect::Dial { peer, addresses });
        }
    }

    fn give_up_others(&mut self, wanted: &[Slot]) {
        // Who is there was not dialled in vain.
        for slot in wanted {
            if self.members.get(*slot).is_some_and(|member| self.primary(&member.id).is_some()) {
                self.members.dials.remove(&slot.key);
            }
        }
        let is_wanted = |key: &MemberKey| wanted.iter().any(|slot| slot.key == *key);
        type Dials = BTreeMap<MemberKey, Dial>;
        let dials = std::mem::take(&mut self.members.dials).into_iter();
        let (kept, unwanted): (Dials, Dials) = dials.partition(|(key, _)| is_wanted(key));
        self.members.dials = kept;
        unwanted.into_iter().for_each(|(key, dial)| self.dial_no_more(key, dial.peer));
    }

    /// A reason to reach a member is gone: unless there is another it is dialled no more.
    pub(super) fn dial_no_more(&mut self, key: MemberKey, peer: NodeId) {
        if !self.members.is_dialled(key) {
            self.effects.push_back(Effect::Forget(peer));
        }
    }

    /// Nobody is next to a node that has stopped. When it starts again it begins anew.
    pub(in crate::node) fn give_up_all(&mut self) {
        self.give_up_others(&[]);
    }

    pub(super) fn is_linked(&self, slot: Slot) -> bool {
        let peer = self.members.get(slot).and_then(|member| self.peers.get(&member.id));
        peer.is_some_and(|peer| !peer.links.is_empty())
    }
}

impl Members {
    /// Neighbours may be in reach again: they are dialled as if for the first time, but for those that are just being.
    pub(super) fn hurry_dials(&mut self, now: Tick) {
        for dial in self.dials.values_mut().filter(|dial| dial.at + PATIENCE <= now) {
            (dial.tries, dial.at) = (0, Tick(0));
        }
    }
}

impl Dial {
    /// When it may be tried again.
    fn again(&self, member: &Member) -> Tick {
        self.at + AGAIN.doubled(self.tries_of(member).saturating_sub(1))
    }

    /// Who has started anew, contradicted or can be dialled elsewhere was not dialled in vain yet.
    fn tries_of(&self, member: &Member) -> u32 {
        if self.incarnation == member.incarnation { self.tries } else { 0 }
    }
}
