//! The handshake of a link: who is there, in which version, and who initiates.
//!
//! Both sides say hello with a fresh nonce and repeat until they heard their own nonce echoed; so
//! it completes however many frames are lost, doubled or swapped. The larger nonce initiates what
//! follows. A later scheme adds its authentication step between echo and session.

use std::time::Duration;

use super::session::Session;
use super::{Class, DropReason, Effect, LinkId, Node, NodeState, Timer};
use crate::NodeId;
use crate::wire::{Hello, Message, Nonce, WIRE_VERSIONS};

/// The version in which hellos are said: whoever speaks any can read it.
pub(super) const OLDEST: u8 = *WIRE_VERSIONS.start();

/// The scheme without authentication: the peer is who it says, or who the transport says.
const PLAIN: u8 = 0;

/// How far a handshake has come.
#[derive(Debug)]
pub(super) struct Handshake {
    nonce: Nonce,
    theirs: Option<Nonce>,
    /// They echoed ours.
    complete: bool,
    tries: u32,
    /// When it was last said without being asked: answers to that come after a round trip.
    sent: crate::Tick,
}

impl Handshake {
    pub(super) fn new(random: [u8; 32]) -> Self {
        let mut nonce = [0; 16];
        nonce.copy_from_slice(&random[..16]);
        Self { nonce: Nonce(nonce), theirs: None, complete: false, tries: 0, sent: crate::Tick(0) }
    }
}

/// Nobody is there who was dialled for the group and does not answer so many hellos, about three seconds. Other links
/// are for the transport to give up.
const GREETINGS: u32 = 5;
/// So many hellos are said before pauses become long.
const PATIENT: u32 = 8;
/// The first pause between two hellos, and the one once the other side is known to wait.
const SOON: Duration = Duration::from_millis(200);

impl Node {
    /// Says hello, and again until the handshake is complete.
    pub(super) fn repeat_hello(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id).filter(|link| link.session.is_none()) else { return };
        if link.watch.is_dialled && link.handshake.tries >= GREETINGS {
            self.effects.push_back(Effect::Close { link: id });
            return self.on_link_down(id);
        }
        // Who is starting answers soon; who did not for a while may not be there.
        let most = if link.handshake.tries < PATIENT { 2 } else { 5 };
        let again = link
            .rtt
            .backoff(link.handshake.tries, Duration::from_secs(4))
            .min(SOON * (1 << link.handshake.tries.min(most)));
        link.handshake.tries += 1;
        link.handshake.sent = self.now.tick;
        let again = self.rng.jitter(again);
        self.set_timer(Timer::Hello(id), again);
        self.send_hello(id);
    }

    /// The other side has completed the handshake and waits for us: its answer was lost.
    pub(super) fn hurry_hello(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let at = link.handshake.sent + SOON;
        self.timers.bring_forward(Timer::Hello(id), at);
    }

    pub(super) fn send_hello(&mut self, id: LinkId) {
        let Some(link) = self.links.get(&id) else { return };
        let hello = Hello {
            min_version: OLDEST,
            max_version: self.max_version,
            node: self.record.id.clone(),
            scheme: PLAIN,
            nonce: link.handshake.nonce,
            echo: link.handshake.theirs,
            complete: link.handshake.complete,
            paused: self.state == NodeState::Paused,
        };
        self.send(id, &Message::Hello(hello), Class::Urgent);
    }

    pub(super) fn on_hello(&mut self, id: LinkId, hello: Hello) {
        let Some(link) = self.links.get_mut(&id) else { return };
        if let Err((reason, detail)) = acceptable(&hello, &link.peer, self.max_version) {
            let peer = link.peer.clone();
            self.drop_from(Some(peer), reason, detail);
            self.effects.push_back(Effect::Close { link: id });
            return self.on_link_down(id);
        }
        let handshake = &mut link.handshake;
        if handshake.theirs != Some(hello.nonce) {
            // New, or the other side began anew on the same link.
            handshake.theirs = Some(hello.nonce);
            if handshake.complete {
                handshake.complete = false;
                handshake.tries = 0;
                self.end_session(id);
            }
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        let handshake = &mut link.handshake;
        let first = hello.echo == Some(handshake.nonce) && !handshake.complete;
        if first {
            handshake.complete = true;
            // What was said twice may be answered once (Karn, Partridge 1987), and an answer to what they asked is none.
            if handshake.tries == 1 {
                link.rtt.sample(self.now.tick.since(handshake.sent));
            }
        }
        let peer = link.peer.clone();
        if let Some(peer) = self.peers.get_mut(&peer) {
            peer.paused = hello.paused;
        }
        if first && !self.judge_trial(id) {
            return;
        }
        if !hello.complete {
            self.send_hello(id);
        }
        if first {
            self.begin_session(id, hello.nonce, hello.max_version.min(self.max_version));
        }
    }

    fn begin_session(&mut self, id: LinkId, theirs: Nonce, version: u8) {
        self.timers.cancel(&Timer::Hello(id));
        let Some(link) = self.links.get_mut(&id) else { return };
        let ours = link.handshake.nonce;
        let initiator = ours > theirs;
        let (us, peer) = (self.record.id.clone(), link.peer.clone());
        let (first, second) =
            if initiator { ((ours, &us), (theirs, &peer)) } else { ((theirs, &peer), (ours, &us)) };
        let transcript = transcript(first, second);
        link.missed = 0;
        link.watch.begin_anew();
        let session = Session::new(initiator, version, transcript, link.listed);
        self.open_session(id, session);
        self.probe(id);
        self.introduce(id);
        self.review(&peer);
        self.begin_scan(id);
        // What came in pieces over an earlier link goes on over this one.
        self.timers.bring_forward(Timer::Pieces(peer), self.now.tick);
    }

    fn end_session(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let peer = link.peer.clone();
        link.listed = link.session.as_ref().map_or(link.listed, |session| session.listed);
        let session = link.session.take();
        self.lost_session(&peer);
        for channel in session.iter().flat_map(|session| session.shared.keys()) {
            self.timers.cancel(&Timer::Round(id, channel.clone()));
            self.timers.cancel(&Timer::Tell(id, channel.clone()));
        }
        self.timers.cancel(&Timer::Scan(id));
        self.timers.cancel(&Timer::Wants(id));
        self.timers.cancel(&Timer::Search(id));
        self.fetches.forget_link(id);
        self.exchanges.forget_link(id);
        self.refills.forget_link(id);
        self.forks.forget_link(id);
        self.deliveries.forget_link(id);
        self.tend_callers();
        self.fetch_starved();
        self.set_timer(Timer::Hello(id), SOON);
        self.review(&peer);
        self.speak_elsewhere(&peer);
    }
}

fn acceptable(hello: &Hello, peer: &NodeId, newest: u8) -> Result<(), (DropReason, String)> {
    if hello.min_version > newest || hello.max_version < OLDEST || hello.min_version > hello.max_version {
        let (theirs, ours) = (hello.min_version..=hello.max_version, OLDEST..=newest);
        return Err((
            DropReason::Version,
            format!("the peer speaks wire versions {theirs:?}, this node {ours:?}"),
        ));
    }
    if hello.scheme != PLAIN {
        return Err((DropReason::Version, format!("unknown authentication scheme {}", hello.scheme)));
    }
    if hello.node != *peer {
        return Err((
            DropReason::Identity,
            format!("the link leads to {peer}, the hello says {}", hello.node),
        ));
    }
    Ok(())
}

/// What both sides said, in one hash: proofs made under it are worth nothing elsewhere.
fn transcript(first: (Nonce, &NodeId), second: (Nonce, &NodeId)) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key("gossip 1 hello transcript");
    for (nonce, node) in [first, second] {
        hasher.update(&nonce.0);
        hasher.update(&(node.as_str().len() as u32).to_le_bytes());
        hasher.update(node.as_str().as_bytes());
    }
    *hasher.finalize().as_bytes()
}
