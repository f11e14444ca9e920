//! Two sides that were apart tell each other who is alive: a bit for each member, once along each link.

use std::time::Duration;

use super::merge::Told;
use super::repair::statement;
use super::row::Slot;
use crate::node::{Class, LinkId, Node};
use crate::wire::{MAX_BITMAP, Message, Row, States, Summed, Table};
use crate::{MemberKey, MemberState, NodeId, Tick};

/// What was told so long ago may still be on its way.
const TOLD: Duration = Duration::from_secs(1);
/// Those that went down within this time of each other may have been on one side of a split.
const TOGETHER: Duration = Duration::from_secs(10);

impl Node {
    /// A bit for each of those alive and those down.
    pub(in crate::node) fn states(&self) -> States {
        let known = self.members.all().filter(|member| member.state != MemberState::Left);
        let mut live = Vec::new();
        for (at, member) in known.enumerate() {
            if at % 8 == 0 {
                live.push(0);
            }
            let is_live = member.state == MemberState::Live && !self.is_outdated(member);
            let bit = u8::from(is_live) << (at % 8);
            live.last_mut().into_iter().for_each(|byte| *byte |= bit);
        }
        States { roster: self.members.roster(), live }
    }
}

impl States {
    /// Whether it holds somebody to be alive whom the other, of the same members, does not.
    fn tells_more_than(&self, other: &Self) -> bool {
        self.live.iter().zip(&other.live).any(|(ours, theirs)| ours & !theirs != 0)
    }
}

impl Node {
    /// Since when a member has been down, if it is.
    pub(super) fn down_since(&self, id: &NodeId) -> Option<Tick> {
        let member = self.members.find(MemberKey::of(id)).and_then(|slot| self.members.get(slot));
        member.filter(|member| member.state == MemberState::Down).map(|member| member.since)
    }

    /// One that counts as gone says a beat. Some time after a split that is enough, on both sides of it; else it has to
    /// contradict, as others heard what was said of it just now.
    pub(super) fn hear_the_gone(&mut self, id: LinkId, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        let since = member.since;
        let row = statement(slot.key, member.incarnation, MemberState::Live);
        let merged = self.members.merge(self.now.tick, &row, Told::Held);
        match self.follow(id, &row, merged) {
            Some(slot) => self.teach(id, &[slot]),
            None => self.reunite(id, since),
        }
    }

    /// One that was down since then is back. Others may be where it was: if more went down with it they tell each other
    /// who is alive, and what comes of that goes on to all. Of one alone all are told.
    pub(super) fn reunite(&mut self, id: LinkId, since: Tick) {
        let is_near = |then: Tick| then.since(since).max(since.since(then)) <= TOGETHER;
        let others =
            self.members.gone().any(|member| member.state == MemberState::Down && is_near(member.since));
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
        let states = self.states();
        if states.live.len() <= MAX_BITMAP {
            let now = self.now.tick;
            self.links.get_mut(&id).into_iter().for_each(|link| link.watch.told_states = Some(now));
            self.send(id, &Message::States(states), Class::Urgent);
        }
    }

    /// What two sides hold of each other that were apart: whom the other side holds to be alive comes back. (Whom
    /// it holds to be down may only have been on our side.) Who knows other members finds out first which.
    pub(in crate::node) fn on_states(&mut self, id: LinkId, states: States) {
        if self.config.peer_exchange {
            self.answer(id, |node| node.answer_states(id, &states));
        }
    }

    fn answer_states(&mut self, id: LinkId, states: &States) {
        if states.roster != self.members.roster() {
            let sums = self.members.sums(Summed::Roster, None);
            let table = Table::Sums { of: Summed::Roster, path: None, sums };
            return self.send(id, &Message::Table(table), Class::Urgent);
        }
        let hash = self.members.hash();
        for row in self.back(states) {
            let merged = self.members.merge(self.now.tick, &row, Told::Held);
            self.follow(id, &row, merged);
        }
        if self.members.hash() == hash {
            return;
        }
        let ours = self.states();
        self.pass_on(id, &ours);
        let told = self.links.get(&id).and_then(|link| link.watch.told_states);
        let is_told = told.is_some_and(|told| self.now.tick.since(told) < TOLD);
        if !is_told && ours.tells_more_than(states) {
            self.tell_states(id);
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
