//! Who leaves says so itself. Others are believed of whom this node does not hear.

use super::row::Slot;
use super::suspicion::UNASKED;
use crate::node::{Class, LinkId, Node};
use crate::wire::{Message, Row};
use crate::{MemberState, Tick};

impl Node {
    /// Whether somebody says that another member left which this node hears itself. That one is told so: it contradicts,
    /// or its links end.
    pub(super) fn hears_otherwise(&mut self, id: LinkId, row: &Row) -> bool {
        let Row::Left { key, incarnation } = row else { return false };
        let is_own = self.links.get(&id).is_some_and(|link| link.watch.key == *key);
        let Some(slot) = self.members.find(*key).filter(|_| !is_own) else { return false };
        let is_news = self
            .members
            .get(slot)
            .is_some_and(|member| member.state == MemberState::Live && member.incarnation <= *incarnation);
        if !is_news || !self.is_heard(slot) {
            return false;
        }
        let link = self.links_to(*key).first().copied();
        if let Some(link) = link.filter(|_| self.members.may_accuse(slot, self.now.tick)) {
            self.send(link, &Message::News(vec![row.clone()]), Class::Urgent);
        }
        true
    }

    fn is_heard(&self, slot: Slot) -> bool {
        let heard = self.last_heard(slot.key);
        heard > Tick(0) && self.now.tick.since(heard) < UNASKED
    }
}
