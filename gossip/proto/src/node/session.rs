//! Links and peers: what is known of them and how frames come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::hello::{Handshake, OLDEST};
use super::members::{MEMBERS, Watch};
use super::peer::Peer;
use super::pieces::FORGET;
use super::rtt::Rtt;
use super::sealed::Strikes;
use super::serve::Serving;
use super::shared::Shared;
use super::tree::Limb;
use super::{Class, DropReason, Effect, Event, LinkId, LinkLimits, Node, NodeState, Timer, Traffic};
use crate::wire::{self, ChannelTag, Content, Message, WireError};
use crate::{ChannelId, MemberKey, NodeId, Tick};

/// Frames of this size, or of half of what a link takes at once, tell how fast it is,
const LARGE: usize = 4096;
/// as long as they come at least this often.
const MAX_PACE: Duration = Duration::from_secs(4);

/// One link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) peer: NodeId,
    pub(super) limits: LinkLimits,
    pub(super) handshake: Handshake,
    /// Set once the handshake is complete.
    pub(super) session: Option<Session>,
    pub(super) rtt: Rtt,
    pub(super) ping: Option<(u64, Tick)>,
    pub(super) heard: Tick,
    /// Smoothed pause between large frames: how long one takes on this link.
    pub(super) pace: Duration,
    pub(super) missed: u32,
    pub(super) congested: bool,
    /// Our lists of channels so far, over all sessions of the link: a peer that kept its session
    /// when ours began anew must not take new lists for old ones.
    pub(super) listed: u64,
    pub(super) traffic: Traffic,
    /// How often it brought what no seal vouches for.
    pub(super) strikes: Strikes,
    /// What members say to each other on it.
    pub(super) watch: Watch,
    /// What it is in trees.
    pub(super) limb: Limb,
}

/// What an established link knows of its peer.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) initiator: bool,
    /// The wire version of every frame we send, fixed by the handshake.
    pub(super) version: u8,
    pub(super) transcript: [u8; 32],
    /// Counts our lists of channels; the newest one answered.
    pub(super) listed: u64,
    pub(super) answered: u64,
    /// The peer's newest list heard; of the responder, its newest turn.
    pub(super) heard: u64,
    /// As responder: the list that was the newest when our channels changed.
    pub(super) outdated: u64,
    /// When lists were last compared because something did not fit.
    pub(super) scanned: Tick,
    pub(super) list_tries: u32,
    pub(super) shared: BTreeMap<ChannelId, Shared>,
    pub(super) tags: BTreeMap<ChannelTag, ChannelId>,
    pub(super) serving: Serving,
    /// The channel that was asked for last: those after it have their turn.
    pub(super) turn: Option<ChannelId>,
}

impl Node {
    pub(super) fn on_link_up(&mut self, id: NodeId, link: LinkId, limits: LinkLimits) {
        let usable = matches!(self.state, NodeState::Running | NodeState::Paused);
        let small = limits.max_frame < LinkLimits::MIN_FRAME;
        let full = self.links.len() >= self.config.max_links;
        if !usable || small || full || id == self.record.id || self.links.contains_key(&link) {
            if usable {
                let detail = "a link to ourselves, over the bound, or with frames too small";
                self.drop_from(Some(id), DropReason::Bound, detail);
            }
            return self.effects.push_back(Effect::Close { link });
        }
        if !self.peers.contains_key(&id) {
            self.peers.insert(id.clone(), Peer::met());
            if !self.is_told(&id) {
                self.notify(Event::PeerAdded(id.clone()));
            }
        }
        if let Some(peer) = self.peers.get_mut(&id) {
            peer.links.insert(link);
        }
        let handshake = Handshake::new(self.entropy.draw());
        let key = MemberKey::of(&id);
        let watch = Watch::new(key, self.members.is_dialled(key));
        let new = Link {
            peer: id,
            limits,
            handshake,
            session: None,
            rtt: Rtt::default(),
            ping: None,
            heard: self.now.tick,
            pace: Duration::ZERO,
            missed: 0,
            congested: false,
            listed: 0,
            traffic: Traffic::default(),
            strikes: Strikes::default(),
            watch,
            limb: Limb::default(),
        };
        self.links.insert(link, new);
        self.repeat_hello(link);
    }

    pub(super) fn on_link_down(&mut self, id: LinkId) {
        let Some(link) = self.links.remove(&id) else { return };
        let of_link = [Timer::Hello, Timer::Ping, Timer::Scan, Timer::Wants, Timer::Search];
        let of_group = [Timer::Table, Timer::Calm, Timer::Due, Timer::Content, Timer::Have, Timer::Missing];
        let timers = of_link.into_iter().chain(of_group);
        timers.for_each(|timer| self.timers.cancel(&timer(id)));
        for channel in link.session.iter().flat_map(|session| session.shared.keys()) {
            self.timers.cancel(&Timer::Round(id, channel.clone()));
            self.timers.cancel(&Timer::Tell(id, channel.clone()));
        }
        self.channels.values_mut().for_each(|channel| channel.scopes.forget(id));
        self.fetches.forget_link(id);
        self.exchanges.forget_link(id);
        self.refills.forget_link(id);
        self.forks.forget_link(id);
        self.deliveries.forget_link(id);
        self.tend_callers();
        if let Some(peer) = self.peers.get_mut(&link.peer) {
            peer.links.remove(&id);
            if peer.links.is_empty() {
                peer.paused = false;
                self.timers.set(Timer::Pieces(link.peer.clone()), self.now.tick + FORGET);
            }
        }
        if link.session.is_some() {
            self.lost_session(&link.peer);
        }
        self.waiters.look_again();
        self.lost_limb(&link);
        self.lost_link();
        self.review(&link.peer);
        self.speak_elsewhere(&link.peer);
        self.forget_stranger(&link.peer);
        self.fetch_everywhere();
        self.refill_anew();
    }

    /// Peers that were only met are remembered up to a bound while they are away.
    fn forget_stranger(&mut self, id: &NodeId) {
        const REMEMBERED: usize = 1024;
        let gone = self.peers.get(id).is_some_and(|peer| peer.record.is_none() && peer.links.is_empty());
        if gone && self.peers.len() > REMEMBERED {
            self.peers.remove(id);
            self.tell_removed(id);
        }
    }

    pub(super) fn forget_peer(&mut self, id: &NodeId) {
        let Some(peer) = self.peers.get(id) else { return };
        for link in peer.links.clone() {
            self.send(link, &Message::Goodbye, Class::Urgent);
            self.effects.push_back(Effect::Close { link });
            self.on_link_down(link);
        }
        self.timers.cancel(&Timer::Pieces(id.clone()));
        self.drop_doubt(MemberKey::of(id));
        // If the group knows it still, it is told of anew.
        self.members.forget_told(id);
        if self.peers.remove(id).is_some() {
            self.tell_removed(id);
        }
    }

    pub(super) fn on_congestion(&mut self, id: LinkId, congested: bool) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let eased = std::mem::replace(&mut link.congested, congested) && !congested;
        if congested {
            link.limb.fill_up(self.now.tick);
        }
        if eased {
            self.resume_pieces(id);
            self.serve(id);
            self.compare_link(id);
            self.fetch(id);
            self.refill_anew();
        }
    }

    pub(super) fn on_frame(&mut self, id: LinkId, bytes: &Bytes) {
        self.hear_after_silence(id);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.traffic.frames_received += 1;
        link.traffic.bytes_received += bytes.len() as u64;
        if bytes.len() >= LARGE.min(link.limits.max_frame / 2) {
            // A longer pause is a pause, not a pace.
            let gap = self.now.tick.since(link.heard).min(MAX_PACE);
            link.pace = (link.pace * 3 + gap) / 4;
        }
        link.heard = self.now.tick;
        link.watch.is_deaf = false;
        let silent = std::mem::take(&mut link.missed) > 0;
        let peer = link.peer.clone();
        self.stats.traffic.frames_received += 1;
        self.stats.traffic.bytes_received += bytes.len() as u64;
        self.keep_touch();
        self.heard(id);
        match self.read(bytes) {
            Ok(Content::Whole(message)) => {
                let is_beat = matches!(message, Message::Beat(_));
                self.on_message(id, message);
                if !is_beat {
                    self.ask_who_is_back(id);
                }
            }
            Ok(Content::Piece(piece)) => self.on_piece(id, piece),
            Err(error) => self.bad_frame(id, peer.clone(), &error),
        }
        if silent {
            self.review(&peer);
            // Along trees beats compare.
            if !self.is_in_tree(id) {
                self.compare_link(id);
            }
        }
    }

    /// Reads a frame of any version we speak, whatever that of its link: it may be from before a handshake.
    pub(super) fn read(&self, bytes: &Bytes) -> Result<Content, WireError> {
        match wire::version_of(bytes) {
            Some(version) if version > self.max_version => Err(WireError::Version(version)),
            _ => wire::read(bytes),
        }
    }

    fn bad_frame(&mut self, link: LinkId, peer: NodeId, error: &WireError) {
        let version = matches!(error, WireError::Version(_));
        let reason = if version { DropReason::Version } else { DropReason::Malformed };
        self.drop_from(Some(peer), reason, error);
        // Hello tells both sides which versions would do; if that cannot be read, nothing can.
        if version && self.links.get(&link).is_some_and(|link| link.session.is_none()) {
            self.send_hello(link);
        }
    }

    pub(super) fn on_message(&mut self, id: LinkId, message: Message) {
        let Some(link) = self.links.get(&id) else { return };
        match message {
            Message::Hello(hello) => self.on_hello(id, hello),
            Message::Ping(number, paused) => self.on_ping(id, number, paused),
            Message::Pong(number, paused) => self.on_pong(id, number, paused),
            Message::PieceWant(want) => self.on_piece_want(id, &want),
            Message::Goodbye => {
                self.effects.push_back(Effect::Close { link: id });
                self.on_link_down(id);
            }
            // The other side may complete the handshake first; what it says is repeated, and our hello soon.
            _ if link.session.is_none() => self.hurry_hello(id),
            // From before a new handshake: members and others do not mix.
            _ if message.is_of_members() && self.spoken(id) < MEMBERS => {}
            Message::Channels(list) => self.on_channels(id, &list),
            Message::Matches(list) => self.on_matches(id, &list),
            Message::Rescan => self.scan(id),
            Message::Beacon(beacon) => self.on_beacon(id, &beacon),
            Message::Offer(offer) => self.on_offer(id, &offer),
            Message::Want(want) => self.on_want(id, want),
            Message::Delta(delta) | Message::Runs(delta) => self.on_delta(id, delta),
            Message::Ask(ask) => self.on_ask(id, &ask),
            Message::Back(back) => self.on_back(id, back),
            Message::Erase(erase) => self.on_erase(id, erase),
            Message::Erased(tag, serial) => self.on_told(id, tag, serial),
            Message::Paused(paused) => self.hear_paused(id, paused),
            Message::Equal(equal) => self.on_equal(id, &equal),
            Message::Sketch(sketch) => self.on_sketch(id, &sketch),
            Message::More(more) => self.on_more(id, &more),
            Message::Scope(scope) => self.on_scope(id, scope),
            Message::Push(push) => self.on_delta(id, push.into()),
            Message::Positions(positions) => self.on_positions(id, &positions),
            Message::Hashes(hashes) => self.on_hashes(id, &hashes),
            Message::Beat(beat) => self.on_beat(id, beat),
            Message::Look(look) => self.on_look(id, look),
            Message::Seen(seen) => self.on_seen(id, seen),
            Message::News(rows) => self.on_news(id, rows),
            Message::Table(table) => self.on_table(id, table),
            Message::States(states) => self.on_states(id, states),
            Message::Tree(tree) => self.on_tree(id, tree),
            Message::Have(have) => self.on_have(id, have),
            Message::Fresh(fresh) => self.on_fresh(id, fresh),
        }
    }

    /// Sends a message, in pieces if the link's frames are too small for it.
    pub(super) fn send(&mut self, id: LinkId, message: &Message, class: Class) {
        let Some(link) = self.links.get(&id) else { return };
        let version = if matches!(message, Message::Hello(_)) { OLDEST } else { self.spoken(id) };
        let frame = wire::write(message, version);
        if frame.len() > link.limits.max_frame {
            return self.send_in_pieces(id, frame);
        }
        self.send_frame(id, frame, class);
    }

    pub(super) fn send_frame(&mut self, id: LinkId, frame: super::Frame, class: Class) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let len = frame.len() as u64;
        for traffic in [&mut link.traffic, &mut self.stats.traffic] {
            traffic.frames_sent += 1;
            traffic.bytes_sent += len;
        }
        self.effects.push_back(Effect::Send { link: id, frame, class });
    }

    /// The version of a link's frames.
    pub(super) fn spoken(&self, id: LinkId) -> u8 {
        self.links.get(&id).and_then(|link| link.session.as_ref()).map_or(OLDEST, |session| session.version)
    }

    /// Links whose handshake is complete.
    pub(super) fn established(&self) -> impl Iterator<Item = LinkId> + '_ {
        self.links.iter().filter(|(_, link)| link.session.is_some()).map(|(id, _)| *id)
    }

    /// The shared state of a channel on a link, by tag.
    pub(super) fn shared_by_tag(&mut self, id: LinkId, tag: ChannelTag) -> Option<(ChannelId, &mut Shared)> {
        let session = self.links.get_mut(&id)?.session.as_mut()?;
        let channel = session.tags.get(&tag)?.clone();
        let shared = session.shared.get_mut(&channel)?;
        Some((channel, shared))
    }

    pub(super) fn shared(&mut self, id: LinkId, channel: &ChannelId) -> Option<&mut Shared> {
        self.links.get_mut(&id)?.session.as_mut()?.shared.get_mut(channel)
    }
}
