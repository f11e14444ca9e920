//! Before somebody counts as down other members are asked whether anything speaks for it.
//!
//! An objection goes to all, but who was cut off for just that moment has not heard it: a burst of loss takes all copies
//! of it at once. So each node that is about to judge asks others, and judges only when these have no objection
//! either: one of them, two where much is lost, three where fewer than two accuse. Whoever cannot be answered itself
//! calls nobody down.

use std::time::Duration;

use super::doubt::WITNESSES;
use super::row::{Member, Slot};
use super::suspicion::{Suspicion, before, millis};
use crate::node::{Class, LinkId, Node, Timer};
use crate::wire::{Look, Message};
use crate::{MemberKey, MemberState, Tick};

/// So many have to accuse.
const JURY: usize = 2;
/// Of those who were asked so many are believed.
const ASKED: usize = 9;
/// Who has not answered so many questions will not: then one is enough where three were asked.
const IN_VAIN: u32 = 8;

/// After so many questions all are told of the suspicion once more.
const AGAIN: u32 = 4;
/// Lost messages of a thousand that are many.
const LOSSY: u16 = 50;

/// Whether anything was heard since then.
#[derive(Debug)]
struct Asked {
    link: LinkId,
    serial: u16,
    since: Tick,
}

/// Who was asked about one that is accused.
#[derive(Debug, Default)]
pub(super) struct Trial {
    asked: Vec<Asked>,
    asks: u32,
    /// How often of all at once, as only their answers were missing.
    rounds: u32,
    /// Who has heard no objection.
    confirmed: Vec<LinkId>,
}

impl Trial {
    fn note(&mut self, asked: Asked) {
        self.asked.truncate(ASKED - 1);
        self.asked.insert(0, asked);
    }
}

impl Suspicion {
    pub(super) fn is_backed(&self) -> bool {
        !self.is_quiet && self.accusers.as_slice().len() >= JURY
    }

    /// Whether those who were asked, of so many, have not heard anything that speaks for it. One is not enough where fewer
    /// accuse, or nobody does, or much is lost: two may have missed the same refutation.
    fn is_confirmed(&self, (witnesses, is_lossy): (usize, bool)) -> bool {
        let enough = match (self.is_backed(), is_lossy) {
            _ if self.trial.rounds >= IN_VAIN => 1,
            (true, false) => 1,
            (true, true) => 2,
            (false, _) => WITNESSES,
        };
        self.trial.confirmed.len() >= enough.min(witnesses).max(1)
    }

    /// Its time is over, and only one accuses it: others are asked again and again for much longer.
    fn extend(&mut self) {
        self.until = self.longest();
        self.trial.confirmed.clear();
    }
}

impl Node {
    /// The question comes a little before the verdict, which then need not wait for the answer.
    pub(super) fn prepare_verdict(&mut self, key: MemberKey) {
        let (now, is_lossy, usual) = (self.now.tick, self.is_lossy(), self.usual_delay() * 3);
        let Some(known) = self.members.senses.suspicions.get(&key) else { return };
        let left = known.until.since(now);
        let ahead = if is_lossy { left } else { usual };
        if known.trial.asks > 0 {
            return self.timers.bring_forward(Timer::Suspicion(key), known.until);
        }
        self.timers.set(Timer::Suspicion(key), now + left.saturating_sub(ahead.min(left / 2)));
    }

    fn is_lossy(&self) -> bool {
        self.members.senses.loss.per_mille() >= LOSSY
    }

    /// How many can be asked about a member, and whether answers get lost.
    fn weather_of(&self, key: MemberKey) -> (usize, bool) {
        (self.witnesses(key).len(), self.is_lossy())
    }

    /// The time to object is over, or nearly.
    pub(in crate::node) fn judge_suspicion(&mut self, key: MemberKey) {
        let (now, weather) = (self.now.tick, self.weather_of(key));
        let Some(known) = self.members.senses.suspicions.get_mut(&key) else { return };
        let (slot, incarnation) = (known.slot, known.incarnation);
        let longest = known.longest();
        let is_over = now >= known.until;
        if is_over && !known.is_backed() && now < longest {
            known.extend();
        }
        let is_certain = now >= known.until && known.is_confirmed(weather);
        let holds = |member: &Member| {
            (member.state, member.incarnation) == (MemberState::Live, incarnation) && !self.is_dozing(member)
        };
        if self.is_alone() || !self.members.get(slot).is_some_and(holds) {
            self.drop_suspicion(key);
            return self.settle_status(slot);
        }
        if !is_certain {
            return self.ask_for_objections(slot, incarnation);
        }
        self.drop_suspicion(key);
        self.drop_doubt(key);
        self.members.set_state(slot, MemberState::Down, incarnation, now);
        self.members.senses.is_shaken = true;
        self.settle_status(slot);
        self.table_changed();
    }

    /// One is asked in time, and all that can be as soon as only their answer is missing.
    fn ask_for_objections(&mut self, slot: Slot, incarnation: u64) {
        let (now, key, mut witnesses) = (self.now.tick, slot.key, self.witnesses(slot.key));
        let is_lossy = self.is_lossy();
        let patience = self.patience_on(&witnesses);
        let Some(known) = self.members.senses.suspicions.get_mut(&key) else { return };
        let (turn, since) = (known.trial.asks, known.since);
        known.trial.asks = turn.saturating_add(1);
        if now >= known.until {
            known.trial.rounds = known.trial.rounds.saturating_add(1);
        } else if !is_lossy {
            witnesses = witnesses.get(turn as usize % witnesses.len().max(1)).copied().into_iter().collect();
        }
        for link in witnesses {
            let serial = self.members.senses.next_serial();
            let look = Look { serial, key, incarnation, age: millis(now.since(since)) };
            self.send(link, &Message::Look(look), Class::Urgent);
            let known = self.members.senses.suspicions.get_mut(&key);
            known.into_iter().for_each(|known| known.trial.note(Asked { link, serial, since }));
        }
        // Those who were asked may not have heard of it; where much is lost somebody has not.
        if turn % AGAIN == AGAIN - 1 || turn == 0 && is_lossy {
            self.spread_suspicion(slot, None);
        }
        let Some(known) = self.members.senses.suspicions.get(&key) else { return };
        // Nobody may answer for long, if it is us who is cut off.
        let next = now + patience * (1 << known.trial.rounds.saturating_sub(IN_VAIN).min(4));
        let at = match now < known.until {
            true if !known.is_backed() => next.min(known.until),
            true => next.max(known.until),
            false => next,
        };
        self.timers.set(Timer::Suspicion(key), at);
    }

    /// Whether anything speaks for a member that is alive here, if this node can say so without asking it: it was heard
    /// within that time, or is accused here too. Two who missed the same objection do not confirm each other for ever.
    pub(super) fn objection(&self, slot: Slot, age: u32) -> Option<bool> {
        let heard = self.members.get(slot).map_or(Tick(0), |member| self.heard_at(member));
        if heard > before(self.now.tick, Duration::from_millis(u64::from(age))) {
            return Some(true);
        }
        let senses = &self.members.senses;
        let is_fresh = |known: &Suspicion| known.is_fresh(self.now.tick);
        let is_accused = senses.suspicions.get(&slot.key).is_some_and(is_fresh);
        (is_accused && !senses.doubts.contains_key(&slot.key)).then_some(false)
    }

    /// Since when somebody was asked whether anything speaks for a member.
    pub(super) fn objected_since(&self, id: LinkId, key: MemberKey, serial: u16) -> Option<Tick> {
        let known = self.members.senses.suspicions.get(&key)?;
        let asked = known.trial.asked.iter().find(|asked| (asked.link, asked.serial) == (id, serial))?;
        Some(asked.since)
    }

    /// Somebody has none, to that question or to any of ours.
    pub(super) fn hear_no_objection(&mut self, id: LinkId, key: MemberKey, serial: Option<u16>) {
        let (now, weather) = (self.now.tick, self.weather_of(key));
        let Some(known) = self.members.senses.suspicions.get_mut(&key) else { return };
        let is_ours = |asked: &Asked| asked.link == id && serial.is_none_or(|serial| serial == asked.serial);
        if known.trial.asked.iter().any(is_ours) {
            if !known.trial.confirmed.contains(&id) {
                known.trial.confirmed.push(id);
            }
            // Who is not certain yet asks again in its own time.
            if now >= known.until && known.is_confirmed(weather) {
                self.judge_suspicion(key);
            }
        }
    }
}
