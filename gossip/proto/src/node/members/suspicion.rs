//! Who does not answer is accused to all, and gets its say: only then it counts as down.
//!
//! Suspicion as in SWIM, and timers at *every* receiver; the wait follows what a message takes through the group, the
//! health of who accuses (Lifeguard) and the loss that was measured. What follows is in [`verdict`](super::verdict).

use std::time::Duration;

use super::doubt::Doubt;
use super::row::{Member, Slot};
use super::senses::Senses;
use super::verdict::Trial;
use crate::node::{Class, LinkId, Node, Timer};
use crate::wire::{Accusers, Message, Row};
use crate::{MemberKey, MemberState, Tick};

/// Nobody counts as down sooner after it was asked first: so long anybody may pause.
pub(super) const PATIENCE: Duration = Duration::from_millis(800);
/// What a message takes through the group at least.
const SPREAD: Duration = Duration::from_millis(100);
/// The wait, in times of that.
const WAIT: u32 = 3;
/// Who only asks for a member has heard nothing for so long; who was to hear it by then would have.
pub(super) const UNHEARD: Duration = Duration::from_secs(8);
/// Longer waits are not believed.
const LONGEST: Duration = Duration::from_secs(60);
/// Suspicions at once.
const MOST: usize = 1_024;

/// What is said of a member.
#[derive(Debug, Clone, Copy)]
struct Charge {
    since: Tick,
    until: Tick,
    accusers: Accusers,
    is_quiet: bool,
}

/// A member that was accused.
#[derive(Debug)]
pub(super) struct Suspicion {
    pub(super) slot: Slot,
    pub(super) incarnation: u64,
    /// When it was asked first,
    since: Tick,
    /// and accused here.
    begun: Tick,
    pub(super) wait: Duration,
    pub(super) until: Tick,
    /// When somebody accused it last who had asked it.
    fresh: Tick,
    pub(super) accusers: Accusers,
    /// Nobody accuses it yet: it is only asked for.
    is_quiet: bool,
    pub(super) trial: Trial,
}

impl Suspicion {
    /// What passed was our own delay.
    pub(super) fn restart(&mut self, now: Tick) {
        (self.begun, self.until, self.trial) = (now, now + self.wait, Trial::default());
    }

    /// Whether there was a verdict by now, or is soon: what stands for longer is news that ended elsewhere.
    pub(super) fn is_fresh(&self, now: Tick) -> bool {
        now < self.until.max(self.fresh) + self.wait * 2
    }

    /// When nobody has objected for so long that one voice is enough.
    pub(super) fn longest(&self) -> Tick {
        self.begun + self.wait * WAIT
    }
}

impl Senses {
    /// Whether a member is under suspicion.
    pub(super) fn is_suspected(&self, member: &Member) -> bool {
        let of_it = self.suspicions.get(&member.key);
        of_it.is_some_and(|suspicion| suspicion.incarnation == member.incarnation)
    }

    /// Whether somebody accuses a member.
    pub(super) fn is_accused(&self, member: &Member) -> bool {
        let of_it = self.suspicions.get(&member.key).filter(|_| self.is_suspected(member));
        of_it.is_some_and(|suspicion| !suspicion.is_quiet)
    }

    /// Since when a member has been asked.
    pub(super) fn asked_since(&self, key: MemberKey) -> Option<Tick> {
        let doubted = self.doubts.get(&key).map(Doubt::since);
        doubted.or_else(|| self.suspicions.get(&key).map(|suspicion| suspicion.since))
    }

    /// The same, as milliseconds ago.
    pub(super) fn age(&self, key: MemberKey, now: Tick) -> u32 {
        self.asked_since(key).map_or(0, |since| now.since(since).as_millis().try_into().unwrap_or(u32::MAX))
    }
}

/// So long ago.
pub(super) fn before(now: Tick, ago: Duration) -> Tick {
    Tick(now.0.saturating_sub(ago.as_micros() as u64))
}

impl Node {
    /// Our own tries have failed, and perhaps those of somebody else.
    pub(super) fn accuse_myself(&mut self, slot: Slot, since: Tick, second: Option<MemberKey>) {
        let mut accusers = Accusers::one(self.members.me().key);
        second.into_iter().for_each(|key| _ = accusers.add(key));
        let until = (self.now.tick + self.wait()).max(since + PATIENCE);
        self.raise_suspicion(slot, Charge { since, until, accusers, is_quiet: false }, None);
    }

    /// Somebody asked a member that is alive here in vain, or holds it to be down.
    pub(super) fn accuse(&mut self, id: LinkId, slot: Slot, row: &Row) {
        let now = self.now.tick;
        let millis = |millis: &u32| Duration::from_millis(u64::from(*millis)).min(LONGEST);
        match row {
            Row::Suspect { left, age, accusers, .. } => {
                let since = before(now, millis(age));
                let until = (now + millis(left).max(SPREAD)).max(since + PATIENCE);
                let charge = Charge { since, until, accusers: *accusers, is_quiet: false };
                self.raise_suspicion(slot, charge, Some(id));
            }
            // A verdict counts as one more voice.
            Row::Down { .. } => {
                let Some(by) = self.links.get(&id).map(|link| link.watch.key) else { return };
                let until = now + self.wait().max(PATIENCE);
                let charge = Charge { since: now, until, accusers: Accusers::one(by), is_quiet: false };
                self.raise_suspicion(slot, charge, Some(id));
                self.hear_no_objection(id, slot.key, None);
            }
            _ => {}
        }
    }

    /// Asks all who hears a member to which there is no link: if nobody does it is gone.
    pub(super) fn seek(&mut self, slot: Slot) {
        self.ask_for(slot, self.members.me().key, None);
    }

    /// Somebody asks all who hears a member.
    pub(super) fn sought(&mut self, id: LinkId, slot: Slot, row: &Row) {
        let Row::Seek { by, .. } = row else { return };
        if slot == self.members.me() {
            return self.flood(&self.voucher(slot), None);
        }
        self.ask_for(slot, *by, Some(id));
    }

    fn ask_for(&mut self, slot: Slot, by: MemberKey, from: Option<LinkId>) {
        let now = self.now.tick;
        let (since, until) = (before(now, UNHEARD), now + self.wait().max(PATIENCE));
        let charge = Charge { since, until, accusers: Accusers::one(by), is_quiet: true };
        self.raise_suspicion(slot, charge, from);
    }

    fn raise_suspicion(&mut self, slot: Slot, charge: Charge, from: Option<LinkId>) {
        let Some(member) = self.members.get(slot).filter(|_| !self.is_alone()) else { return };
        let is_proved = member.heard >= charge.since && member.heard > Tick(0);
        if member.state != MemberState::Live || self.is_dozing(member) {
            return;
        }
        let is_doubted =
            self.members.senses.doubts.get(&slot.key).is_some_and(|doubt| doubt.since() > charge.since);
        if from.is_some() && !is_doubted && self.last_heard(slot.key) > charge.since {
            // It was heard here since.
            return self.vouch_for(slot);
        }
        if is_proved {
            // All know that, but for who has only just begun to ask.
            let asker = from.filter(|_| charge.is_quiet);
            return asker
                .into_iter()
                .for_each(|id| self.send(id, &Message::News(vec![self.voucher(slot)]), Class::Urgent));
        }
        if !self.note_suspicion(slot, charge) {
            return;
        }
        self.spread_suspicion(slot, from);
        if from.is_some() && !self.links_to(slot.key).is_empty() {
            self.doubt_member(slot);
        }
        self.settle_status(slot);
    }

    /// Says whether it is news.
    fn note_suspicion(&mut self, slot: Slot, charge: Charge) -> bool {
        let Some(incarnation) = self.members.get(slot).map(|member| member.incarnation) else { return false };
        let Charge { since, until, accusers, is_quiet } = charge;
        let is_own = accusers.as_slice().first() == Some(&self.members.me().key);
        let (now, senses) = (self.now.tick, &mut self.members.senses);
        let is_full = senses.suspicions.len() >= MOST;
        let known = senses.suspicions.get_mut(&slot.key);
        let is_new = match known.filter(|known| known.incarnation == incarnation) {
            Some(known) => {
                known.until = known.until.min(until);
                known.fresh = if is_own { now } else { known.fresh };
                let is_louder = !is_quiet && std::mem::take(&mut known.is_quiet);
                let few = !known.is_backed();
                let added = accusers.as_slice().iter().filter(|key| few && known.accusers.add(**key)).count();
                added > 0 || is_louder
            }
            None if is_full => return false,
            None => {
                let (wait, trial) = (until.since(now), Trial::default());
                let new = Suspicion {
                    slot,
                    incarnation,
                    since,
                    begun: now,
                    wait,
                    until,
                    fresh: now,
                    accusers,
                    is_quiet,
                    trial,
                };
                senses.suspicions.insert(slot.key, new);
                true
            }
        };
        self.prepare_verdict(slot.key);
        is_new
    }

    pub(super) fn spread_suspicion(&mut self, slot: Slot, but: Option<LinkId>) {
        let now = self.now.tick;
        let Some(known) = self.members.senses.suspicions.get(&slot.key) else { return };
        let millis = |time: Duration| u32::try_from(time.as_millis()).unwrap_or(u32::MAX);
        let (key, incarnation) = (slot.key, known.incarnation);
        let row = match known.accusers.as_slice() {
            [by, ..] if known.is_quiet => Row::Seek { key, incarnation, by: *by },
            _ => Row::Suspect {
                key,
                incarnation,
                left: millis(known.until.since(now)),
                age: millis(now.since(known.since)),
                accusers: known.accusers,
            },
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
        let row = self.voucher(slot);
        self.prove(slot.key, None);
        self.flood(&row, None);
    }

    fn voucher(&self, slot: Slot) -> Row {
        let incarnation = self.members.get(slot).map_or(0, |member| member.incarnation);
        Row::Vouch { key: slot.key, incarnation, by: Some(self.members.me().key) }
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
        if by.is_none() {
            self.note_deaf(key);
        }
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
}
