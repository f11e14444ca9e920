//! Who leaves out what on a link, told when a sketch shows that it is not known.

use super::refusals::Refusals;
use super::{Class, DropReason, LinkId, Node};
use crate::ChannelId;
use crate::wire::{Message, Scope, StreamKey};

impl Node {
    /// Whether a peer refuses other streams than we think.
    pub(super) fn misjudges(&mut self, id: LinkId, name: &ChannelId, turn: u64) -> bool {
        self.shared(id, name).is_some_and(|shared| shared.refused.turn() != turn)
    }

    pub(super) fn ask_scope(&mut self, id: LinkId, name: &ChannelId) {
        let Some(shared) = self.shared(id, name) else { return };
        let scope = Scope { tag: shared.tag, turn: shared.refused.turn(), only: false, keys: None };
        self.send(id, &Message::Scope(scope), Class::Urgent);
    }

    /// Tells which streams are refused here.
    pub(super) fn say_scope(&mut self, id: LinkId, name: &ChannelId) {
        let Some(refused) = self.channels.get(name).map(|channel| &channel.refused) else { return };
        let (turn, keys) = (refused.turn(), refused.iter().copied().collect());
        let Some(shared) = self.shared(id, name) else { return };
        let scope = Scope { tag: shared.tag, turn, only: false, keys: Some(keys) };
        self.send(id, &Message::Scope(scope), Class::Urgent);
    }

    pub(super) fn on_scope(&mut self, id: LinkId, scope: Scope) {
        let Some((name, _)) = self.shared_by_tag(id, scope.tag) else { return };
        let Some(keys) = scope.keys else {
            // They do not compare before they know: nothing is given.
            self.end_exchange(id, &name);
            return self.say_scope(id, &name);
        };
        if scope.only {
            let peer = self.links.get(&id).map(|link| link.peer.clone());
            return self.drop_from(peer, DropReason::Unexpected, "a choice of streams");
        }
        if self.hear_refusals(id, &name, &keys) {
            self.look_into(id, &name);
        }
    }

    /// Takes in which streams a peer refuses; whether that is news.
    pub(super) fn hear_refusals(&mut self, id: LinkId, name: &ChannelId, keys: &[StreamKey]) -> bool {
        let Some(secret) = self.channels.get(name).map(|channel| channel.secret) else { return false };
        let refused = Refusals::of(&secret, keys.iter().copied());
        let Some(shared) = self.shared(id, name) else { return false };
        let news = shared.refused != refused;
        // What was erased in a stream that they refused is news to them when they take it up again.
        let taken_up = shared.refused.iter().any(|key| !refused.contains(key));
        shared.refused = refused;
        if taken_up {
            self.tell_all_erasures(id, name);
            self.refill_anew();
        }
        news
    }
}
