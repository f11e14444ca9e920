//! Rows go: of those who left a while ago or have been down for a day, and of those in whose place one comes.

use std::time::Duration;

use super::row::{Member, Slot};
use crate::node::{Effect, Event, Node, Timer};
use crate::wire::Row;
use crate::{MemberState, NodeId, Tick};

/// So long it is known that somebody left, and that it is down.
const LEFT: Duration = Duration::from_secs(60);
const DOWN: Duration = Duration::from_secs(24 * 3600);

impl Member {
    /// When nothing is known of it any more, once it is gone.
    fn forgotten_at(&self) -> Option<Tick> {
        match self.state {
            MemberState::Live => None,
            MemberState::Left => Some(self.since + LEFT),
            MemberState::Down => Some(self.since + DOWN),
        }
    }
}

impl Node {
    /// Forgets who left a while ago, and who has been down for a day.
    pub(in crate::node) fn forget_the_gone(&mut self) {
        let now = self.now.tick;
        let gone = self.members.all().filter_map(|member| Some((member.forgotten_at()?, member.key)));
        let (due, later): (Vec<_>, Vec<_>) = gone.partition(|(at, _)| *at <= now);
        let due: Vec<Slot> = due.into_iter().filter_map(|(_, key)| self.members.find(key)).collect();
        due.into_iter().for_each(|slot| self.forget_member(slot));
        match later.iter().map(|(at, _)| *at).min() {
            Some(at) => self.timers.set(Timer::Gone, at),
            None => self.timers.cancel(&Timer::Gone),
        }
    }

    /// Who has been gone longest makes room for a member nobody spoke of before, if there is none.
    pub(super) fn make_room(&mut self, row: &Row) {
        self.members.in_the_way(row).into_iter().for_each(|slot| self.forget_member(slot));
    }

    /// A row goes, and with it all that waited for its member.
    pub(super) fn forget_member(&mut self, slot: Slot) {
        let (key, was_dialled) = (slot.key, self.members.is_dialled(slot.key));
        let Some(member) = self.members.remove(slot) else { return };
        self.drop_doubt(key);
        self.drop_suspicion(key);
        self.timers.cancel(&Timer::Doze(key));
        self.members.forget_wishes(key);
        if was_dialled {
            self.effects.push_back(Effect::Forget(member.id.clone()));
        }
        if member.told.is_some() {
            self.tell_removed(&member.id);
        }
    }

    /// One that was a peer or a member is not any more. It may still be the other.
    pub(in crate::node) fn tell_removed(&mut self, id: &NodeId) {
        if !self.peers.contains_key(id) && !self.is_told(id) {
            self.notify(Event::PeerRemoved(id.clone()));
        }
    }
}
