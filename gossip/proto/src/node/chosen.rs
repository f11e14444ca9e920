//! What follows from the application's choice: which channels are listed on a link, and what is left out of
//! them.

use super::choice::{Streams, SyncChoice};
use super::left_out::LeftOut;
use super::scope::KNOWS_ONLY;
use super::{CommandError, CommandId, LinkId, Node, NodeState, Reply, Timer};
use crate::digest::stream_key;
use crate::wire::MAX_SCOPE;
use crate::{ChannelId, StreamId};

impl Node {
    /// From now on this is exchanged, on links that are there too.
    pub(super) fn set_sync(&mut self, command: CommandId, choice: SyncChoice) {
        if self.state == NodeState::ShutDown {
            return self.reply(command, Err(CommandError::State { state: self.state }));
        }
        if let Err(error) = choice.validate() {
            return self.reply(command, Err(CommandError::Invalid(error.0)));
        }
        let links: Vec<LinkId> = self.established().collect();
        let before: Vec<_> = links.iter().map(|id| (*id, self.listed(*id))).collect();
        self.choice = choice;
        for (id, listed) in before {
            if self.listed(id) != listed {
                self.relist(id);
            }
        }
        let names: Vec<ChannelId> = self.channels.keys().cloned().collect();
        names.iter().for_each(|name| self.rescope(name));
        self.reply(command, Ok(Reply::Done));
    }

    /// Whether a channel is not left out on a link as a whole.
    pub(super) fn is_chosen(&self, id: LinkId, name: &ChannelId) -> bool {
        let link = self.links.get(&id);
        link.is_some_and(|link| *self.choice.on(&link.peer, link.limits.cost, name) != Streams::None)
    }

    /// Channels that are told on a link, with their secrets.
    pub(super) fn listed(&self, id: LinkId) -> Vec<(ChannelId, [u8; 32])> {
        #[cfg(test)]
        self.stats.listed.set(self.stats.listed.get() + 1);
        let open = self.channels.iter().filter(|(_, channel)| !channel.removing);
        let chosen = open.filter(|(name, _)| self.is_chosen(id, name));
        chosen.map(|(name, channel)| (name.clone(), channel.secret)).collect()
    }

    /// What we leave out of a channel on a link: what is refused, and what is not chosen.
    pub(super) fn chosen(&self, id: LinkId, name: &ChannelId) -> LeftOut {
        let (Some(channel), Some(link)) = (self.channels.get(name), self.links.get(&id)) else {
            return LeftOut::default();
        };
        let secret = &channel.secret;
        let chosen = self.choice.on(&link.peer, link.limits.cost, name);
        let mut out = match chosen {
            Streams::All | Streams::None => return channel.refused.clone(),
            Streams::Except(streams) => {
                LeftOut::these(secret, streams.iter().map(|id| stream_key(secret, id)))
            }
            Streams::Only(streams) => {
                LeftOut::all_but(secret, streams.iter().map(|id| stream_key(secret, id)))
            }
        };
        if out.is_only() && self.spoken(id) < KNOWS_ONLY {
            // One by one, as far as they are known.
            let [before, _] = channel.scopes.left_out(id);
            let heard_of = before.into_iter().flat_map(LeftOut::listed);
            let known = channel.streams.values().map(|stream| &stream.key).chain(heard_of);
            out = LeftOut::these(secret, known.filter(|key| out.has(key)).take(MAX_SCOPE).copied());
        }
        channel.refused.listed().iter().for_each(|stream| out.leave_out(secret, *stream));
        out
    }

    /// What is left out of a channel here may be something else now.
    pub(super) fn rescope(&mut self, name: &ChannelId) {
        let links: Vec<LinkId> = self.established().collect();
        for id in links {
            if self.shared(id, name).is_some() {
                let ours = self.chosen(id, name);
                self.leave_out(id, name, ours);
            }
        }
    }

    /// On links of version 1 every stream that is not chosen has to be named.
    pub(super) fn leave_out_new(&mut self, name: &ChannelId, stream: &StreamId) {
        let links: Vec<LinkId> = self.established().collect();
        links.into_iter().for_each(|id| self.leave_out_unchosen(id, name, [stream]));
    }

    /// As far as these streams are not chosen on a link of version 1, leaves them out.
    pub(super) fn leave_out_unchosen<'a>(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        streams: impl IntoIterator<Item = &'a StreamId>,
    ) {
        let (Some(channel), Some(link)) = (self.channels.get_mut(name), self.links.get(&id)) else { return };
        let session = link.session.as_ref().filter(|session| session.version < KNOWS_ONLY);
        if session.is_none_or(|session| !session.shared.contains_key(name)) {
            return;
        }
        let Streams::Only(chosen) = self.choice.on(&link.peer, link.limits.cost, name) else { return };
        let timeout = link.rtt.timeout();
        let unchosen = streams.into_iter().filter(|stream| !chosen.contains(*stream));
        let left_out = unchosen.filter(|stream| channel.leave_out_also(id, stream)).count();
        if left_out > 0 {
            // What comes within a moment of the last word is told in the round.
            self.say_scope(id, name);
            self.timers.bring_forward(Timer::Round(id, name.clone()), self.now.tick + timeout);
            self.let_others_speak(id, name);
            self.tell_status(id, name);
        }
    }
}
