//! Who leaves out what on a link: told as soon as it changes, and when a sketch shows that it is not known.

use std::time::Duration;

use super::left_out::LeftOut;
use super::log::Log;
use super::{Class, LinkId, Node, Timer};
use crate::digest::stream_key;
use crate::wire::{MAX_SCOPE, Message, Scope, StreamKey};
use crate::{ChannelId, LogId, StreamId};

/// The oldest wire version in which all but some streams can be left out.
pub(super) const KNOWS_ONLY: u8 = 2;
/// Some ten times what it takes to look at a stream, or to tell an erasure.
const LOOK: Duration = Duration::from_micros(5);

impl Node {
    /// A channel turned out to be shared on a link: what is left out is told before anything else is said.
    /// Of the peer what it left out last is believed until it says something else.
    pub(super) fn begin_scope(&mut self, id: LinkId, name: &ChannelId) {
        let ours = self.chosen(id, name);
        let Some(peer) = self.links.get(&id).map(|link| &link.peer) else { return };
        let is_new = self.spoken(id) >= KNOWS_ONLY;
        let theirs = self.hints.scope(name, peer).filter(|_| is_new).cloned().unwrap_or_default();
        let says = is_new && !ours.is_nothing();
        if let Some(channel) = self.channels.get_mut(name) {
            channel.put_scope(id, ours, theirs);
        }
        if says {
            self.say_scope(id, name);
        }
    }

    /// Leaves out this on a link, and nothing else. If that is news the peer is told, and looks at what
    /// came back.
    pub(super) fn leave_out(&mut self, id: LinkId, name: &ChannelId, ours: LeftOut) {
        let Some(channel) = self.channels.get(name) else { return };
        let [was, theirs] = channel.scopes.left_out(id).map(|side| side.cloned().unwrap_or_default());
        if was == ours {
            return;
        }
        self.put_scope(id, name, ours, theirs);
        if let Some(shared) = self.shared(id, name) {
            shared.said_scope = None;
        }
        self.say_scope(id, name);
        let Some(timeout) = self.links.get(&id).map(|link| link.rtt.timeout()) else { return };
        self.timers.bring_forward(Timer::Round(id, name.clone()), self.now.tick + timeout);
    }

    /// What the sides leave out on a link becomes this. Whether streams came back by that.
    fn put_scope(&mut self, id: LinkId, name: &ChannelId, ours: LeftOut, theirs: LeftOut) -> bool {
        let Some(channel) = self.channels.get_mut(name) else { return false };
        let is_wider = channel.put_scope(id, ours, theirs);
        self.end_exchange(id, name);
        let todo = self.shared(id, name).map(|shared| std::mem::take(&mut shared.todo)).unwrap_or_default();
        let todo = todo.into_iter().filter(|(log, _)| self.may_compare(id, log)).collect();
        if let Some(shared) = self.shared(id, name) {
            (shared.todo, shared.tries) = (todo, 0);
        }
        if is_wider {
            self.meet_again(id, name);
            self.refill_anew();
        }
        self.let_others_speak(id, name);
        self.tell_status(id, name);
        is_wider
    }

    /// The peer may know less of a channel than it did: it is told again.
    pub(super) fn meet_again(&mut self, id: LinkId, name: &ChannelId) {
        if let Some(shared) = self.shared(id, name) {
            shared.begin_anew();
        }
        self.tell_all_erasures(id, name);
    }

    /// Whether a log is of a stream that neither side of a link leaves out.
    pub(super) fn compares(&self, id: LinkId, log: &Log) -> bool {
        let Some((channel, stream)) = self.logs.place_of(log) else { return false };
        let Some(channel) = self.channels.get(channel) else { return false };
        channel.scopes.is_whole(id)
            || channel.streams.get(stream).is_some_and(|stream| channel.scopes.has(id, &stream.key))
    }

    /// As [`Node::compares`], by id; also true of a log that is not known.
    pub(super) fn may_compare(&self, id: LinkId, log: &LogId) -> bool {
        self.logs.get(log).is_none_or(|log| self.compares(id, log))
    }

    /// Whether we leave out a stream on a link, which need not exist here.
    pub(super) fn leaves_out(&self, id: LinkId, name: &ChannelId, stream: &StreamId) -> bool {
        let Some(channel) = self.channels.get(name).filter(|channel| !channel.scopes.is_whole(id)) else {
            return false;
        };
        let known = channel.streams.get(stream).map(|stream| stream.key);
        channel.scopes.leaves_out(id, &known.unwrap_or_else(|| stream_key(&channel.secret, stream)))
    }

    pub(super) fn leaves_out_log(&self, id: LinkId, name: &ChannelId, log: &LogId) -> bool {
        let Some(channel) = self.channels.get(name).filter(|channel| !channel.scopes.is_whole(id)) else {
            return false;
        };
        let stream = self.logs.get(log).and_then(|log| self.stream_of(log));
        stream.is_some_and(|stream| channel.scopes.leaves_out(id, &stream.key))
    }

    /// One of both is wrong about what the other leaves out: each tells.
    pub(super) fn settle_scope(&mut self, id: LinkId, name: &ChannelId) {
        if self.says_scope(id, name) {
            return;
        }
        self.say_scope(id, name);
        let [_, theirs] = self.channels.get(name).map_or([None; 2], |channel| channel.scopes.left_out(id));
        let turn = theirs.map_or(0, LeftOut::turn);
        let Some(shared) = self.shared(id, name) else { return };
        let scope = Scope { tag: shared.tag, turn, only: false, keys: None };
        self.send(id, &Message::Scope(scope), Class::Urgent);
    }

    /// Whether it was told a moment ago.
    fn says_scope(&mut self, id: LinkId, name: &ChannelId) -> bool {
        let now = self.now.tick;
        let Some(timeout) = self.links.get(&id).map(|link| link.rtt.timeout()) else { return true };
        let said = self.shared(id, name).and_then(|shared| shared.said_scope);
        said.is_some_and(|said| now.since(said) < timeout / 2)
    }

    /// Tells what we leave out, unless that was just told.
    pub(super) fn say_scope(&mut self, id: LinkId, name: &ChannelId) {
        if self.says_scope(id, name) {
            return;
        }
        let now = self.now.tick;
        if let Some(shared) = self.shared(id, name) {
            shared.said_scope = Some(now);
        }
        if self.spoken(id) < KNOWS_ONLY {
            return self.offer_streams(id, name, false);
        }
        let [ours, _] = self.channels.get(name).map_or([None; 2], |channel| channel.scopes.left_out(id));
        let (turn, only) = ours.map_or((0, false), |ours| (ours.turn(), ours.is_only()));
        let keys = ours.map(|ours| ours.listed().iter().take(MAX_SCOPE).copied().collect());
        let Some(shared) = self.shared(id, name) else { return };
        let scope = Scope { tag: shared.tag, turn, only, keys: Some(keys.unwrap_or_default()) };
        self.send(id, &Message::Scope(scope), Class::Urgent);
    }

    pub(super) fn on_scope(&mut self, id: LinkId, scope: Scope) {
        let Some((name, _)) = self.shared_by_tag(id, scope.tag) else { return };
        let Some(keys) = scope.keys else {
            // They do not compare before they know: nothing is given.
            self.end_exchange(id, &name);
            return self.say_scope(id, &name);
        };
        let Some(secret) = self.channels.get(&name).map(|channel| channel.secret) else { return };
        let theirs = if scope.only { LeftOut::all_but(&secret, keys) } else { LeftOut::these(&secret, keys) };
        match self.hear_scope(id, &name, theirs) {
            Some(is_wider) if is_wider => self.look_into(id, &name),
            Some(_) => self.beacon(id, &name),
            None => {}
        }
    }

    /// Takes in what a peer leaves out. If that is news, whether streams came back. A word of few bytes has
    /// us look at all streams and tell all erasures, so it is not heard again for some time for each of them:
    /// what was not heard shows when digests are compared, and is told again.
    pub(super) fn hear_scope(&mut self, id: LinkId, name: &ChannelId, theirs: LeftOut) -> Option<bool> {
        let [ours, was] = self.channels.get(name)?.scopes.left_out(id);
        if was.unwrap_or(&LeftOut::default()) == &theirs {
            return None;
        }
        let (ours, streams) = (ours.cloned().unwrap_or_default(), self.channels.get(name)?.streams.len());
        let now = self.now.tick;
        self.shared(id, name).filter(|shared| shared.scope_until <= now)?;
        self.remember_scope(id, name, &theirs);
        let is_wider = self.put_scope(id, name, ours, theirs);
        let shared = self.shared(id, name)?;
        shared.scope_until = now + LOOK * (streams + shared.telling.waiting()) as u32;
        Some(is_wider)
    }

    /// Takes in which streams an offer refuses; whether that is news. An offer cannot say that all but some
    /// are left out, and refuses none then.
    pub(super) fn hear_refused(&mut self, id: LinkId, name: &ChannelId, refused: &[StreamKey]) -> bool {
        let Some(channel) = self.channels.get(name) else { return false };
        let [_, theirs] = channel.scopes.left_out(id);
        if refused.is_empty() && theirs.is_some_and(LeftOut::is_only) {
            return false;
        }
        let theirs = LeftOut::these(&channel.secret, refused.iter().copied());
        self.hear_scope(id, name, theirs).is_some()
    }

    /// An offer did not say all that is left out, and digests differ: it is told apart.
    pub(super) fn doubt_scope(&mut self, id: LinkId, name: &ChannelId) {
        let Some(channel) = self.channels.get(name) else { return };
        if channel.scopes.left_out(id).into_iter().flatten().any(LeftOut::is_only) {
            self.settle_scope(id, name);
        }
    }
}
