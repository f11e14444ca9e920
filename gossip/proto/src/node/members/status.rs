//! What the application is told of members: here, and nowhere else.

use super::MEMBERS;
use super::doubt::{DROWSY, Opinion};
use super::row::{Member, Slot};
use crate::node::peer::Peer;
use crate::node::{Event, LinkId, Node, NodeState, PeerStatus, Timer};
use crate::{MemberKey, MemberState, NodeId, Tick};

/// Who has not introduced itself after so many questions will not.
const IN_VAIN: u32 = 3;

impl Node {
    /// Tells the application what became of a member, if it does not know.
    pub(super) fn settle_status(&mut self, slot: Slot) {
        self.forget_outdated(slot);
        let Some(member) = self.members.get(slot).filter(|_| slot != self.members.me()) else { return };
        let (id, status) = (member.id.clone(), self.status_of(member));
        let awake = member.decided_at(self.now.tick);
        let is_first = member.told.is_none();
        let told = member.told.or_else(|| self.peers.get(&id).map(|peer| peer.status));
        if told.is_none() && matches!(status, PeerStatus::Unreachable | PeerStatus::Left) {
            // Nobody waits for one that never was there; if it lives that nobody reaches it is a guess.
            return;
        }
        if told.is_none() {
            self.notify(Event::PeerAdded(id.clone()));
        }
        match status {
            PeerStatus::Dozing => self.timers.set(Timer::Doze(slot.key), awake),
            // It may have said that of a hundred years.
            _ if told == Some(PeerStatus::Dozing) => self.timers.cancel(&Timer::Doze(slot.key)),
            _ => {}
        }
        self.members.note_told(slot, status);
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.status = status;
        }
        if told != Some(status) {
            self.notify(Event::PeerStatusChanged(id, status));
        }
        if told == Some(PeerStatus::Dozing) && status != PeerStatus::Dozing {
            self.expect_awake(slot);
        }
        let is_news = is_first || told != Some(status);
        if is_news && status == PeerStatus::Reachable && !self.links_to(slot.key).is_empty() {
            self.begin_pulse();
        }
    }

    /// The same, of all who are alive.
    pub(in crate::node) fn settle_all(&mut self) {
        let all: Vec<Slot> = self.members.behind(self.members.me().key).collect();
        all.into_iter().for_each(|slot| self.settle_status(slot));
    }

    /// Derives a peer's status and tells if it changed. Who cannot be a member is judged by its links alone.
    pub(in crate::node) fn review(&mut self, id: &NodeId) {
        let known = self.members.find(MemberKey::of(id));
        match known.filter(|slot| self.members.get(*slot).is_some_and(|member| member.id == *id)) {
            Some(slot) => self.settle_status(slot),
            None if self.peers.get(id).is_some_and(|peer| self.is_introduced_on(peer)) => {}
            None => self.review_links(id),
        }
    }

    /// Whether it introduces itself in a moment, and is let in.
    fn is_introduced_on(&self, peer: &Peer) -> bool {
        let mut links = peer.links.iter().filter(|id| self.spoken(**id) >= MEMBERS);
        let watch = |id: &LinkId| self.links.get(id).map(|link| &link.watch);
        links.any(|id| watch(id).is_some_and(|watch| !watch.is_refused && watch.introduced < IN_VAIN))
    }

    /// What the application was told of a member, or would be; of this node itself, that it is reachable.
    pub(in crate::node) fn status_told(&self, member: &Member) -> PeerStatus {
        let is_me = member.key == self.members.me().key;
        let told = member.told.or(is_me.then_some(PeerStatus::Reachable));
        told.unwrap_or_else(|| self.status_of(member))
    }

    /// Whether the application was told of a member before.
    pub(in crate::node) fn is_told(&self, id: &NodeId) -> bool {
        let member = self.members.find(MemberKey::of(id)).and_then(|slot| self.members.get(slot));
        member.is_some_and(|member| member.told.is_some())
    }

    /// What was thought of an earlier incarnation counts no more.
    fn forget_outdated(&mut self, slot: Slot) {
        let Some(member) = self.members.get(slot) else { return };
        let (key, is_live) = (member.key, member.state == MemberState::Live);
        if is_live && self.is_dozing(member) {
            self.drop_suspicion(key);
            return self.drop_doubt(key);
        }
        let senses = &self.members.senses;
        let is_over = senses.suspicions.contains_key(&key) && !(is_live && senses.is_suspected(member));
        if is_over {
            self.note_deaf(key, self.now.tick);
            self.drop_suspicion(key);
        }
        if !is_live || is_over {
            self.end_doubt(key, false);
        }
        if is_over && is_live {
            self.members.note_heard(slot, self.now.tick);
        }
    }

    fn status_of(&self, member: &Member) -> PeerStatus {
        if !matches!(self.state, NodeState::Running | NodeState::Paused) {
            return PeerStatus::Unreachable;
        }
        if self.is_peer_of_old(member) {
            return self.status_on_links(&member.id);
        }
        match member.state {
            MemberState::Left => PeerStatus::Left,
            MemberState::Down => PeerStatus::Unreachable,
            MemberState::Live if self.is_dozing(member) => PeerStatus::Dozing,
            MemberState::Live => match self.status_alive(member) {
                // That nobody has said anything yet is no proof.
                PeerStatus::Reachable if self.is_drowsy(member) => PeerStatus::Dozing,
                status => status,
            },
        }
    }

    /// Whether it knows nothing of members on any link, as an earlier or a later life of it did: its links tell.
    fn is_peer_of_old(&self, member: &Member) -> bool {
        let links = self.peers.get(&member.id).into_iter().flat_map(|peer| &peer.links);
        let sessions = links.filter_map(|id| self.links.get(id)?.session.as_ref());
        sessions.map(|session| session.version).max().is_some_and(|version| version < MEMBERS)
    }

    fn status_alive(&self, member: &Member) -> PeerStatus {
        let senses = &self.members.senses;
        let opinion = senses.doubts.get(&member.key).and_then(|doubt| doubt.opinion());
        if self.links.is_empty() || self.is_alone() && self.links_to(member.key).is_empty() {
            return PeerStatus::Unreachable;
        }
        match opinion {
            Some(Opinion::Lost) => PeerStatus::Unreachable,
            Some(Opinion::Suspected) => PeerStatus::Suspected,
            None if senses.is_accused(member) => PeerStatus::Suspected,
            None => PeerStatus::Reachable,
        }
    }

    pub(in crate::node) fn is_dozing(&self, member: &Member) -> bool {
        member.doze_until > Tick(0) && self.now.tick < member.doze_until + DROWSY
    }
}
