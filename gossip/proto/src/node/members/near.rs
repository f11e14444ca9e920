//! One link to a member that is near: it makes trees faster, where next on the ring means anywhere.
//!
//! Some members are tried, one after the other: the greeting tells the round trip, and who is not nearer than the
//! nearest so far hears goodbye before anything else is said.

use std::time::Duration;

use super::pauses::Pauses;
use super::row::Slot;
use super::rows::Members;
use crate::node::{Class, Effect, LinkId, Node, Timer};
use crate::wire::{BeatFlags, Message};
use crate::{MemberKey, MemberState, Tick};

/// Members that are tried at first: of so many drawn ones the nearest is not much farther than the nearest of all.
const TRIALS: u32 = 8;
/// More of them after the nearest was lost.
const MORE: u32 = 3;
/// From one trial to the next.
const APART: Duration = Duration::from_millis(400);
/// Members that came may be followed by others.
const CALM: Duration = Duration::from_secs(2);
/// Later one more is tried after such pauses, twice as long each time.
const LATER: Pauses = Pauses(Duration::from_secs(1_200), Duration::from_secs(7_200));
/// Who is tried has so long to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// Others to which this node is near, at most.
const INBOUND: usize = 2;
/// Of those who had no room so many are not asked again.
const REMEMBERED: usize = 8;

/// Who is near, as far as is known.
#[derive(Debug, Default)]
pub(in crate::node) struct Near {
    chosen: Option<MemberKey>,
    /// Who is tried, and since when.
    trial: Option<(MemberKey, Tick)>,
    /// Trials that are left of those close together.
    left: u32,
    /// Trials after those.
    later: u32,
    has_begun: bool,
    /// Who had no room for us, the last ones.
    full: Vec<MemberKey>,
}

impl Near {
    pub(super) fn is_tried(&self, key: MemberKey) -> bool {
        self.trial.is_some_and(|(trial, _)| trial == key)
    }

    pub(super) fn forget(&mut self, key: MemberKey) {
        self.trial.take_if(|(trial, _)| *trial == key);
        self.chosen.take_if(|chosen| *chosen == key);
        self.full.retain(|full| *full != key);
    }
}

impl Members {
    /// The member to which this node keeps a link as it is near.
    pub(in crate::node) fn nearest(&self) -> Option<Slot> {
        let slot = self.near.chosen.and_then(|key| self.find(key))?;
        self.get(slot).is_some_and(|member| member.state == MemberState::Live).then_some(slot)
    }

    pub(super) fn is_nearest(&self, key: MemberKey) -> bool {
        self.near.chosen == Some(key)
    }
}

impl Node {
    /// Members came or went, or a link did: the nearest may have.
    pub(super) fn tend_near(&mut self) {
        if !self.members.is_large() {
            return;
        }
        let is_linked = self.members.nearest().is_some_and(|slot| self.is_linked(slot));
        let near = &mut self.members.near;
        let first = !std::mem::replace(&mut near.has_begun, true);
        if first || near.chosen.is_some() && !is_linked {
            (near.chosen, near.left) = (None, if first { TRIALS } else { MORE });
            let pause = if first { CALM } else { APART };
            let pause = self.rng.jitter(pause);
            self.timers.bring_forward(Timer::Near, self.now.tick + pause);
        }
    }

    /// Tries one more member, as long as there are any to be tried.
    pub(in crate::node) fn try_near(&mut self) {
        let may = self.is_active() && self.config.peer_exchange && self.members.is_large();
        if !may {
            self.members.near.has_begun = false;
            return;
        }
        self.give_up_trial();
        if self.members.nearest().is_none() {
            self.choose_linked();
        }
        let near = &mut self.members.near;
        let pause = if near.left > 0 {
            near.left -= 1;
            APART
        } else {
            let pause = LATER.doubled(near.later);
            near.later = near.later.saturating_add(1);
            pause
        };
        if self.members.near.trial.is_none() {
            self.begin_trial();
        }
        let pause = self.rng.jitter(pause);
        self.set_timer(Timer::Near, pause);
    }

    /// Of those to whom there is a link anyway.
    fn choose_linked(&mut self) {
        let linked = self.links.iter().filter(|(_, link)| link.session.is_some());
        let known = linked.filter_map(|(id, link)| Some((link.rtt.smoothed()?, *id, link.watch.key)));
        let best = known.filter(|(.., key)| self.may_be_near(*key)).min();
        self.members.near.chosen = best.map(|(.., key)| key);
    }

    fn begin_trial(&mut self) {
        let drawn = MemberKey(self.rng.next_u64());
        let found = self.members.behind(drawn).take(FEW).find(|slot| {
            let member = self.members.get(*slot);
            let has_address = member.is_some_and(|member| !member.details.addresses.is_empty());
            self.may_be_near(slot.key) && !self.is_linked(*slot) && has_address
        });
        let Some(member) = found.and_then(|slot| self.members.get(slot)) else { return };
        let (key, peer) = (member.key, member.id.clone());
        let addresses = member.details.addresses.to_vec();
        self.members.near.trial = Some((key, self.now.tick));
        self.effects.push_back(Effect::Dial { peer, addresses });
    }

    /// Those next to this node have a link to it anyway.
    fn may_be_near(&self, key: MemberKey) -> bool {
        let me = self.members.me().key;
        let member = self.members.find(key).and_then(|slot| self.members.get(slot));
        let is_live = member.is_some_and(|member| member.state == MemberState::Live);
        is_live
            && key != me
            && !self.members.near.full.contains(&key)
            && !self.members.around(me, super::ring::AHEAD).any(|slot| slot.key == key)
    }

    fn give_up_trial(&mut self) {
        let now = self.now.tick;
        let trial = self.members.near.trial.take_if(|(_, since)| now.since(*since) >= PATIENCE);
        let slot = trial.and_then(|(key, _)| self.members.find(key));
        let peer = slot.and_then(|slot| Some((slot.key, self.members.get(slot)?.id.clone())));
        peer.into_iter().for_each(|(key, peer)| self.dial_no_more(key, peer));
    }

    /// Who was dialled to be tried has greeted. Says whether the link is kept.
    pub(in crate::node) fn judge_trial(&mut self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let (key, rtt) = (link.watch.key, link.rtt.smoothed());
        if self.members.near.trial.take_if(|(trial, _)| *trial == key).is_none() {
            return true;
        }
        let known = self.members.nearest();
        let best = known.and_then(|slot| self.links_to(slot.key).first().copied());
        let best = best.and_then(|best| self.links.get(&best)?.rtt.smoothed().map(|rtt| (rtt, best)));
        let is_nearer = rtt.is_some_and(|rtt| best.is_none_or(|(best, _)| rtt * 10 < best * 9));
        if is_nearer {
            self.members.near.chosen = Some(key);
            self.table_changed();
        } else if !self.wants(key) {
            self.dismiss(id);
            return false;
        }
        true
    }

    /// Whether the other side wants this link as we are near. Only some can; another way may not be known to it, so
    /// that the link is not for us to end.
    pub(super) fn hear_near(&mut self, id: LinkId, is_near: bool) {
        let wants = self.links.get(&id).is_some_and(|link| self.wants(link.watch.key));
        let Some(link) = self.links.get_mut(&id) else { return };
        let is_new = !std::mem::replace(&mut link.watch.near_there, is_near) && is_near;
        let others = self.links.values().filter(|link| link.watch.near_there).count();
        if is_new && others > INBOUND && !wants {
            let link = self.links.get_mut(&id).into_iter();
            link.for_each(|link| (link.watch.near_there, link.watch.wanted_there) = (false, false));
            self.beat_now(id, BeatFlags::FULL);
        }
    }

    fn wants(&self, key: MemberKey) -> bool {
        self.members.neighbours().any(|slot| slot.key == key)
    }

    /// Enough others keep a link to whom we hold to be the nearest: somebody else is sought.
    pub(super) fn hear_full(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let (key, is_ours) = (link.watch.key, link.watch.is_dialled);
        let near = &mut self.members.near;
        if near.chosen.take_if(|chosen| *chosen == key).is_none() {
            return;
        }
        near.full.truncate(REMEMBERED - 1);
        near.full.insert(0, key);
        if is_ours && !self.wants(key) {
            self.dismiss(id);
        }
        self.choose_linked();
        if self.members.near.left > 0 {
            let pause = self.rng.jitter(APART);
            self.timers.bring_forward(Timer::Near, self.now.tick + pause);
        }
    }

    /// Ends a link that is of no use.
    pub(super) fn dismiss(&mut self, id: LinkId) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        self.send(id, &Message::Goodbye, Class::Urgent);
        self.effects.push_back(Effect::Close { link: id });
        self.on_link_down(id);
        self.effects.push_back(Effect::Forget(peer));
    }
}

/// Members that are looked at for one that can be tried.
const FEW: usize = 4;
