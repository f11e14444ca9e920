//! Links are given up, as what comes over them has come before, and brought back where that leaves too few.

use std::cmp::Reverse;
use std::time::Duration;

use super::super::members::Slot;
use super::super::shared::Shared;
use super::super::{Class, LinkId, Node};
use super::rows::Rows;
use crate::wire::{Message, TreeMessage};
use crate::{ChannelId, LogId, Seq, Tick};

/// After an alarm, or when the other side asked for it, links stay so long.
const KEPT: Duration = Duration::from_secs(10);
/// Alarms that come so soon after another say nothing new.
const ALARMED: Duration = Duration::from_secs(1);
/// Links come back in so many channels at once.
const BUSY: usize = 64;
/// What is known of losses counts so long.
const WEATHER: Duration = Duration::from_secs(300);

/// What a node knows of all its trees.
#[derive(Debug, Default)]
pub(in crate::node) struct Grove {
    /// Frames lost of a thousand, as measured.
    loss: u16,
    /// Until then entries are announced too.
    pub(super) foul_until: Tick,
    pub(super) rows: Rows,
    /// There are trees, or were when it was looked last.
    is_used: bool,
}

/// Which links of a channel may be given up now.
#[derive(Debug, Default)]
pub(in crate::node) struct Season {
    /// Those over which this came again,
    of: Option<(LogId, Seq)>,
    /// and nothing else until then. What two entries tell at once need not make one tree.
    until: Tick,
    /// None before.
    rests_until: Tick,
}

impl Season {
    fn admits(&mut self, of: (LogId, Seq), now: Tick, pause: Duration) -> bool {
        if now >= self.until {
            (self.of, self.until) = (Some(of), now + pause);
        }
        now >= self.rests_until && self.of == Some(of)
    }
}

impl Node {
    /// So many frames of a thousand are lost on this node's links, as measured.
    pub(in crate::node) fn note_loss(&mut self, per_mille: u16) {
        let was = std::mem::replace(&mut self.grove.loss, per_mille);
        if per_mille > 0 {
            self.grove.foul_until = self.grove.foul_until.max(self.now.tick + WEATHER);
        }
        if parents(per_mille) > parents(was) {
            let sessions = self.links.values().filter_map(|link| link.session.as_ref());
            let names = busiest(sessions.flat_map(|session| &session.shared));
            names.iter().for_each(|name| self.graft_some(name, parents(per_mille)));
        }
    }

    /// The group may have become so small that there are no trees: then beats do not compare any more.
    pub(in crate::node) fn tend_grove(&mut self) {
        let is_used = self.members.is_large();
        if std::mem::replace(&mut self.grove.is_used, is_used) && !is_used {
            self.compare_everything();
        }
    }

    /// Over how many links each entry shall come.
    fn parents(&self) -> usize {
        parents(self.grove.loss)
    }

    /// Links of a channel that are in its tree or could be: also those over which no beats go, as what is lost with
    /// them comes out on others.
    fn limbs(&self, name: &ChannelId) -> Vec<LinkId> {
        self.links_of(name).into_iter().filter(|id| self.is_in_tree(*id)).collect()
    }

    /// Whether fresh entries of a channel are not pushed on a link.
    pub(in crate::node) fn is_lazy(&self, id: LinkId, name: &ChannelId) -> bool {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let shared = session.and_then(|session| session.shared.get(name));
        self.is_in_tree(id) && shared.is_some_and(|shared| shared.edge.is_lazy)
    }

    /// Over how many other links everything comes of a channel that comes over this one, as far as anything does.
    fn ways_but(&self, id: LinkId, name: &ChannelId) -> usize {
        let Some(scopes) = self.channels.get(name).map(|channel| &channel.scopes) else { return 0 };
        let others = self.limbs(name).into_iter().filter(|other| *other != id && !self.is_lazy(*other, name));
        others.filter(|other| self.passes_on(*other) && scopes.covers(*other, id)).count()
    }

    /// Runs came over a link, as an answer or on their own: `again` is the first of them if all were known.
    pub(in crate::node) fn tend_tree(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        serial: u64,
        again: Option<(LogId, Seq)>,
        is_new: bool,
    ) {
        match again.filter(|_| serial == 0) {
            Some(again) => self.came_twice(id, name, again),
            None if is_new => self.brought(id, name, serial != 0),
            None => {}
        }
    }

    /// What came over a link was known: one of the two ways it comes is enough.
    fn came_twice(&mut self, id: LinkId, name: &ChannelId, of: (LogId, Seq)) {
        if !self.is_in_tree(id) {
            return;
        }
        let (now, pause, most) = (self.now.tick, self.round_trip(id) * 4, self.parents());
        let others = self.ways_but(id, name);
        let Some(edge) = self.shared(id, name).map(|shared| &shared.edge) else { return };
        let is_lazy = edge.is_lazy;
        if others < most || now < edge.kept_until || is_lazy && now.since(edge.pruned) < pause {
            return;
        }
        let Some(channel) = self.channels.get_mut(name) else { return };
        // Lazy already: the other side was told in vain, and whose turn it is does not depend on what it repeats.
        if is_lazy || channel.season.admits(of, now, pause) {
            self.make_lazy(id, name);
            self.say_tree(id, name, false);
        }
    }

    /// Something new came over a link: it is wanted, if it is not in the tree.
    fn brought(&mut self, id: LinkId, name: &ChannelId, is_asked: bool) {
        let (now, pause, is_in_tree) = (self.now.tick, self.round_trip(id) * 2, self.is_in_tree(id));
        let Some(shared) = self.shared(id, name).filter(|_| is_in_tree) else { return };
        if !shared.edge.is_lazy {
            // It should have been pushed. Perhaps the other side never heard that the link is wanted again.
            let is_told = shared.told.agreed.is_none() || now.since(shared.edge.grafted) < KEPT;
            if is_asked && !is_told {
                self.graft(id, name);
            }
            return;
        }
        // It may have been on its way when the link was given up.
        if is_asked || now.since(shared.edge.pruned) >= pause {
            self.graft(id, name);
        }
    }

    /// The other side gives a link up, or wants it back. Who has no other way to get entries says so.
    pub(in crate::node) fn on_tree(&mut self, id: LinkId, said: TreeMessage) {
        let Some(tag) = said.tag else { return self.on_row_tree(id, said.eager) };
        let Some((name, shared)) = self.shared_by_tag(id, tag) else { return };
        if said.eager {
            shared.edge.is_lazy = false;
            return self.keep(id, &name);
        }
        if self.ways_but(id, &name) >= self.parents() && self.is_in_tree(id) {
            self.make_lazy(id, &name);
        } else {
            self.graft(id, &name);
        }
    }

    /// A neighbour may be gone, and with it what it passed on: all its channels go over all links for a while.
    pub(in crate::node) fn alarm_tree(&mut self, id: LinkId) {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let shared = session.into_iter().flat_map(|session| &session.shared);
        let names = busiest(shared.filter(|(_, shared)| !shared.edge.is_lazy));
        self.alarm(&names);
    }

    /// As [`Node::alarm_tree`]; of a member.
    pub(in crate::node) fn alarm_trees_of(&mut self, slot: Slot) {
        let peer = self.members.get(slot).and_then(|member| self.peers.get(&member.id));
        let links: Vec<LinkId> = peer.into_iter().flat_map(|peer| peer.links.iter().copied()).collect();
        links.into_iter().for_each(|id| self.alarm_tree(id));
    }

    /// All links of some channels become eager for a while.
    pub(in crate::node) fn alarm(&mut self, names: &[ChannelId]) {
        if !self.members.is_large() {
            return;
        }
        let until = self.now.tick + KEPT;
        for name in names {
            let Some(channel) = self.channels.get_mut(name) else { continue };
            // Where many links go at once they are opened once.
            if channel.season.rests_until + ALARMED > until {
                continue;
            }
            channel.season.rests_until = until;
            self.grove.foul_until = self.grove.foul_until.max(until);
            self.graft_some(name, usize::MAX);
        }
    }

    /// Brings back links until there are so many, those with the shortest round trips first.
    fn graft_some(&mut self, name: &ChannelId, most: usize) {
        let mut lazy: Vec<LinkId> = self.limbs(name);
        let all = lazy.len();
        lazy.retain(|id| self.is_lazy(*id, name));
        lazy.sort_by_key(|id| (self.round_trip(*id), *id));
        let missing = most.saturating_sub(all - lazy.len());
        lazy.into_iter().take(missing).for_each(|id| self.graft(id, name));
    }

    fn graft(&mut self, id: LinkId, name: &ChannelId) {
        let now = self.now.tick;
        if let Some(shared) = self.shared(id, name) {
            (shared.edge.is_lazy, shared.edge.grafted) = (false, now);
            self.say_tree(id, name, true);
        }
    }

    fn make_lazy(&mut self, id: LinkId, name: &ChannelId) {
        let now = self.now.tick;
        if let Some(shared) = self.shared(id, name) {
            (shared.edge.is_lazy, shared.edge.pruned) = (true, now);
        }
    }

    fn keep(&mut self, id: LinkId, name: &ChannelId) {
        let until = self.now.tick + KEPT;
        if let Some(shared) = self.shared(id, name) {
            shared.edge.kept_until = until;
        }
    }

    fn say_tree(&mut self, id: LinkId, name: &ChannelId, eager: bool) {
        if let Some(tag) = self.shared(id, name).map(|shared| shared.tag) {
            self.send(id, &Message::Tree(TreeMessage { tag: Some(tag), eager }), Class::Urgent);
        }
    }
}

/// Channels in which something moved last, if there are many: in others what is missing comes out with the next beats.
pub(super) fn busiest<'a>(shared: impl Iterator<Item = (&'a ChannelId, &'a Shared)>) -> Vec<ChannelId> {
    let mut found: Vec<_> = shared.map(|(name, shared)| (Reverse(shared.moved), name)).collect();
    found.sort_unstable();
    let mut names: Vec<ChannelId> = Vec::new();
    for (_, name) in found {
        if names.len() < BUSY && !names.contains(name) {
            names.push(name.clone());
        }
    }
    names
}

/// Over how many links each entry shall come where so many frames of a thousand are lost: that all of them are
/// lost is rarer than one in ten thousand, with what is announced and compared besides.
fn parents(loss: u16) -> usize {
    match loss {
        ..5 => 1,
        5..50 => 2,
        50..150 => 3,
        _ => usize::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_entry_decides_at_a_time() {
        let (mut season, second) = (Season::default(), Duration::from_secs(1));
        let [one, other] = [1, 2].map(|log| (LogId([log; 16]), 1));
        assert!(season.admits(one, Tick(5), second) && season.admits(one, Tick(6), second));
        assert!(!season.admits(other, Tick(7), second));
        assert!(season.admits(other, Tick(5) + second, second));
        season.rests_until = Tick(9_000_000);
        assert!(!season.admits(one, Tick(8_000_000), second) && season.admits(one, Tick(9_000_000), second));
    }
}
