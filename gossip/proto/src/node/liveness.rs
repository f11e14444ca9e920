//! Whether anyone answers: probes of each link, and the status of a peer that follows.

use std::time::Duration;

use super::{Class, Event, LinkId, Node, NodeState, PeerStatus, Timer};
use crate::NodeId;
use crate::wire::Message;

/// Probes without an answer until a peer is suspected, and until it counts as unreachable.
pub(super) const SUSPECTED: u32 = 3;
const UNREACHABLE: u32 = 6;

impl Node {
    /// Probes a link: for its round trip, and whether anyone is there.
    pub(super) fn probe(&mut self, id: LinkId) {
        // A link that tells by itself when it ends need not be asked.
        let is_idle = self.is_idle(id) || self.is_calm(id);
        let Some(link) = self.links.get_mut(&id) else { return };
        let quiet = self.now.tick.since(link.heard);
        // That somebody goes on is said once, and may be lost.
        let paused = self.peers.get(&link.peer).is_some_and(|peer| peer.paused);
        let is_known = link.ping.is_none() && link.rtt.smoothed().is_some() && !paused;
        if is_known && (quiet < self.config.keepalive || is_idle) {
            let left = self.config.keepalive.saturating_sub(quiet);
            let left = if left.is_zero() { self.config.keepalive } else { left };
            return self.set_timer(Timer::Ping(id), left);
        }
        if link.ping.is_some() {
            link.missed = link.missed.saturating_add(1);
        }
        let falls_silent = link.ping.is_some() && link.missed == SUSPECTED;
        let number = self.rng.next_u64();
        link.ping = Some((number, self.now.tick));
        let again = link.rtt.backoff(link.missed.min(UNREACHABLE), self.config.keepalive);
        let again = self.rng.jitter(again.max(Duration::from_millis(200)));
        let peer = link.peer.clone();
        let paused = self.state == NodeState::Paused;
        self.send(id, &Message::Ping(number, paused), Class::Urgent);
        self.set_timer(Timer::Ping(id), again);
        self.review(&peer);
        if falls_silent {
            self.waiters.look_again();
            self.speak_elsewhere(&peer);
        }
    }

    pub(super) fn on_ping(&mut self, id: LinkId, number: u64, paused: bool) {
        let own = self.state == NodeState::Paused;
        self.send(id, &Message::Pong(number, own), Class::Urgent);
        self.hear_paused(id, paused);
    }

    pub(super) fn on_pong(&mut self, id: LinkId, number: u64, paused: bool) {
        self.hear_paused(id, paused);
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some((_, sent)) = link.ping.take_if(|(asked, _)| *asked == number) else { return };
        link.rtt.sample(self.now.tick.since(sent));
        let wait = self.rng.jitter(self.config.keepalive);
        self.set_timer(Timer::Ping(id), wait);
    }

    /// Derives the status of a peer that is no member from its links, and tells if it changed.
    pub(super) fn review_links(&mut self, id: &NodeId) {
        let status = self.status_on_links(id);
        let Some(peer) = self.peers.get_mut(id) else { return };
        if std::mem::replace(&mut peer.status, status) != status {
            self.notify(Event::PeerStatusChanged(id.clone(), status));
        }
    }

    /// What its links alone tell of a peer.
    pub(super) fn status_on_links(&self, id: &NodeId) -> PeerStatus {
        let links = self.peers.get(id).into_iter().flat_map(|peer| &peer.links);
        let links = links.filter_map(|link| self.links.get(link));
        let missed = links.filter(|link| link.session.is_some()).map(|link| link.missed).min();
        match missed {
            Some(missed) if missed < SUSPECTED => PeerStatus::Reachable,
            Some(missed) if missed < UNREACHABLE => PeerStatus::Suspected,
            _ => PeerStatus::Unreachable,
        }
    }

    /// Notes whether the peer is paused; one that goes on is compared with at once.
    pub(super) fn hear_paused(&mut self, id: LinkId, paused: bool) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let Some(peer) = self.peers.get_mut(&peer) else { return };
        let was_paused = std::mem::replace(&mut peer.paused, paused);
        if was_paused && !paused {
            self.compare_link(id);
            self.refill_anew();
        } else if !was_paused && paused {
            self.alarm_tree(id);
        }
    }
}
