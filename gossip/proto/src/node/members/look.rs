//! Others are asked whether they hear a member, and are answered (SWIM's indirect probes, with Lifeguard's negative
//! answers). Who has not heard it since asks with numbers of its own, only members it has a link to, and only so often: nobody
//! makes a node probe strangers, or many.

use std::time::Duration;

use super::MEMBERS;
use super::doubt::Helper;
use super::row::Slot;
use super::suspicion::millis;
use crate::node::{Class, LinkId, Node};
use crate::wire::{Look, Message, Seen};
use crate::{MemberKey, MemberState, Tick};

/// Others that are asked.
const HELPERS: usize = 3;
/// Where they are sought on each side of the member on the ring.
const SIDE: usize = 4;
/// What is looked for on one link: so often at once, and then with this pause.
const LOOKS: (u32, Duration) = (32, Duration::from_millis(125));
/// Who asks for one member at once.
const ASKERS: usize = 8;

impl Node {
    /// Asks those who should hear the member for it: at first, and again until they answer.
    pub(super) fn ask_others(&mut self, key: MemberKey) {
        self.find_helpers(key);
        let incarnation = self.incarnation_of(key);
        let Some(doubt) = self.members.senses.doubts.get(&key) else { return };
        let age = millis(self.now.tick.since(doubt.since()));
        let is_asked = |helper: &&Helper| !helper.denied && self.spoken(helper.link) >= MEMBERS;
        let unanswered: Vec<Helper> = doubt.helpers.iter().filter(is_asked).copied().collect();
        for Helper { link, serial, .. } in unanswered {
            let look = Look { serial, key, incarnation, age };
            self.send(link, &Message::Look(look), Class::Urgent);
        }
    }

    fn find_helpers(&mut self, key: MemberKey) {
        let has = self.members.senses.doubts.get(&key).is_some_and(|doubt| !doubt.helpers.is_empty());
        if has {
            return;
        }
        let near: Vec<Slot> = self.members.around(key, SIDE).collect();
        let links = near.into_iter().filter_map(|slot| self.links_to(slot.key).first().copied());
        let links: Vec<LinkId> = links.take(HELPERS).collect();
        for link in links {
            let helper = Helper { link, serial: self.members.senses.next_serial(), denied: false };
            if let Some(doubt) = self.members.senses.doubts.get_mut(&key) {
                doubt.helpers.push(helper);
            }
        }
    }

    fn incarnation_of(&self, key: MemberKey) -> u64 {
        let member = self.members.find(key).and_then(|slot| self.members.get(slot));
        member.map_or(0, |member| member.incarnation)
    }

    /// Somebody asks for a member that does not answer there.
    pub(in crate::node) fn on_look(&mut self, id: LinkId, look: Look) {
        let Some(slot) = self.members.find(look.key) else { return };
        let Some(link) = self.links.get(&id).filter(|link| link.watch.key != look.key) else { return };
        let Some(member) = self.members.get(slot) else { return };
        let is_same = member.incarnation == look.incarnation;
        let answer = match member.state {
            MemberState::Live if slot == self.members.me() => Some(true),
            MemberState::Live if is_same => self.objection(slot, look.age),
            MemberState::Live => None,
            // Short, and nobody has to be asked for it.
            MemberState::Left | MemberState::Down => return self.teach(id, &[slot]),
        };
        if let Some(heard) = answer {
            return self.answer_look(id, &look, heard);
        }
        if is_same && self.awake_at(slot.key).is_some() {
            return self.tell_doze(id, slot);
        }
        let mut looks = link.watch.looks;
        if !looks.take(self.now.tick, LOOKS.0, LOOKS.1) {
            return;
        }
        self.links.get_mut(&id).into_iter().for_each(|link| link.watch.looks = looks);
        if !is_same {
            // It is behind; or we are, and hear of it.
            return self.teach(id, &[slot]);
        }
        if !self.links_to(slot.key).is_empty() && self.doubt_member(slot) {
            self.note_asker(id, look);
        }
    }

    pub(super) fn answer_look(&mut self, id: LinkId, look: &Look, heard: bool) {
        let seen = Seen { serial: look.serial, key: look.key, heard };
        self.send(id, &Message::Seen(seen), Class::Urgent);
    }

    fn note_asker(&mut self, id: LinkId, look: Look) {
        let Some(doubt) = self.members.senses.doubts.get_mut(&look.key) else { return };
        doubt.askers.retain(|(link, _)| *link != id);
        if doubt.askers.len() < ASKERS {
            doubt.askers.push((id, look));
        }
    }

    /// The answer to that. One that was not asked for means nothing.
    pub(in crate::node) fn on_seen(&mut self, id: LinkId, seen: Seen) {
        let Seen { serial, key, heard } = seen;
        let asked_since = self.note_answer(id, seen).or_else(|| self.objected_since(id, key, serial));
        match asked_since {
            // Later than that, nobody says when.
            Some(since) if heard => self.prove(key, Tick(since.0 + 1), None),
            _ if !heard => self.hear_no_objection(id, key, Some(serial)),
            _ => {}
        }
    }

    /// Since when a helper was asked whether it heard the member; notes that its own tries have failed.
    fn note_answer(&mut self, id: LinkId, seen: Seen) -> Option<Tick> {
        let doubt = self.members.senses.doubts.get_mut(&seen.key)?;
        let since = doubt.since();
        let asked =
            doubt.helpers.iter_mut().find(|helper| (helper.link, helper.serial) == (id, seen.serial))?;
        asked.denied = !seen.heard;
        Some(since)
    }
}
