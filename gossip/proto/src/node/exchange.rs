//! Comparisons by sketches that were begun and are not over: one book over all links.
//!
//! Nothing in it is needed: what is forgotten costs a round.

use std::collections::BTreeMap;

use super::LinkId;
use crate::sketch::{Cell, Kind};
use crate::wire::DigestTag;
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
    /// When we last sent more cells.
    pub(super) more: Option<Tick>,
    /// Their first cells, which were not enough, and the state they are of.
    pub(super) held: Option<(DigestTag, Vec<Cell>)>,
}

/// All of them, one for each channel of a link at most.
#[derive(Debug, Default)]
pub(super) struct Exchanges(BTreeMap<(LinkId, ChannelId), Exchange>);

impl Exchanges {
    pub(super) fn get(&mut self, id: LinkId, name: &ChannelId) -> Option<&mut Exchange> {
        self.0.get_mut(&(id, name.clone()))
    }

    /// Remembers one; the one that was silent for the longest time makes room for it.
    pub(super) fn begin(&mut self, id: LinkId, name: &ChannelId, exchange: Exchange) {
        let oldest = self.0.iter().min_by_key(|(_, exchange)| exchange.spoke).map(|(key, _)| key.clone());
        if let Some(oldest) = oldest.filter(|_| self.0.len() >= EXCHANGES) {
            self.0.remove(&oldest);
        }
        self.0.insert((id, name.clone()), exchange);
    }

    pub(super) fn end(&mut self, id: LinkId, name: &ChannelId) -> Option<Exchange> {
        self.0.remove(&(id, name.clone()))
    }

    pub(super) fn forget_link(&mut self, id: LinkId) {
        self.0.retain(|(link, _), _| *link != id);
    }
}
