//! Whose silence counts and whose does not: members that doze, links that end, and this node itself when it was
//! late.

use std::time::Duration;

use super::doubt::DROWSY;
use super::pulse::PERIOD;
use super::row::{Member, Slot};
use crate::node::{Class, LinkId, Node, Timer};
use crate::wire::{Message, Row};
use crate::{MemberKey, MemberState, Tick};

/// A node whose timers are served so late heard nothing meanwhile, nor said anything.
const LATE: Duration = Duration::from_millis(500);
/// After so long it has been away.
const AWAY: Duration = Duration::from_secs(2);
/// So long after it is asked those who watch a member have come to a verdict.
const DECIDED: Duration = Duration::from_secs(30);

impl Member {
    /// When it is seen next whether one that dozes is awake.
    pub(super) fn decided_at(&self, now: Tick) -> Tick {
        let asked = self.doze_until + DROWSY;
        if now < asked { asked } else { asked + DECIDED }
    }
}

impl Node {
    /// Any frame proves its sender.
    pub(in crate::node) fn heard(&mut self, id: LinkId) {
        let senses = &self.members.senses;
        if senses.doubts.is_empty() && senses.suspicions.is_empty() {
            return;
        }
        let Some(key) = self.links.get(&id).map(|link| link.watch.key) else { return };
        let is_suspected = senses.suspicions.contains_key(&key);
        if !is_suspected && !senses.doubts.contains_key(&key) {
            return;
        }
        self.end_doubt(key, true);
        match self.members.find(key).filter(|_| is_suspected) {
            Some(slot) => self.vouch_for(slot, self.now.tick),
            None => self.prove(key, self.now.tick, Some(id)),
        }
    }

    /// A beat of a member came. One that counts as gone is back, or is told so and contradicts.
    pub(super) fn hear_member(&mut self, id: LinkId, key: MemberKey, dozes: bool) {
        // Its introduction was lost.
        let Some(slot) = self.members.find(key) else { return self.ask_who(id) };
        let Some(member) = self.members.get(slot) else { return };
        let (state, is_first) = (member.state, member.heard == Tick(0));
        let (did_doze, is_old) =
            (member.doze_until > Tick(0), member.details.incarnation < member.incarnation);
        // Who it is now, or how long it dozes.
        if is_old || dozes && self.awake_at(key).is_none() {
            self.ask_who(id);
        }
        if state != MemberState::Live {
            return self.hear_the_gone(id, slot);
        }
        if is_first {
            self.members.note_heard(slot, self.now.tick);
        }
        if !dozes && did_doze {
            self.members.doze(slot, self.now.tick, Tick(0));
            self.settle_status(slot);
        }
    }

    /// Somebody asks for a member that said it dozes, and has missed that: nobody says it twice.
    pub(super) fn tell_doze(&mut self, id: LinkId, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        let seconds = member.doze_until.since(self.now.tick).as_secs().try_into().unwrap_or(u32::MAX);
        let row = Row::Doze { key: slot.key, incarnation: member.incarnation, seconds };
        // What is left is told as less, so that no circle of those who tell each other keeps it asleep.
        if seconds > 0 {
            self.answer(id, |node| node.send(id, &Message::News(vec![row]), Class::Urgent));
        }
    }

    /// When a member that dozes is asked like anybody else.
    pub(super) fn awake_at(&self, key: MemberKey) -> Option<Tick> {
        let member = self.members.find(key).and_then(|slot| self.members.get(slot));
        member.filter(|member| self.is_dozing(member)).map(|member| member.doze_until + DROWSY)
    }

    /// Who said that it dozes should be awake.
    pub(in crate::node) fn end_doze(&mut self, key: MemberKey) {
        let Some(slot) = self.members.find(key) else { return };
        if self.awake_at(key).is_none() {
            self.expect_awake(slot);
        }
        self.settle_status(slot);
    }

    /// A member does not doze any more: those who watch it miss it if it says nothing, and who is next to it without a
    /// link asks for it.
    pub(super) fn expect_awake(&mut self, slot: Slot) {
        let watched = self.links_to(slot.key).into_iter().filter(|id| self.is_watched(*id));
        let watched: Vec<LinkId> = watched.collect();
        let due = self.now.tick + PERIOD;
        watched.into_iter().for_each(|id| self.timers.bring_forward(Timer::Due(id), due));
        if self.is_out_of_touch(slot.key) {
            self.members.senses.missing.remove(&slot.key);
            self.table_changed();
        }
    }

    /// Whether a member should be awake, and nobody has heard it since, nor has had the time to miss it.
    pub(super) fn is_drowsy(&self, member: &Member) -> bool {
        let is_late = member.doze_until > Tick(0) && self.heard_at(member) <= member.doze_until;
        is_late && self.now.tick < member.doze_until + DROWSY + DECIDED
    }

    /// The transport says that a link is gone. One on which nothing was promised may have been given up.
    pub(in crate::node) fn on_lost_link(&mut self, id: LinkId) {
        let key = self.links.get(&id).map(|link| link.watch.key).filter(|_| self.is_watched(id));
        self.on_link_down(id);
        let slot = key.and_then(|key| self.members.find(key)).filter(|_| !self.is_alone());
        let gone: Option<Slot> = slot.filter(|slot| self.links_to(slot.key).is_empty());
        gone.into_iter().for_each(|slot| _ = self.doubt_member(slot));
        if self.links.is_empty() {
            self.settle_all();
        }
    }

    /// Timers are served late: the process was stopped, or the machine slept and its clock went on. What passed says
    /// nothing of others.
    pub(in crate::node) fn notice_delay(&mut self) {
        let now = self.now.tick;
        let late = self.timers.deadline().map_or(Duration::ZERO, |due| now.since(due));
        if late < LATE {
            return;
        }
        let senses = &mut self.members.senses;
        senses.doubts.values_mut().for_each(|doubt| doubt.restart(now));
        senses.suspicions.values_mut().for_each(|suspicion| suspicion.restart(now));
        if late >= AWAY {
            self.hurry_pulse();
        }
    }
}
