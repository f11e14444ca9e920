//! Who does not answer is accused to all, and gets its say: only then it counts as down.
//!
//! Suspicion as in SWIM, and timers at *every* receiver; the wait follows what a message takes through the group, the
//! health of who accuses (Lifeguard) and the loss that was measured. Two have to accuse, or one, when nobody objected in
//! three times the wait. And who judges must be in touch itself.

use std::time::Duration;

use super::row::{Member, Slot};
use super::senses::Senses;
use crate::node::{LinkId, Node, Timer};
use crate::wire::{Accusers, Row};
use crate::{MemberKey, MemberState, Tick};

/// Nobody counts as down sooner after it was asked first: so long anybody may pause.
pub(super) const PATIENCE: Duration = Duration::from_millis(800);
/// What a message takes through the group at least.
const SPREAD: Duration = Duration::from_millis(100);
/// The wait, in times of that.
const WAIT: u32 = 3;
/// Longer waits are not believed.
const LONGEST: Duration = Duration::from_secs(60);
/// Suspicions at once.
const MOST: usize = 256;
/// So many have to accuse.
const JURY: usize = 2;

/// A member that was accused.
#[derive(Debug)]
pub(super) struct Suspicion {
    slot: Slot,
    incarnation: u64,
    /// When it was asked first,
    since: Tick,
    /// and accused here.
    begun: Tick,
    wait: Duration,
    until: Tick,
    accusers: Accusers,
}

impl Suspicion {
    /// What passed was our own delay.
    pub(super) fn restart(&mut self, now: Tick) {
        (self.begun, self.until) = (now, now + self.wait);
    }

    fn is_backed(&self) -> bool {
        self.accusers.as_slice().len() >= JURY
    }
}

impl Senses {
    /// Whether a member is under suspicion.
    pub(super) fn is_suspected(&self, member: &Member) -> bool {
        let of_it = self.suspicions.get(&member.key);
        of_it.is_some_and(|suspicion| suspicion.incarnation == member.incarnation)
    }
}

impl Node {
    /// Our own tries have failed, and perhaps those of somebody else.
    pub(super) fn accuse_myself(&mut self, slot: Slot, since: Tick, second: Option<MemberKey>) {
        let mut accusers = Accusers::one(self.members.me().key);
        second.into_iter().for_each(|key| _ = accusers.add(key));
        let until = (self.now.tick + self.wait()).max(since + PATIENCE);
        self.raise_suspicion(slot, since, until, accusers, None);
    }

    /// Somebody asked a member that is alive here in vain, or holds it to be down.
    pub(super) fn accuse(&mut self, id: LinkId, slot: Slot, row: &Row) {
        let now = self.now.tick;
        let millis = |millis: &u32| Duration::from_millis(u64::from(*millis)).min(LONGEST);
        match row {
            Row::Suspect { left, age, accusers, .. } => {
                let since = Tick(now.0.saturating_sub(millis(age).as_micros() as u64));
                let until = (now + millis(left).max(SPREAD)).max(since + PATIENCE);
                self.raise_suspicion(slot, since, until, *accusers, Some(id));
            }
            // A verdict counts as one more voice.
            Row::Down { .. } => {
                let Some(by) = self.links.get(&id).map(|link| link.watch.key) else { return };
                let until = now + self.wait().max(PATIENCE);
                self.raise_suspicion(slot, now, until, Accusers::one(by), Some(id));
            }
            _ => {}
        }
    }

    fn raise_suspicion(
        &mut self,
        slot: Slot,
        since: Tick,
        until: Tick,
        accusers: Accusers,
        from: Option<LinkId>,
    ) {
        let Some(member) = self.members.get(slot).filter(|_| !self.is_alone()) else { return };
        let is_old = member.heard >= since && member.heard > Tick(0);
        if member.state != MemberState::Live || is_old {
            return;
        }
        if from.is_some() && self.last_heard(slot.key) > since {
            // It was heard here since.
            return self.vouch_for(slot);
        }
        if !self.note_suspicion(slot, since, until, accusers) {
            return;
        }
        self.call_witness(Some(slot.key), 0);
        self.spread_suspicion(slot, from);
        if from.is_some() && !self.links_to(slot.key).is_empty() {
            self.doubt_member(slot);
        }
        self.settle_status(slot);
    }

    /// Says whether it is news.
    fn note_suspicion(&mut self, slot: Slot, since: Tick, until: Tick, accusers: Accusers) -> bool {
        let Some(incarnation) = self.members.get(slot).map(|member| member.incarnation) else { return false };
        let (now, senses) = (self.now.tick, &mut self.members.senses);
        let is_full = senses.suspicions.len() >= MOST;
        let known = senses.suspicions.get_mut(&slot.key);
        let is_new = match known.filter(|known| known.incarnation == incarnation) {
            Some(known) => {
                known.until = known.until.min(until);
                let few = known.accusers.as_slice().len() < JURY;
                accusers.as_slice().iter().filter(|key| few && known.accusers.add(**key)).count() > 0
            }
            None if is_full => return false,
            None => {
                let wait = until.since(now);
                let new = Suspicion { slot, incarnation, since, begun: now, wait, until, accusers };
                senses.suspicions.insert(slot.key, new);
                true
            }
        };
        let until = senses.suspicions.get(&slot.key).map(|suspicion| suspicion.until);
        until.into_iter().for_each(|until| self.timers.set(Timer::Suspicion(slot.key), until));
        is_new
    }

    fn spread_suspicion(&mut self, slot: Slot, but: Option<LinkId>) {
        let now = self.now.tick;
        let Some(known) = self.members.senses.suspicions.get(&slot.key) else { return };
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let row = Row::Suspect {
            key: slot.key,
            incarnation: known.incarnation,
            left: millis(known.until.since(now)),
            age: millis(now.since(known.since)),
            accusers: known.accusers,
        };
        self.flood(&row, but);
    }

    /// What a refutation may take: through the group and back, and more where messages get lost or this node is slow.
    fn wait(&self) -> Duration {
        let steps = self.members.live().next_power_of_two().trailing_zeros();
        let spread = self.usual_delay() * (steps + 2) / 2;
        let tries = self.members.senses.tries().few.clamp(3, 9);
        self.members.senses.patient(spread.max(SPREAD) * WAIT * tries / 3).min(LONGEST)
    }

    /// We heard it: says so to all, once.
    pub(super) fn vouch_for(&mut self, slot: Slot) {
        let Some(incarnation) = self.members.get(slot).map(|member| member.incarnation) else { return };
        let by = Some(self.members.me().key);
        self.prove(slot.key, None);
        self.flood(&Row::Vouch { key: slot.key, incarnation, by }, None);
    }

    /// Somebody heard a member. What ended something here is passed on.
    pub(super) fn vouched(&mut self, id: LinkId, slot: Slot, row: &Row) {
        let was_suspected = self.members.senses.suspicions.contains_key(&slot.key);
        self.prove(slot.key, None);
        if was_suspected {
            self.flood(row, Some(id));
        }
    }

    /// A member is there, as its own frame or somebody else proves: doubts and suspicions end.
    pub(super) fn prove(&mut self, key: MemberKey, by: Option<LinkId>) {
        let Some(slot) = self.members.find(key) else { return };
        self.members.note_heard(slot, self.now.tick);
        self.end_doubt(key, by.is_some());
        self.drop_suspicion(key);
        self.settle_status(slot);
    }

    pub(super) fn drop_suspicion(&mut self, key: MemberKey) -> bool {
        let was = self.members.senses.suspicions.remove(&key).is_some();
        if was {
            self.timers.cancel(&Timer::Suspicion(key));
        }
        was
    }

    /// The time to object is over.
    pub(in crate::node) fn judge_suspicion(&mut self, key: MemberKey) {
        let now = self.now.tick;
        let Some(known) = self.members.senses.suspicions.get(&key) else { return };
        let (slot, incarnation, wait) = (known.slot, known.incarnation, known.wait);
        let longest = known.begun + wait * WAIT;
        let holds = |member: &Member| (member.state, member.incarnation) == (MemberState::Live, incarnation);
        if self.is_alone() || !self.members.get(slot).is_some_and(holds) {
            self.drop_suspicion(key);
            return self.settle_status(slot);
        }
        if !known.is_backed() && now < longest {
            self.call_witness(Some(key), 1);
            return self.timers.set(Timer::Suspicion(key), longest);
        }
        if now.since(self.members.senses.touched) > wait {
            // Objections might not have reached us either.
            let witness = self.call_witness(Some(key), (now.0 / 1_000) as u32);
            let pause = witness.map_or(wait, |link| self.patience_on(&[link]));
            return self.timers.set(Timer::Suspicion(key), now + pause);
        }
        self.drop_suspicion(key);
        self.drop_doubt(key);
        self.members.set_state(slot, MemberState::Down, incarnation, now);
        self.settle_status(slot);
        self.table_changed();
    }
}
