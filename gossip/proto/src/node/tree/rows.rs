//! News of members that can wait a moment, such as who has joined, go along a tree of their own. What is missed is
//! repaired as tables are compared, so nothing is announced.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::members::{MEMBERS, Slot};
use super::super::{Class, LinkId, Node, Timer};
use crate::wire::{Message, TreeMessage};
use crate::{MemberKey, Tick};

/// After news others are gathered so long: where many join at once a frame tells of several.
const GATHER: Duration = Duration::from_millis(50);

/// What is to be told of members.
#[derive(Debug, Default)]
pub(in crate::node) struct Rows {
    /// Of whom, and who told it.
    untold: BTreeMap<MemberKey, LinkId>,
    /// When news were told last.
    told: Tick,
    /// No link is given up before.
    rests_until: Tick,
}

impl Node {
    /// Tells others of a new member, at once or with those that follow others.
    pub(in crate::node) fn spread_row(&mut self, slot: Slot, from: LinkId) {
        self.grove.rows.untold.insert(slot.key, from);
        self.timers.ensure(Timer::News, self.now.tick.max(self.grove.rows.told + GATHER));
        // It should have come along the tree.
        if self.is_bare(from) {
            self.graft_rows(from);
        }
    }

    /// Tells what was gathered.
    pub(in crate::node) fn tell_rows(&mut self) {
        let untold = std::mem::take(&mut self.grove.rows.untold);
        self.grove.rows.told = self.now.tick;
        for id in self.row_links() {
            let news = untold.iter().filter(|(_, from)| **from != id);
            let slots: Vec<Slot> = news.filter_map(|(key, _)| self.members.find(*key)).collect();
            self.teach(id, &slots);
        }
    }

    /// All of a message of news was known.
    pub(in crate::node) fn rows_came_twice(&mut self, id: LinkId) {
        let (now, pause) = (self.now.tick, self.round_trip(id) * 4);
        if self.has_rows_but(id) && self.is_in_tree(id) && now >= self.grove.rows.rests_until {
            self.grove.rows.rests_until = now + pause;
            self.links.get_mut(&id).into_iter().for_each(|link| link.limb.is_bare = true);
            self.say_row_tree(id, false);
        }
    }

    /// The other side wants news on this link, or has others for that. Who has no others says so.
    pub(super) fn on_row_tree(&mut self, id: LinkId, eager: bool) {
        if !eager && !self.has_rows_but(id) {
            return self.graft_rows(id);
        }
        self.links.get_mut(&id).into_iter().for_each(|link| link.limb.is_bare = !eager);
    }

    /// A link is gone. If news came over no other one they come over all now.
    pub(in crate::node) fn tend_row_tree(&mut self) {
        if !self.row_links().into_iter().any(|id| self.passes_on(id)) {
            let bare: Vec<LinkId> = self.links.keys().copied().filter(|id| self.is_bare(*id)).collect();
            bare.into_iter().for_each(|id| self.graft_rows(id));
        }
    }

    /// Whether news come over any other link.
    fn has_rows_but(&self, id: LinkId) -> bool {
        self.row_links().into_iter().any(|other| other != id && self.passes_on(other))
    }

    fn is_bare(&self, id: LinkId) -> bool {
        self.links.get(&id).is_some_and(|link| link.limb.is_bare)
    }

    /// Links over which news go: those in their tree, or in a small group all to whom others may be named.
    fn row_links(&self) -> Vec<LinkId> {
        let is_used = |id: &LinkId| {
            let Some(link) = self.links.get(id).filter(|link| !link.congested) else { return false };
            let Some(session) = link.session.as_ref() else { return false };
            let is_companion = session.version >= MEMBERS && !session.shared.is_empty();
            is_companion && !(link.limb.is_bare && self.is_in_tree(*id))
        };
        self.links.keys().copied().filter(is_used).collect()
    }

    fn graft_rows(&mut self, id: LinkId) {
        self.links.get_mut(&id).into_iter().for_each(|link| link.limb.is_bare = false);
        self.say_row_tree(id, true);
    }

    fn say_row_tree(&mut self, id: LinkId, eager: bool) {
        self.send(id, &Message::Tree(TreeMessage { tag: None, eager }), Class::Urgent);
    }
}
