//! Messages larger than a frame go in pieces: the receiver asks for what it lacks.
//!
//! A message is named by its own hash, so a transfer goes on where it stopped when the same
//! message is sent again, also over another link. The sender sends the first pieces unasked; from
//! then on the receiver sets the pace, and asking again for what did not come is the same request.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};

use super::{DropReason, Frame, LinkId, Node, Timer};
use crate::wire::{self, Content, Message, Piece, PieceWant};
use crate::{NodeId, Tick};

/// Messages of several runs are filled up to this size even where frames are smaller: each piece
/// of a message is repeated by itself, but each message costs a round trip to begin.
pub(super) const MESSAGE: usize = 16 * 1024;
/// Pieces sent before the receiver asks, and their bytes, at most.
const FIRST: (u64, u64) = (16, 64 * 1024);
/// Pieces asked for and not received, and their bytes, at most.
const WINDOW: (u64, u64) = (32, 256 * 1024);
/// Messages to one peer kept for repetition.
const OUTGOING: usize = 16;
/// Messages from one peer being put together.
const INCOMING: usize = 8;
/// A message nobody continues is forgotten.
pub(super) const FORGET: Duration = Duration::from_secs(120);
/// For so long, late pieces of a message that is complete are expected,
const STRAGGLE: Duration = Duration::from_secs(5);
/// of so many messages.
const DONE: usize = 32;
/// So is one whose sender does not answer, after so many requests: it may not have it any more.
const TRIES: u32 = 10;
/// A longer pause between two pieces is a loss, not a pace.
const MAX_PACE: Duration = Duration::from_secs(2);
/// A peer may always hold so many bytes of unfinished messages here.
const FREE_PIECES: u64 = 1 << 20;
/// Ranges in one request.
const RANGES: usize = 8;

/// Messages to a peer that may be asked for again.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    kept: VecDeque<([u8; 8], Bytes)>,
    /// What was asked for while the link was congested.
    asked: Option<PieceWant>,
    /// When pieces were last asked for.
    heard: Option<Tick>,
}

impl Outgoing {
    /// Whether the peer is fetching a message, or was so long ago.
    pub(super) fn is_busy(&self, since: Tick) -> bool {
        self.heard.is_some_and(|heard| heard >= since)
    }
}

/// Messages from a peer that are not complete, and those that just were.
#[derive(Debug, Default)]
pub(super) struct Assemblies {
    open: BTreeMap<[u8; 8], Assembly>,
    /// Oldest first. Pieces asked for twice must not begin a finished message anew.
    done: VecDeque<([u8; 8], Tick)>,
}

/// One message that is not complete.
#[derive(Debug)]
struct Assembly {
    total: u64,
    /// By offset, without overlap.
    parts: BTreeMap<u64, Bytes>,
    held: u64,
    /// Everything before this was sent unasked or asked for.
    asked: u64,
    /// Where pieces came last. On another link the whole may count for nothing: not every channel and stream
    /// is exchanged on all of them.
    link: LinkId,
    unit: u64,
    tries: u32,
    touched: Tick,
    /// Smoothed pause between pieces: a slow link is not asked faster than it delivers.
    pace: Duration,
    /// When to ask again for what did not come.
    due: Tick,
}

impl Assemblies {
    /// Whether pieces of an unfinished message came since then.
    pub(super) fn is_busy(&self, since: Tick) -> bool {
        self.open.values().any(|assembly| assembly.touched >= since)
    }
}

impl Assembly {
    /// Takes a piece in; overlapping ones are ignored, the missing part is asked for again.
    fn insert(&mut self, offset: u64, bytes: &[u8]) -> bool {
        // Honest pieces are at least half a smallest frame, but for the ends of what was missing.
        if self.parts.len() as u64 > 2 * (self.total / 128) + 64 {
            return false;
        }
        let end = offset + bytes.len() as u64;
        let before = self.parts.range(..=offset).next_back().map_or(0, |(at, part)| at + part.len() as u64);
        let after = self.parts.range(offset..).next().map_or(self.total, |(at, _)| *at);
        if before > offset || end > after {
            return false;
        }
        self.held += bytes.len() as u64;
        // A copy: a small piece must not keep a large frame alive.
        self.parts.insert(offset, Bytes::copy_from_slice(bytes));
        true
    }

    /// What is missing before `limit`.
    fn missing(&self, limit: u64) -> Vec<(u64, u64)> {
        let (mut ranges, mut at) = (Vec::new(), 0);
        for (offset, part) in &self.parts {
            if *offset > at && at < limit {
                ranges.push((at, (*offset).min(limit) - at));
            }
            at = offset + part.len() as u64;
        }
        if at < limit {
            ranges.push((at, limit - at));
        }
        ranges
    }

    fn join(self) -> Bytes {
        let mut whole = BytesMut::with_capacity(self.held as usize);
        self.parts.values().for_each(|part| whole.extend_from_slice(part));
        whole.freeze()
    }
}

impl Node {
    pub(super) fn send_in_pieces(&mut self, id: LinkId, frame: Frame) {
        let whole = frame.into_bytes();
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let name = message_id(&whole);
        let bound = self.config.message_bytes.saturating_mul(2);
        let Some(Outgoing { kept, .. }) = self.peers.get_mut(&peer).map(|peer| &mut peer.outgoing) else {
            return;
        };
        let before = kept.len();
        kept.retain(|(other, _)| *other != name);
        let again = kept.len() < before;
        kept.push_back((name, whole.clone()));
        let mut bytes: usize = kept.iter().map(|(_, message)| message.len()).sum();
        while kept.len() > OUTGOING || bytes > bound && kept.len() > 1 {
            bytes -= kept.pop_front().map_or(0, |(_, message)| message.len());
        }
        // Of a message sent before the peer may hold most: one piece makes it ask for the rest.
        let unit = self.piece_len(id);
        self.send_range(id, name, &whole, 0, if again { unit } else { at_most(FIRST, unit) });
    }

    fn piece_len(&self, id: LinkId) -> u64 {
        self.links.get(&id).map_or(1, |link| (link.limits.max_frame - Piece::HEAD) as u64)
    }

    fn send_range(&mut self, id: LinkId, name: [u8; 8], whole: &Bytes, from: u64, len: u64) {
        let (total, unit, version) = (whole.len() as u64, self.piece_len(id), self.spoken(id));
        let end = from.saturating_add(len).min(total);
        let mut offset = from;
        while offset < end {
            let next = (offset + unit).min(end);
            let bytes = whole.slice(offset as usize..next as usize);
            let piece = Piece { id: name, total, offset, bytes };
            self.send_frame(id, wire::write_piece(&piece, version), super::Class::Bulk);
            offset = next;
        }
    }

    pub(super) fn on_piece_want(&mut self, id: LinkId, want: &PieceWant) {
        let Some(link) = self.links.get(&id) else { return };
        let (congested, peer) = (link.congested, link.peer.clone());
        let Some(outgoing) = self.peers.get_mut(&peer).map(|peer| &mut peer.outgoing) else { return };
        outgoing.heard = Some(self.now.tick);
        if congested {
            // A full outbox would drop them.
            let ranges = want.ranges.iter().take(RANGES).copied().collect();
            outgoing.asked = Some(PieceWant { id: want.id, ranges });
            return;
        }
        let found = outgoing.kept.iter().find(|(name, _)| *name == want.id);
        let Some(whole) = found.map(|(_, message)| message.clone()) else { return };
        let mut left = at_most(WINDOW, self.piece_len(id));
        for (offset, len) in want.ranges.iter().take(RANGES) {
            let len = (*len).min(left);
            self.send_range(id, want.id, &whole, *offset, len);
            left -= len;
        }
    }

    /// The link takes frames again: sends what was asked for meanwhile.
    pub(super) fn resume_pieces(&mut self, id: LinkId) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let asked = self.peers.get_mut(&peer).and_then(|peer| peer.outgoing.asked.take());
        if let Some(want) = asked {
            self.on_piece_want(id, &want);
        }
    }

    pub(super) fn on_piece(&mut self, id: LinkId, piece: Piece) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        if piece.total > self.config.message_bytes as u64 {
            return self.drop_from(Some(peer), DropReason::TooLarge, "a message in pieces over the bound");
        }
        if !self.has_room_for_pieces(&peer) {
            return self.drop_from(Some(peer), DropReason::Bound, "too many pieces of unfinished messages");
        }
        let (now, total, name) = (self.now.tick, piece.total, piece.id);
        let Some(Assemblies { open, done }) = self.peers.get_mut(&peer).map(|peer| &mut peer.assemblies)
        else {
            return;
        };
        if done.iter().any(|(old, at)| *old == name && now.since(*at) < STRAGGLE) {
            return;
        }
        make_room(open, &name, now);
        let unit = piece.bytes.len() as u64;
        let assembly = open.entry(name).or_insert_with(|| Assembly {
            total,
            parts: BTreeMap::new(),
            held: 0,
            asked: at_most(FIRST, unit).min(total),
            link: id,
            unit,
            tries: 0,
            touched: now,
            pace: Duration::ZERO,
            due: now,
        });
        if assembly.total != total || !assembly.insert(piece.offset, &piece.bytes) {
            return;
        }
        assembly.pace = (assembly.pace * 3 + now.since(assembly.touched).min(MAX_PACE)) / 4;
        (assembly.link, assembly.touched, assembly.tries) = (id, now, 0);
        assembly.unit = assembly.unit.max(unit);
        assembly.asked = assembly.asked.max(piece.offset + unit);
        let complete = assembly.held == total;
        self.extend_wants(id);
        if complete {
            return self.assembled(id, &peer, name);
        }
        self.ask_ahead(id, &peer, name);
    }

    /// A peer that has been away for long has to begin anew.
    fn forget_pieces(&mut self, peer: &NodeId) {
        if let Some(peer) = self.peers.get_mut(peer).filter(|peer| peer.links.is_empty()) {
            (peer.assemblies, peer.outgoing) = (Assemblies::default(), Outgoing::default());
        }
    }

    /// Unfinished messages of all peers together are bounded; whoever holds little is not asked.
    /// The peer over the bound loses what stood still the longest.
    fn has_room_for_pieces(&mut self, peer: &NodeId) -> bool {
        let held = |peer: &super::Peer| peer.assemblies.open.values().map(|open| open.held).sum::<u64>();
        let own = self.peers.get(peer).map_or(0, held);
        let bound = 2 * self.config.message_bytes as u64;
        if own < FREE_PIECES || self.peers.values().map(held).sum::<u64>() < bound {
            return true;
        }
        let Some(Assemblies { open, .. }) = self.peers.get_mut(peer).map(|peer| &mut peer.assemblies) else {
            return false;
        };
        let stalest = open.iter().min_by_key(|(_, assembly)| assembly.touched).map(|(name, _)| *name);
        stalest.map(|stalest| open.remove(&stalest));
        false
    }

    /// Asks for the next pieces before the ones on their way have all come.
    fn ask_ahead(&mut self, id: LinkId, peer: &NodeId, name: [u8; 8]) {
        let Some(assembly) = self.peers.get_mut(peer).and_then(|peer| peer.assemblies.open.get_mut(&name))
        else {
            return;
        };
        let on_their_way = assembly.asked.saturating_sub(assembly.held);
        let half = at_most((WINDOW.0 / 2, WINDOW.1 / 2), assembly.unit);
        if assembly.asked < assembly.total && on_their_way <= half {
            let upto = assembly.total.min(assembly.asked + half);
            let ranges = vec![(assembly.asked, upto - assembly.asked)];
            assembly.asked = upto;
            self.send(id, &Message::PieceWant(PieceWant { id: name, ranges }), super::Class::Urgent);
        }
        let Some(timeout) = self.links.get(&id).map(|link| link.rtt.timeout()) else { return };
        let Some(assembly) = self.peers.get_mut(peer).and_then(|peer| peer.assemblies.open.get_mut(&name))
        else {
            return;
        };
        assembly.due = self.now.tick + timeout.max(assembly.pace * 4);
        self.timers.bring_forward(Timer::Pieces(peer.clone()), assembly.due);
    }

    fn assembled(&mut self, id: LinkId, peer: &NodeId, name: [u8; 8]) {
        let now = self.now.tick;
        let Some(Assemblies { open, done }) = self.peers.get_mut(peer).map(|peer| &mut peer.assemblies)
        else {
            return;
        };
        let Some(whole) = open.remove(&name).map(Assembly::join) else { return };
        done.push_back((name, now));
        if done.len() > DONE {
            done.pop_front();
        }
        if message_id(&whole) != name {
            return self.drop_from(
                Some(peer.clone()),
                DropReason::Malformed,
                "pieces that do not make the message",
            );
        }
        match self.read(&whole) {
            Ok(Content::Whole(message)) => self.on_message(id, message),
            Ok(Content::Piece(_)) => {
                self.drop_from(Some(peer.clone()), DropReason::Malformed, "pieces of pieces")
            }
            Err(error) => self.drop_from(Some(peer.clone()), DropReason::Malformed, error),
        }
    }

    /// Asks again for what did not come. Each message has its own time: others that flow must not
    /// put it off.
    pub(super) fn repeat_pieces(&mut self, peer: &NodeId) {
        let Some(primary) = self.primary(peer) else { return self.forget_pieces(peer) };
        let (now, links) = (self.now.tick, &self.links);
        let answers = |id: &LinkId| links.get(id).is_some_and(|link| link.peer == *peer && link.is_open());
        let Some(Assemblies { open, .. }) = self.peers.get_mut(peer).map(|peer| &mut peer.assemblies) else {
            return;
        };
        open.retain(|_, assembly| now.since(assembly.touched) < FORGET && assembly.tries < TRIES);
        let mut wants = Vec::new();
        for (name, assembly) in open.iter_mut().filter(|(_, assembly)| assembly.due <= now) {
            assembly.tries += 1;
            let id = Some(assembly.link).filter(answers).unwrap_or(primary);
            let Some(link) = links.get(&id) else { continue };
            let again = link.rtt.backoff(assembly.tries, Duration::from_secs(5)).max(assembly.pace * 4);
            assembly.due = now + self.rng.jitter(again);
            let mut ranges = assembly.missing(assembly.asked);
            ranges.truncate(RANGES);
            if !ranges.is_empty() {
                wants.push((id, PieceWant { id: *name, ranges }));
            }
        }
        if let Some(next) = open.values().map(|assembly| assembly.due).min() {
            self.timers.set(Timer::Pieces(peer.clone()), next);
        }
        for (id, want) in wants {
            self.send(id, &Message::PieceWant(want), super::Class::Urgent);
        }
    }
}

/// So many pieces of this length, within the bytes; at least one.
fn at_most((pieces, bytes): (u64, u64), unit: u64) -> u64 {
    (bytes / unit.max(1)).clamp(1, pieces) * unit
}

/// Names a message by its bytes.
fn message_id(whole: &[u8]) -> [u8; 8] {
    let mut id = [0; 8];
    id.copy_from_slice(&blake3::hash(whole).as_bytes()[..8]);
    id
}

/// Forgets the message that stood still the longest when there are too many.
fn make_room(open: &mut BTreeMap<[u8; 8], Assembly>, name: &[u8; 8], now: Tick) {
    open.retain(|_, assembly| now.since(assembly.touched) < FORGET);
    if open.len() >= INCOMING && !open.contains_key(name) {
        let oldest = open.iter().min_by_key(|(_, assembly)| assembly.touched).map(|(name, _)| *name);
        oldest.map(|oldest| open.remove(&oldest));
    }
}
