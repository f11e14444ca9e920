//! What is known of a peer, whatever links lead to it.

use std::collections::BTreeSet;

use super::pieces::{Assemblies, Outgoing};
use super::session::Session;
use super::{Event, LinkId, Node, PeerStatus};
use crate::{NodeId, PeerRecord};

/// A peer, added by the app or met on a link.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) record: Option<PeerRecord>,
    pub(super) links: BTreeSet<LinkId>,
    pub(super) status: PeerStatus,
    pub(super) paused: bool,
    pub(super) assemblies: Assemblies,
    pub(super) outgoing: Outgoing,
}

impl Peer {
    pub(super) fn met() -> Self {
        Self {
            record: None,
            links: BTreeSet::new(),
            status: PeerStatus::Unreachable,
            paused: false,
            assemblies: Assemblies::default(),
            outgoing: Outgoing::default(),
        }
    }

    pub(super) fn added(record: PeerRecord) -> Self {
        Self { record: Some(record), ..Self::met() }
    }
}

impl Node {
    /// Both sides of a link speak from now on. The application is told of the first one to a peer,
    pub(super) fn open_session(&mut self, id: LinkId, session: Session) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let is_first = !self.is_spoken_with(&peer);
        if let Some(link) = self.links.get_mut(&id) {
            link.session = Some(session);
        }
        if is_first {
            self.notify(Event::LinkUp(peer));
        }
    }

    /// and when the last one is gone.
    pub(super) fn lost_session(&mut self, peer: &NodeId) {
        if !self.is_spoken_with(peer) {
            self.notify(Event::LinkDown(peer.clone()));
        }
    }

    fn is_spoken_with(&self, peer: &NodeId) -> bool {
        let links = self.peers.get(peer).into_iter().flat_map(|peer| &peer.links);
        links.filter_map(|id| self.links.get(id)).any(|link| link.session.is_some())
    }
}
