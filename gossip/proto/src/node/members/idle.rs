//! Links that were dialled for the group and that neither side wants any more are ended, as others came in between.

use std::time::Duration;

use super::MEMBERS;
use crate::node::session::Link;
use crate::node::{LinkId, Node, Timer};
use crate::{MemberState, Tick};

/// A link may be wanted again soon.
const IDLE: Duration = Duration::from_secs(30);
/// Entries came over it so recently that a tree may need it.
const USED: Duration = Duration::from_secs(60);

impl Node {
    /// Ends links that were not wanted for a while.
    pub(super) fn end_idle_links(&mut self) {
        let now = self.now.tick;
        if !self.members.is_large() {
            return;
        }
        let open: Vec<LinkId> = self.established().collect();
        let mut next: Option<Tick> = None;
        for id in open {
            let is_wanted = self.is_watched(id);
            let Some(link) = self.links.get_mut(&id) else { continue };
            if !link.watch.is_dialled || is_wanted {
                link.watch.idle_since = None;
                continue;
            }
            let end = *link.watch.idle_since.get_or_insert(now) + IDLE;
            if end > now {
                next = Some(next.map_or(end, |next| next.min(end)));
            } else if self.may_end(id) {
                self.dismiss(id);
            } else {
                self.links.get_mut(&id).into_iter().for_each(|link| link.watch.idle_since = Some(now));
                next = Some(next.map_or(now + IDLE, |next| next.min(now + IDLE)));
            }
        }
        next.into_iter().for_each(|at| self.timers.bring_forward(Timer::Overlay, at));
    }

    /// Whether nobody misses a link: no tree goes over it, and the application did not ask for its peer.
    fn may_end(&self, id: LinkId) -> bool {
        let Some(link) = self.links.get(&id) else { return false };
        let is_asked_for = self.peers.get(&link.peer).is_some_and(|peer| peer.record.is_some());
        let member = self.members.find(link.watch.key).and_then(|slot| self.members.get(slot));
        let is_live = member.is_some_and(|member| member.state == MemberState::Live);
        is_live && !is_asked_for && self.spoken(id) >= MEMBERS && !self.is_in_use(link)
    }

    fn is_in_use(&self, link: &Link) -> bool {
        let now = self.now.tick;
        let shared = link.session.iter().flat_map(|session| session.shared.values());
        let moved = |moved: Option<Tick>| moved.is_some_and(|moved| now.since(moved) < USED);
        shared.into_iter().any(|shared| !shared.edge.is_lazy() && moved(shared.moved))
    }
}
