//! Which of two statements about a member holds.
//!
//! The higher incarnation; of two about the same one the more final (SWIM), with an exception: **a verdict grows
//! old**. A group that hears a member again after a split would have to wait until each of them had contradicted in
//! person. Here who holds a member to be alive is believed against a verdict older than [`OLD`], if it is in touch with
//! its own neighbours: whoever is alive is watched by somebody, so what is wrong about that comes out within seconds. And
//! a verdict of others is only a suspicion here: the member gets its say.

use std::cmp::Ordering;
use std::time::Duration;

use super::row::{Details, Slot};
use super::rows::Members;
use crate::wire::Row;
use crate::{MemberKey, MemberRow, MemberState, Tick};

/// A verdict this old yields.
const OLD: Duration = Duration::from_secs(10);
/// An incarnation may be ahead of what is known by so much: nobody uses up the others' numbers.
pub(in crate::node) const AHEAD: u64 = 1 << 18;
/// The highest incarnation believed of a member nobody spoke of before.
pub(super) const HIGHEST: u64 = 1 << 40;
/// Nobody dozes longer: it may say so again.
const LONGEST: Duration = Duration::from_secs(7 * 24 * 3600);

/// As what a statement is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Told {
    /// It has just happened.
    News,
    /// A table holds it. Verdicts of others are always that.
    Held,
}

/// What follows from a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) enum Merged {
    /// It was known.
    Nothing,
    /// It is of somebody nobody has introduced.
    Unknown(MemberKey),
    /// The speaker is behind, and is to be told.
    Teach(Slot),
    /// The row changed.
    Changed {
        /// Whose.
        slot: Slot,
        /// It has just happened: others are to know at once.
        flood: bool,
    },
    /// A member nobody had introduced.
    New(Slot),
    /// A member that is alive here does not answer there.
    Accused(Slot),
    /// A member was heard.
    Vouched(Slot),
    /// Somebody asks who hears a member.
    Sought(Slot),
    /// It is about this node, and has to be contradicted.
    AboutMe,
    /// The row changed, and shows that two nodes call themselves by one id: they take turns.
    Twin {
        /// Whose.
        slot: Slot,
        /// Others are to know at once.
        flood: bool,
    },
    /// Another instance calls itself as this node does.
    Namesake(u32),
    /// It is not believed.
    Refused(&'static str),
}

impl Members {
    /// Takes in a statement about a member.
    pub(in crate::node) fn merge(&mut self, now: Tick, row: &Row, told: Told) -> Merged {
        let (key, incarnation) = row.about();
        let Some(slot) = self.find(key) else { return self.meet(now, key, row) };
        let Some(member) = self.get(slot) else { return Merged::Nothing };
        if let Row::Live { row, .. } = row
            && row.id != member.id
        {
            return Merged::Refused("two members with one key");
        }
        if slot == self.me() {
            let is_awake = member.doze_until <= now;
            return about_me(slot, member.incarnation, member.details.instance, is_awake, row);
        }
        if incarnation > HIGHEST + AHEAD {
            return Merged::Refused("an incarnation nobody can have");
        }
        let by_far = incarnation.saturating_sub(member.incarnation);
        if by_far > AHEAD || !self.may_raise(slot, by_far, now) {
            return Merged::Refused("an incarnation far ahead");
        }
        self.merge_known(now, slot, row, told)
    }

    /// Takes in a member known from before.
    pub(in crate::node) fn remember(&mut self, now: Tick, row: MemberRow) {
        self.merge(now, &Row::Live { row, doze: 0 }, Told::Held);
    }

    /// Who has to go before a statement is taken in: the table is full, and its member is new.
    pub(super) fn in_the_way(&self, row: &Row) -> Option<Slot> {
        let Row::Live { row, .. } = row else { return None };
        let may_come = row.incarnation <= HIGHEST && self.find(MemberKey::of(&row.id)).is_none();
        if may_come && self.is_full() { self.longest_gone() } else { None }
    }

    fn meet(&mut self, now: Tick, key: MemberKey, row: &Row) -> Merged {
        let Row::Live { row, doze } = row else { return Merged::Unknown(key) };
        if row.incarnation > HIGHEST {
            return Merged::Refused("an incarnation nobody can have");
        }
        let Some(slot) = self.insert(now, row.clone()) else {
            return Merged::Refused("more members than allowed");
        };
        self.doze(slot, now, now + Duration::from_secs(u64::from(*doze)).min(LONGEST));
        Merged::New(slot)
    }

    fn merge_known(&mut self, now: Tick, slot: Slot, row: &Row, told: Told) -> Merged {
        let is_twin = matches!(row, Row::Live { row, .. } if self.is_twin(slot, row.instance));
        let learned = matches!(row, Row::Live { row, .. } if self.learn(slot, details(row)));
        let Some(member) = self.get(slot) else { return Merged::Nothing };
        let (_, incarnation) = row.about();
        let says = match row {
            Row::Left { .. } => MemberState::Left,
            Row::Down { .. } if told == Told::News => MemberState::Down,
            _ => MemberState::Live,
        };
        let was = (member.incarnation, member.state);
        let is_heard = matches!(row, Row::Live { .. } | Row::Vouch { .. });
        let is_revived =
            is_heard && was == (incarnation, MemberState::Down) && now.since(member.since) >= OLD;
        let order = (incarnation, says).cmp(&was);
        let is_old = matches!(row, Row::Live { row, .. } if details(row) < member.details);
        if order == Ordering::Less && !is_revived {
            return match row {
                Row::Live { .. } if learned && incarnation < was.0 => {
                    Merged::Changed { slot, flood: told == Told::News }
                }
                // What it told of itself last, under an incarnation that was outranked since.
                Row::Live { .. } if !is_old && incarnation < was.0 => Merged::Nothing,
                _ => behind(slot, was.1, row, incarnation == was.0),
            };
        }
        if order == Ordering::Greater || is_revived {
            self.set_state(slot, says, incarnation, now);
        }
        if incarnation > was.0 {
            // Who wakes is a new one, so that all hear of it in the end.
            self.doze(slot, now, Tick(0));
        }
        let dozes = self.hear_doze(now, slot, row);
        match row {
            Row::Suspect { .. } => Merged::Accused(slot),
            Row::Down { .. } if told == Told::Held => Merged::Accused(slot),
            Row::Vouch { .. } if told == Told::News => Merged::Vouched(slot),
            Row::Seek { .. } => Merged::Sought(slot),
            _ if learned && is_twin => Merged::Twin { slot, flood: told == Told::News },
            _ if learned || dozes || order == Ordering::Greater || is_revived => {
                Merged::Changed { slot, flood: told == Told::News }
            }
            // Of two instances under one incarnation the one that yields is to hear of the other.
            Row::Live { row, .. } if self.is_other(slot, row.instance) => Merged::Teach(slot),
            _ => Merged::Nothing,
        }
    }

    fn is_other(&self, slot: Slot, instance: u32) -> bool {
        self.get(slot).is_some_and(|member| member.details.instance != instance)
    }

    fn hear_doze(&mut self, now: Tick, slot: Slot, row: &Row) -> bool {
        match row {
            Row::Live { doze: seconds, .. } | Row::Doze { seconds, .. } => {
                // Who missed it says nothing of it, or less. Only the member says that it dozes no more.
                let until = now + Duration::from_secs(u64::from(*seconds)).min(LONGEST);
                let held = self.get(slot).map_or(Tick(0), |member| member.doze_until);
                let ends = *seconds == 0 && matches!(row, Row::Doze { .. });
                (ends || *seconds > 0 && until > held) && self.doze(slot, now, until)
            }
            _ => false,
        }
    }
}

fn details(row: &MemberRow) -> Details {
    Details {
        incarnation: row.incarnation,
        instance: row.instance,
        addresses: row.addresses.as_slice().into(),
    }
}

/// The statement is older than what is known. A suspicion of who counts as down already needs no answer: in a
/// mass crash there are many.
fn behind(slot: Slot, state: MemberState, row: &Row, is_same_incarnation: bool) -> Merged {
    let asks = matches!(row, Row::Suspect { .. } | Row::Down { .. });
    if asks && is_same_incarnation && state != MemberState::Live {
        Merged::Nothing
    } else {
        Merged::Teach(slot)
    }
}

fn about_me(me: Slot, mine: u64, instance: u32, is_awake: bool, said: &Row) -> Merged {
    let (_, incarnation) = said.about();
    match (incarnation.cmp(&mine), said) {
        (Ordering::Less, _) => Merged::Teach(me),
        (Ordering::Greater, _) if incarnation > HIGHEST + AHEAD => {
            Merged::Refused("an incarnation nobody can have")
        }
        (_, Row::Live { row, .. }) if row.instance != instance => Merged::Namesake(row.instance),
        (Ordering::Greater, _) => Merged::AboutMe,
        (_, Row::Suspect { .. } | Row::Down { .. } | Row::Left { .. }) => Merged::AboutMe,
        (_, Row::Live { doze: 1.., .. } | Row::Doze { seconds: 1.., .. }) if is_awake => Merged::AboutMe,
        (_, Row::Seek { .. }) => Merged::Sought(me),
        (_, Row::Live { .. } | Row::Vouch { .. } | Row::Doze { .. }) => Merged::Nothing,
    }
}
