//! Which channels two nodes share, told to nobody who does not share them.
//!
//! The initiator lists proofs MAC(channel secret, transcript, role, prover); the responder answers
//! with its own proofs for those it shares. Whoever does not know a channel learns from a proof
//! only that there is one channel more.

use std::time::Duration;

use super::serve::Serving;
use super::session::Session;
use super::shared::Shared;
use super::{Class, DropReason, LinkId, Node, Timer};
use crate::digest::keyed;
use crate::wire::{ChannelTag, Channels, Matches, Message, Proof, SessionTag};
use crate::{ChannelId, NodeId};
use std::collections::{BTreeMap, BTreeSet};

/// Channels told on a link, at most.
const MAX_CHANNELS: usize = 64 * 1024;
/// Lists are compared again at most this often for a peer that speaks of unknown channels.
const RESCAN: Duration = Duration::from_secs(2);
/// Changes of the list within this time are told together.
const GATHER: Duration = Duration::from_millis(2);

impl Session {
    pub(super) fn new(initiator: bool, version: u8, transcript: [u8; 32], listed: u64) -> Self {
        Self {
            initiator,
            version,
            transcript,
            listed,
            answered: listed,
            heard: 0,
            outdated: 0,
            scanned: crate::Tick(0),
            list_tries: 0,
            shared: BTreeMap::new(),
            tags: BTreeMap::new(),
            serving: Serving::default(),
            turn: None,
        }
    }

    /// Our channels are to be told anew.
    fn list(&mut self) {
        self.listed += 1;
        self.list_tries = 0;
        self.outdated = self.heard;
    }

    pub(super) fn tag(&self) -> SessionTag {
        let mut tag = [0; 8];
        tag.copy_from_slice(&self.transcript[..8]);
        SessionTag(tag)
    }

    fn proof(&self, secret: &[u8; 32], by_initiator: bool, prover: &NodeId) -> Proof {
        let role: &[u8] = if by_initiator { b"initiator" } else { b"responder" };
        let hash =
            keyed(secret, b"gossip-channel-proof-1", &[&self.transcript, role, prover.as_str().as_bytes()]);
        let mut proof = [0; 16];
        proof.copy_from_slice(&hash[..16]);
        Proof(proof)
    }
}

/// What two nodes call a channel between them, on every link.
fn tag(secret: &[u8; 32], one: &NodeId, other: &NodeId) -> ChannelTag {
    let (low, high) = (one.min(other).as_str().as_bytes(), one.max(other).as_str().as_bytes());
    let hash = keyed(secret, b"gossip-channel-tag-1", &[low, high]);
    let mut tag = [0; 8];
    tag.copy_from_slice(&hash[..8]);
    ChannelTag(tag)
}

impl Node {
    /// Tells the peer our channels, or asks it to tell its own.
    pub(super) fn scan(&mut self, id: LinkId) {
        if let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) {
            session.list();
            self.repeat_scan(id);
        }
    }

    /// The initiator tells its channels. The other side asks for them only if they do not come: if it did
    /// at once, that would cross the list and make it out of date.
    pub(super) fn begin_scan(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let wait = link.rtt.timeout();
        let Some(session) = link.session.as_mut() else { return };
        if session.initiator {
            return self.scan(id);
        }
        session.list();
        self.set_timer(Timer::Scan(id), wait);
    }

    /// A peer speaks of a channel that is not shared on this link: one side missed something.
    pub(super) fn rescan(&mut self, id: LinkId) {
        let now = self.now.tick;
        let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) else { return };
        if now.since(session.scanned) >= RESCAN {
            session.scanned = now;
            self.scan(id);
        }
    }

    /// As [`Node::scan`], after a moment: many channels made at once are told together.
    fn scan_soon(&mut self, id: LinkId) {
        if let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) {
            session.list();
            self.timers.bring_forward(Timer::Scan(id), self.now.tick + GATHER);
        }
    }

    pub(super) fn repeat_scan(&mut self, id: LinkId) {
        let listed = self.listed(id);
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(session) = link.session.as_mut() else { return };
        if session.answered == session.listed {
            return;
        }
        let again = link.rtt.backoff(session.list_tries, Duration::from_secs(2));
        session.list_tries += 1;
        let message = if session.initiator {
            let proofs = listed.iter().map(|(_, secret)| session.proof(secret, true, &self.record.id));
            let mut proofs: Vec<Proof> = proofs.take(MAX_CHANNELS).collect();
            proofs.sort_unstable();
            Message::Channels(Channels { session: session.tag(), serial: session.listed, proofs })
        } else {
            Message::Rescan
        };
        let again = self.rng.jitter(again);
        self.set_timer(Timer::Scan(id), again);
        self.send(id, &message, Class::Urgent);
    }

    pub(super) fn on_channels(&mut self, id: LinkId, list: &Channels) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(session) = link.session.as_mut().filter(|session| !session.initiator) else { return };
        if list.session != session.tag() {
            return;
        }
        if list.proofs.len() > MAX_CHANNELS {
            let peer = link.peer.clone();
            return self.drop_from(Some(peer), DropReason::Bound, "too many channels");
        }
        if list.serial < session.heard {
            // An older list that was overtaken.
            return;
        }
        let missed = session.heard > 0 && list.serial > session.heard + 1;
        session.heard = list.serial;
        // A list from before our last change answers nothing: the next one will.
        if list.serial > session.outdated {
            session.answered = session.listed;
            self.timers.cancel(&Timer::Scan(id));
        }
        let listed = self.listed(id);
        let Some(link) = self.links.get(&id) else { return };
        let Some(session) = link.session.as_ref() else { return };
        let theirs: BTreeSet<&Proof> = list.proofs.iter().collect();
        let mut matched = BTreeSet::new();
        let mut proofs = Vec::new();
        for (name, secret) in listed {
            if theirs.contains(&session.proof(&secret, true, &link.peer)) {
                matched.insert(name);
                proofs.push(session.proof(&secret, false, &self.record.id));
            }
        }
        let (session, serial, turn) = (list.session, list.serial, session.listed);
        let matches = Matches { session, serial, turn, proofs };
        self.send(id, &Message::Matches(matches), Class::Urgent);
        self.share(id, &matched);
        if missed {
            self.share_again(id);
        }
    }

    pub(super) fn on_matches(&mut self, id: LinkId, list: &Matches) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(session) = link.session.as_mut().filter(|session| session.initiator) else { return };
        let current = list.session == session.tag() && list.serial == session.listed;
        if !current || list.turn < session.heard {
            return;
        }
        let missed = session.heard > 0 && list.turn > session.heard + 1;
        (session.answered, session.heard) = (list.serial, list.turn);
        let listed = self.listed(id);
        let Some(link) = self.links.get(&id) else { return };
        let Some(session) = link.session.as_ref() else { return };
        let theirs: BTreeSet<&Proof> = list.proofs.iter().collect();
        let proven = |(_, secret): &(_, [u8; 32])| theirs.contains(&session.proof(secret, false, &link.peer));
        let matched = listed.into_iter().filter(proven).map(|(name, _)| name).collect();
        self.timers.cancel(&Timer::Scan(id));
        self.share(id, &matched);
        if missed {
            self.share_again(id);
        }
    }

    /// A list of the peer was lost, which may have left out a channel that is back by now: the peer may have
    /// forgotten all it knew of any.
    fn share_again(&mut self, id: LinkId) {
        let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) else { return };
        let names: Vec<ChannelId> = session.shared.keys().cloned().collect();
        names.iter().for_each(|name| self.meet_again(id, name));
    }

    /// Makes exactly these channels the shared ones of a link.
    fn share(&mut self, id: LinkId, matched: &BTreeSet<ChannelId>) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(session) = link.session.as_mut() else { return };
        let gone: Vec<ChannelId> =
            session.shared.keys().filter(|name| !matched.contains(*name)).cloned().collect();
        for name in &gone {
            if let Some(shared) = session.shared.remove(name) {
                session.tags.remove(&shared.tag);
            }
            self.channels.get_mut(name).into_iter().for_each(|channel| channel.scopes.forget(id));
            if let Some(exchange) = self.exchanges.end(id, name) {
                self.fetches.end(id, exchange.serial.into());
            }
            self.timers.cancel(&Timer::Round(id, name.clone()));
            self.timers.cancel(&Timer::Tell(id, name.clone()));
        }
        let (mut new, was_stranger) = (Vec::new(), session.shared.is_empty());
        for name in matched {
            let Some(channel) = self.channels.get(name) else { continue };
            if !session.shared.contains_key(name) {
                let tag = tag(&channel.secret, &self.record.id, &link.peer);
                session.tags.insert(tag, name.clone());
                session.shared.insert(name.clone(), Shared::new(id, tag, session.initiator, self.now.tick));
                new.push(name.clone());
            }
        }
        self.waiters.look_again();
        self.fetch_starved();
        if was_stranger && !new.is_empty() {
            self.became_companion(id);
        }
        for name in &new {
            self.waiters.begin_anew(id, name);
            self.begin_scope(id, name);
            self.greet(id, name);
        }
        for name in &new {
            self.tell_all_erasures(id, name);
        }
        gone.iter().chain(&new).for_each(|name| self.let_others_speak(id, name));
        if !new.is_empty() {
            self.refill_anew();
        }
    }

    /// Our channels changed: every peer is told, and forgets what is no longer shared.
    pub(super) fn channels_changed(&mut self) {
        let links: Vec<LinkId> = self.established().collect();
        links.into_iter().for_each(|id| self.relist(id));
    }

    /// As [`Node::channels_changed`], on one link.
    pub(super) fn relist(&mut self, id: LinkId) {
        if let Some(session) = self.links.get(&id).and_then(|link| link.session.as_ref()) {
            let names = session.shared.keys();
            let kept = names.filter(|name| self.channels.contains_key(*name) && self.is_chosen(id, name));
            let kept = kept.cloned().collect();
            self.share(id, &kept);
        }
        self.scan_soon(id);
    }
}
