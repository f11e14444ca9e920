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
use crate::wire::{Accusers, Message, Row, UNHEARD};
use crate::{MemberKey, MemberState, Tick};

/// Nobody counts as down sooner after it was asked first: so long anybody may pause.
pub(super) const PATIENCE: Duration = Duration::from_millis(800);
/// What a message takes through the group at least.
const SPREAD: Duration = Duration::from_millis(100);
/// The wait, in times of that.
const WAIT: u32 = 3;
/// Who only asks for a member has heard nothing for so long; who was to hear it by then would have.
pub(super) const UNASKED: Duration = Duration::from_secs(8);
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

/// What is left of a suspicion when somebody has heard the member.
enum Left {
    All,
    Last,
    Nothing,
}

/// A member that was accused.
#[derive(Debug)]
pub(super) struct Suspicion {
    pub(super) slot: Slot,
    pub(super) incarnation: u64,
    /// Since when nothing was heard of it, as all of those say who accuse it: any word that is younger speaks for it.
    pub(super) since: Tick,
    /// Who says so of the shortest time, and of which: that may be all that is left then.
    last: (MemberKey, Tick),
    /// When it was accused here.
    begun: Tick,
    pub(super) wait: Duration,
    pub(super) until: Tick,
    /// When somebody accused it last who had asked it.
    fresh: Tick,
    pub(super) accusers: Accusers,
    /// Nobody accuses it yet: it is only asked for.
    pub(super) is_quiet: bool,
    pub(super) trial: Trial,
}

impl Suspicion {
    fn new(slot: Slot, incarnation: u64, charge: Charge, now: Tick) -> Self {
        let Charge { since, until, accusers, is_quiet } = charge;
        let (wait, trial) = (until.since(now), Trial::default());
        let last = (accusers.as_slice().first().copied().unwrap_or(slot.key), since);
        Self {
            slot,
            incarnation,
            since,
            last,
            begun: now,
            wait,
            until,
            fresh: now,
            accusers,
            is_quiet,
            trial,
        }
    }

    /// Somebody heard the member then. What accuses it of a later silence stands, alone.
    fn outlast(&mut self, then: Tick, now: Tick) -> Left {
        let (by, since) = self.last;
        if self.since >= then {
            return Left::All;
        }
        if since < then {
            return Left::Nothing;
        }
        (self.accusers, self.since) = (Accusers::one(by), since);
        self.restart(now);
        Left::Last
    }

    /// Somebody else says so, or the same once more; says whether it is somebody else.
    fn join(&mut self, charge: Charge, now: Tick) -> bool {
        let (few, first) = (!self.is_backed(), self.begun + self.wait);
        let added = charge.accusers.as_slice().iter().filter(|key| self.accusers.add(**key)).count();
        self.since = self.since.min(charge.since);
        if charge.since > self.last.1 && added > 0 {
            self.last = (charge.accusers.as_slice().first().copied().unwrap_or(self.last.0), charge.since);
        }
        if now < first {
            self.until = self.until.min(charge.until);
        }
        if self.is_backed() {
            self.until = self.until.min(now.max(first));
        }
        few && added > 0
    }

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

    /// Since when a member has been asked last.
    fn asked_last(&self, key: MemberKey) -> Option<Tick> {
        let doubted = self.doubts.get(&key).map(Doubt::since);
        doubted.or_else(|| self.suspicions.get(&key).map(|suspicion| suspicion.last.1))
    }

    /// Since when a member has been asked.
    pub(super) fn asked_since(&self, key: MemberKey) -> Option<Tick> {
        let doubted = self.doubts.get(&key).map(Doubt::since);
        doubted.or_else(|| self.suspicions.get(&key).map(|suspicion| suspicion.since))
    }
}

/// So long ago.
pub(super) fn before(now: Tick, ago: Duration) -> Tick {
    Tick(now.0.saturating_sub(ago.as_micros() as u64))
}

/// In the unit in which members speak of time.
pub(super) fn millis(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
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
        let time = |millis: &u32| Duration::from_millis(u64::from(*millis)).min(LONGEST);
        match row {
            Row::Suspect { left, age, accusers, .. } => {
                let since = before(now, time(age));
                // Whoever hears of it last, or from a liar, leaves time for an objection as well.
                let until = (now + time(left).max(self.passage() * WAIT / 2)).max(since + PATIENCE);
                let charge = Charge { since, until, accusers: *accusers, is_quiet: false };
                self.raise_suspicion(slot, charge, Some(id));
            }
            // A verdict counts as one more voice. Who judged believes nobody but the member itself, which hears of it so.
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
        let (since, until) = (before(now, UNASKED), now + self.wait().max(PATIENCE));
        let charge = Charge { since, until, accusers: Accusers::one(by), is_quiet: true };
        self.raise_suspicion(slot, charge, from);
    }

    fn raise_suspicion(&mut self, slot: Slot, charge: Charge, from: Option<LinkId>) {
        let Some(member) = self.members.get(slot).filter(|_| !self.is_alone()) else { return };
        let is_proved = member.heard > charge.since;
        if member.state != MemberState::Live {
            return;
        }
        if self.is_dozing(member) {
            return from.into_iter().for_each(|id| self.tell_doze(id, slot));
        }
        let was_asked = self.members.senses.asked_last(slot.key).is_some_and(|since| since > charge.since);
        if from.is_some() && !was_asked && self.last_heard(slot.key) > charge.since {
            // It was heard here since.
            return self.vouch_for(slot, self.last_heard(slot.key));
        }
        if is_proved {
            // All know that, but for who has only just begun to ask, or has not heard it until the end.
            let asker =
                from.filter(|_| charge.is_quiet || charge.until.since(self.now.tick) <= self.wait() / 2);
            return asker
                .into_iter()
                .for_each(|id| self.send(id, &Message::News(vec![self.voucher(slot)]), Class::Urgent));
        }
        let is_quiet = charge.is_quiet;
        if !self.note_suspicion(slot, charge, from.is_none()) {
            return;
        }
        if from.is_some() && !is_quiet {
            self.alarm_trees_of(slot);
        }
        self.spread_suspicion(slot, from);
        if from.is_some() && !self.links_to(slot.key).is_empty() {
            self.doubt_member(slot);
        }
        self.settle_status(slot);
    }

    /// Says whether it is news.
    fn note_suspicion(&mut self, slot: Slot, charge: Charge, is_own: bool) -> bool {
        let Some(incarnation) = self.members.get(slot).map(|member| member.incarnation) else { return false };
        let now = self.now.tick;
        let suspicions = &mut self.members.senses.suspicions;
        let is_full = suspicions.len() >= MOST;
        let known = suspicions.get_mut(&slot.key).filter(|known| known.incarnation == incarnation);
        // A question is as good as answered once somebody accuses.
        let (is_new, is_sooner) = match known {
            Some(known) if charge.is_quiet && !known.is_quiet => return false,
            Some(known) if charge.is_quiet == known.is_quiet => {
                let until = known.until;
                known.fresh = if is_own { now } else { known.fresh };
                (known.join(charge, now), known.until < until)
            }
            None if is_full => return false,
            _ => {
                suspicions.insert(slot.key, Suspicion::new(slot, incarnation, charge, now));
                (true, true)
            }
        };
        if is_sooner {
            self.prepare_verdict(slot.key);
        }
        is_new
    }

    pub(super) fn spread_suspicion(&mut self, slot: Slot, but: Option<LinkId>) {
        let now = self.now.tick;
        let Some(known) = self.members.senses.suspicions.get(&slot.key) else { return };
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
        let tries = self.members.senses.tries().few.clamp(3, 9);
        self.members.senses.patient(self.passage() * WAIT * tries / 3).min(LONGEST)
    }

    /// What a message takes through the group.
    fn passage(&self) -> Duration {
        let steps = self.members.live().next_power_of_two().trailing_zeros();
        (self.usual_delay() * (steps + 2) / 2).max(SPREAD)
    }

    /// We heard it then: says so to all, once.
    pub(super) fn vouch_for(&mut self, slot: Slot, heard: Tick) {
        self.prove(slot.key, heard, None);
        self.flood(&self.voucher(slot), None);
    }

    fn voucher(&self, slot: Slot) -> Row {
        let (incarnation, age) = self
            .members
            .get(slot)
            .map_or((0, UNHEARD), |member| (member.incarnation, self.unheard_for(member)));
        Row::Vouch { key: slot.key, incarnation, age }
    }

    /// When somebody heard a member last, as far as that is known here.
    pub(super) fn heard_at(&self, member: &Member) -> Tick {
        let is_me = member.key == self.members.me().key;
        if is_me { self.now.tick } else { member.heard.max(self.last_heard(member.key)) }
    }

    /// The same, as milliseconds ago.
    pub(super) fn unheard_for(&self, member: &Member) -> u32 {
        match self.heard_at(member) {
            Tick(0) => UNHEARD,
            heard => millis(self.now.tick.since(heard) + Duration::from_micros(999)),
        }
    }

    /// Somebody heard a member. What ended something here is passed on.
    pub(super) fn vouched(&mut self, id: LinkId, slot: Slot, row: &Row) {
        let Row::Vouch { age, .. } = row else { return };
        let heard = match *age {
            UNHEARD => Tick(0),
            age => before(self.now.tick, Duration::from_millis(u64::from(age))),
        };
        let was_suspected = self.members.senses.suspicions.contains_key(&slot.key);
        self.prove(slot.key, heard, None);
        if was_suspected && !self.members.senses.suspicions.contains_key(&slot.key) {
            self.flood(row, Some(id));
        }
        if self.members.get(slot).is_some_and(|member| member.since == self.now.tick) {
            // It is back by that word.
            self.table_changed();
        }
    }

    /// A member was there then, as its own frame or somebody else proves: doubts and suspicions end that are older.
    pub(super) fn prove(&mut self, key: MemberKey, then: Tick, by: Option<LinkId>) {
        let Some(slot) = self.members.find(key) else { return };
        self.members.note_heard(slot, then);
        let (now, senses) = (self.now.tick, &mut self.members.senses);
        let is_doubted = senses.doubts.get(&key).is_some_and(|doubt| doubt.since() >= then);
        let left = senses.suspicions.get_mut(&key).map(|known| known.outlast(then, now));
        if by.is_none() {
            self.note_deaf(key, then);
        }
        if !is_doubted {
            self.end_doubt(key, by.is_some());
        }
        match left {
            Some(Left::Nothing) => self.drop_suspicion(key),
            Some(Left::Last) => self.prepare_verdict(key),
            Some(Left::All) | None => {}
        }
        self.settle_status(slot);
    }

    pub(super) fn drop_suspicion(&mut self, key: MemberKey) {
        if self.members.senses.suspicions.remove(&key).is_some() {
            self.timers.cancel(&Timer::Suspicion(key));
        }
    }
}
