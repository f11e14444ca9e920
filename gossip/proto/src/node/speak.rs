//! Which of a peer's links are used to speak of a channel: as few as together exchange all that any of them
//! does.
//!
//! What is left out differs from link to link. A link need not speak where another one exchanges all that it
//! does, and more; of those that exchange the same the cheapest speaks. So a link on which nothing is left
//! out speaks alone. Where none is like that, two of which each exchanges what the other one leaves out
//! both speak.

use super::liveness::SUSPECTED;
use super::scoped::Scopes;
use super::session::Link;
use super::{LinkId, Node};
use crate::wire::{DigestTag, StreamKey};
use crate::{ChannelId, NodeId};

impl Link {
    fn answers(&self) -> bool {
        self.missed < SUSPECTED
    }

    /// Whether it can be used now.
    pub(super) fn is_open(&self) -> bool {
        self.session.is_some() && self.answers()
    }

    fn shares(&self, name: &ChannelId) -> bool {
        self.session.as_ref().is_some_and(|session| session.shared.contains_key(name))
    }
}

/// Whether a link makes another one of the same peer superfluous. Never true both ways, nor in a circle, so
/// that somebody speaks.
fn outdoes(scopes: &Scopes, one: (LinkId, &Link), other: (LinkId, &Link)) -> bool {
    if one.1.answers() != other.1.answers() {
        return one.1.answers();
    }
    let cost = |(id, link): (LinkId, &Link)| (link.limits.cost, id);
    match (scopes.covers(one.0, other.0), scopes.covers(other.0, one.0)) {
        (true, true) => cost(one) < cost(other),
        (is_wider, _) => is_wider,
    }
}

impl Node {
    /// The link on which a peer is spoken to of what belongs to no channel: the cheapest one that answers.
    pub(super) fn primary(&self, peer: &NodeId) -> Option<LinkId> {
        let links = self.peers.get(peer)?.links.iter();
        let open = links.filter_map(|id| self.links.get(id).map(|link| (id, link)));
        let open = open.filter(|(_, link)| link.session.is_some());
        open.min_by_key(|(id, link)| (!link.answers(), link.limits.cost, **id)).map(|(id, _)| *id)
    }

    /// A peer's links on which a channel is shared.
    pub(super) fn sharing(&self, peer: &NodeId, name: &ChannelId) -> impl Iterator<Item = (LinkId, &Link)> {
        let links = self.peers.get(peer).into_iter().flat_map(|peer| &peer.links);
        let links = links.filter_map(|id| Some((*id, self.links.get(id)?)));
        links.filter(move |(_, link)| link.shares(name))
    }

    /// Whether a link is one of those on which a channel is spoken of with its peer.
    pub(super) fn speaks(&self, id: LinkId, name: &ChannelId) -> bool {
        let Some(link) = self.links.get(&id).filter(|link| link.shares(name)) else { return false };
        let Some(channel) = self.channels.get(name) else { return false };
        let mut others = self.sharing(&link.peer, name).filter(|(other, _)| *other != id);
        !others.any(|other| outdoes(&channel.scopes, other, (id, link)))
    }

    /// A peer's links on which a channel is spoken of.
    pub(super) fn voices(&self, peer: &NodeId, name: &ChannelId) -> impl Iterator<Item = LinkId> {
        self.sharing(peer, name).map(|(id, _)| id).filter(move |id| self.speaks(*id, name))
    }

    /// All links on which a channel is spoken of.
    pub(super) fn links_of(&self, name: &ChannelId) -> Vec<LinkId> {
        self.links.keys().copied().filter(|id| self.speaks(*id, name)).collect()
    }

    /// Those of them on which something can be said now.
    pub(super) fn speakers(&self, name: &ChannelId) -> Vec<LinkId> {
        if !self.is_active() {
            return Vec::new();
        }
        let paused = |peer: &NodeId| self.peers.get(peer).is_some_and(|peer| peer.paused);
        let open = self.links.iter().filter(|(_, link)| !link.congested && !paused(&link.peer));
        open.map(|(id, _)| *id).filter(|id| self.speaks(*id, name)).collect()
    }

    /// Whether a link that speaks is the one on which its peer hears of a stream: the cheapest, if several
    /// exchange it.
    pub(super) fn carries(&self, id: LinkId, name: &ChannelId, stream: &StreamKey) -> bool {
        let Some(scopes) = self.channels.get(name).map(|channel| &channel.scopes) else { return false };
        let Some(link) = self.links.get(&id).filter(|_| scopes.has(id, stream)) else { return false };
        let cost = |id: LinkId| (self.links.get(&id).map(|link| link.limits.cost), id);
        let others = self.sharing(&link.peer, name).map(|(other, _)| other);
        let mut cheaper = others.filter(|other| cost(*other) < cost(id) && scopes.has(*other, stream));
        !cheaper.any(|other| self.speaks(other, name))
    }

    /// Whether it is known already that both sides of a link have this digest.
    pub(super) fn has_agreed(&self, id: LinkId, name: &ChannelId, mine: DigestTag) -> bool {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let shared = session.and_then(|session| session.shared.get(name));
        shared.is_some_and(|shared| shared.theirs == Some(mine) && shared.told.agreed == Some(mine))
    }

    /// Whether the other side of a link pauses.
    pub(super) fn is_paused_there(&self, id: LinkId) -> bool {
        let peer = self.links.get(&id).and_then(|link| self.peers.get(&link.peer));
        peer.is_some_and(|peer| peer.paused)
    }

    /// Whether the digests of both sides of a link are the same.
    pub(super) fn agrees(&self, id: LinkId, name: &ChannelId) -> bool {
        let session = self.links.get(&id).and_then(|link| link.session.as_ref());
        let theirs = session.and_then(|session| session.shared.get(name)?.theirs);
        theirs.is_some_and(|theirs: DigestTag| self.digest_on(id, name) == Some(theirs))
    }

    /// Whether they are on all links on which a channel is spoken of with a peer.
    pub(super) fn agrees_with(&self, peer: &NodeId, name: &ChannelId) -> bool {
        let mut voices = self.voices(peer, name).peekable();
        voices.peek().is_some() && voices.all(|id| self.agrees(id, name))
    }

    /// A link of a peer is gone: what it spoke of others speak of now.
    pub(super) fn speak_elsewhere(&mut self, peer: &NodeId) {
        let left = self.peers.get(peer).map(|peer| peer.links.clone()).unwrap_or_default();
        left.into_iter().for_each(|id| self.compare_link(id));
    }

    /// What a link exchanges changed: others of its peer may have to speak now.
    pub(super) fn let_others_speak(&mut self, id: LinkId, name: &ChannelId) {
        let Some(link) = self.links.get(&id) else { return };
        let others: Vec<LinkId> = self.sharing(&link.peer, name).map(|(other, _)| other).collect();
        others.into_iter().filter(|other| *other != id).for_each(|other| self.compare_link_soon(other, name));
    }
}
