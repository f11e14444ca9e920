//! Whose silence counts and whose does not: members that doze, links that end, and this node itself when it was
//! late.

use std::time::Duration;

use super::row::Slot;
use crate::node::{LinkId, Node};
use crate::{MemberKey, MemberState, Tick};

/// A node whose timers are served so late heard nothing meanwhile, nor said anything.
const LATE: Duration = Duration::from_millis(500);
/// After so long it has been away.
const AWAY: Duration = Duration::from_secs(2);

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
        if is_old {
            self.ask_who(id);
        }
        if state != MemberState::Live {
            return self.hear_the_gone(id, slot);
        }
        if is_first {
            self.members.note_heard(slot, self.now.tick);
        }
        if !dozes && did_doze && self.members.doze(slot, self.now.tick, Tick(0)) {
            self.settle_status(slot);
        }
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

    /// Timers are served late: the process was stopped, or the machine slept. What passed says nothing of others.
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
