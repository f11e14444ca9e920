//! Comparisons by sketches that were begun and are not over: one book over all links.
//!
//! Nothing in it is needed: what is forgotten costs a round.

use std::collections::BTreeMap;

use super::LinkId;
use crate::sketch::{Cell, Kind};
use crate::wire::{DigestTag, SketchMessage};
use crate::{ChannelId, Tick};

/// More at once are not remembered, over all links.
const EXCHANGES: usize = 64;

/// A comparison of a channel with a peer.
#[derive(Debug)]
pub(super) struct Exchange {
    /// Both sides call it so.
    pub(super) serial: u32,
    pub(super) kind: Kind,
    /// Bytes that the peer may give at once.
    pub(super) room: usize,
    /// Whether we began it.
    pub(super) probed: bool,
    /// When we spoke last.
    pub(super) spoke: Tick,
    /// The digest we last said in it, in short.
    pub(super) said: Option<[u8; 8]>,
    /// When we last sent more cells, and up to which.
    pub(super) more: Option<(Tick, u32)>,
    /// Their first cells, which were not enough, and the state they are of.
    pub(super) held: Option<(DigestTag, Vec<Cell>)>,
}

/// All of them, one for each channel of a link at most.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: BTreeMap<(LinkId, ChannelId), Exchange>,
    /// Sketches of theirs that wait until ours is made.
    waiting: BTreeMap<(LinkId, ChannelId), SketchMessage>,
}

impl Exchanges {
    pub(super) fn get(&mut self, id: LinkId, name: &ChannelId) -> Option<&mut Exchange> {
        self.open.get_mut(&(id, name.clone()))
    }

    /// Remembers one; the one that was silent for the longest time makes room for it.
    pub(super) fn begin(&mut self, id: LinkId, name: &ChannelId, exchange: Exchange) {
        let oldest = self.open.iter().min_by_key(|(_, exchange)| exchange.spoke).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest.filter(|_| self.open.len() >= EXCHANGES) {
            self.open.remove(&oldest);
        }
        self.open.insert((id, name.clone()), exchange);
    }

    pub(super) fn end(&mut self, id: LinkId, name: &ChannelId) -> Option<Exchange> {
        self.open.remove(&(id, name.clone()))
    }

    /// A sketch that cannot be compared yet.
    pub(super) fn wait(&mut self, id: LinkId, name: &ChannelId, sketch: SketchMessage) {
        if self.waiting.len() >= EXCHANGES {
            self.waiting.pop_first();
        }
        self.waiting.insert((id, name.clone()), sketch);
    }

    /// What waited for the sketch of a channel.
    pub(super) fn waited(&mut self, name: &ChannelId) -> Vec<(LinkId, SketchMessage)> {
        let of = |(key, _): &(&(LinkId, ChannelId), &SketchMessage)| key.1 == *name;
        let keys: Vec<_> = self.waiting.iter().filter(of).map(|(key, _)| key.clone()).collect();
        keys.iter().filter_map(|key| Some((key.0, self.waiting.remove(key)?))).collect()
    }

    pub(super) fn forget_link(&mut self, id: LinkId) {
        self.open.retain(|(link, _), _| *link != id);
        self.waiting.retain(|(link, _), _| *link != id);
    }
}
