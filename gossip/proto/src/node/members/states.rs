//! Two sides that were apart tell each other who is alive: a bit for each member, once along each link.

use super::repair::{REPAIR, statement};
use super::rows::Members;
use crate::node::{Class, LinkId, Node};
use crate::wire::{MAX_BITMAP, Message, Row, States, Summed, Table};
use crate::{MemberKey, MemberState, NodeId};

impl Members {
    /// A bit for each of those alive and those down.
    pub(in crate::node) fn states(&self) -> States {
        let known = self.all().filter(|member| member.state != MemberState::Left);
        let mut live = Vec::new();
        for (at, member) in known.enumerate() {
            if at % 8 == 0 {
                live.push(0);
            }
            let bit = u8::from(member.state == MemberState::Live) << (at % 8);
            live.last_mut().into_iter().for_each(|byte| *byte |= bit);
        }
        States { roster: self.roster(), live }
    }
}

impl Node {
    pub(super) fn is_down(&self, id: &NodeId) -> bool {
        let member = self.members.find(MemberKey::of(id)).and_then(|slot| self.members.get(slot));
        member.is_some_and(|member| member.state == MemberState::Down)
    }

    /// One that was down is back. Others may be where it was: if more are down they tell each other who is alive,
    /// and what comes of that goes on to all.
    pub(super) fn reunite(&mut self, id: LinkId) {
        let others = self.members.all().any(|member| member.state == MemberState::Down);
        if others && self.config.peer_exchange {
            return self.tell_states(id);
        }
        let back = self.links.get(&id).and_then(|link| self.members.find(link.watch.key));
        let back = back.and_then(|slot| self.members.get(slot));
        let row = back.and_then(|member| self.rows_of(member, true).next());
        row.into_iter().for_each(|row| self.flood(&row, Some(id)));
    }

    /// Tells who is alive.
    pub(super) fn tell_states(&mut self, id: LinkId) {
        let states = self.members.states();
        if states.live.len() <= MAX_BITMAP {
            self.send(id, &Message::States(states), Class::Urgent);
        }
    }

    /// What two sides hold of each other that were apart: whom the other side holds to be alive comes back. (Whom
    /// it holds to be down may only have been on our side.) Who knows other members finds out first which.
    pub(in crate::node) fn on_states(&mut self, id: LinkId, states: States) {
        if !self.config.peer_exchange {
            return;
        }
        if states.roster != self.members.roster() {
            let sums = self.members.sums(Summed::Roster, None);
            let table = Table::Sums { of: Summed::Roster, path: None, sums };
            return self.send(id, &Message::Table(table), Class::Urgent);
        }
        let hash = self.members.hash();
        for row in self.back(&states) {
            let merged = self.members.merge(self.now.tick, &row, REPAIR);
            self.follow(id, &row, merged);
        }
        if self.members.hash() != hash {
            self.pass_on(id, &states);
        }
    }

    /// Those who come back.
    fn back(&self, states: &States) -> Vec<Row> {
        let known = self.members.all().filter(|member| member.state != MemberState::Left).enumerate();
        let is_set = |at: usize| states.live.get(at / 8).is_some_and(|byte| byte >> (at % 8) & 1 == 1);
        let back = known.filter(|(at, member)| member.state == MemberState::Down && is_set(*at));
        back.map(|(_, member)| statement(member.key, member.incarnation, MemberState::Live)).collect()
    }

    fn pass_on(&mut self, from: LinkId, states: &States) {
        for id in self.told_at_once(Some(from)) {
            self.send(id, &Message::States(states.clone()), Class::Urgent);
        }
    }
}
