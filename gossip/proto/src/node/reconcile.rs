//! What is done when digests differ: sketches are compared until it is known which logs differ, then
//! whoever holds more of them gives it at once.
//!
//! A sketch is also a want: it says how much its sender has room for. The side that holds less sends cells,
//! the other one decodes and gives, so that no log has to be asked for by name. Every message stands for
//! itself: one that is lost or late costs a round. Where heights are cheaper, and where sketches
//! fail, all heights are offered.

use std::collections::BTreeMap;
use std::time::Duration;

use super::sketches::View;
use super::{Class, LinkId, Node, Timer};
use crate::sketch::{self, Cell, Found, Kind, MAX_CELLS, PROBE_CELLS, Sketch, cells_for, changed, peel};
use crate::wire::{DigestTag, Equal, Message, More, SketchMessage};
use crate::{ChannelId, LogId, Seq, Tick};

/// What was begun is forgotten after so long,
const FORGET: Duration = Duration::from_secs(10);
/// and the oldest when there are more than so many, over all links.
const EXCHANGES: usize = 64;
/// Logs given for one sketch.
const GIVEN: usize = 4096;
/// Bytes of a height in an offer; of a cell.
const OFFERED: u64 = 27;
const CELL: u64 = 12;
/// More differences than this are not told by as many cells as there are.
const MOST: u64 = 1400;
/// After so many failures in a row a link's sketches are not looked at
const FAILURES: u32 = 3;
/// for so long.
const SHUNNED: Duration = Duration::from_secs(600);

/// What was begun and is not over, on all links.
#[derive(Debug, Default)]
pub(super) struct Exchanges {
    open: BTreeMap<(LinkId, ChannelId), Exchange>,
}

/// A comparison by sketches of a channel with a peer.
#[derive(Debug)]
struct Exchange {
    serial: u32,
    /// KiB that the peer may give at once.
    room: u32,
    since: Tick,
    /// Whether we began it.
    probed: bool,
    /// Cells of theirs that were not enough, of the state they were of.
    held: Option<(DigestTag, Kind, Vec<Cell>)>,
    /// When cells were last sent because they were not enough.
    more: Option<Tick>,
}

impl Exchanges {
    fn get(&mut self, id: LinkId, name: &ChannelId) -> Option<&mut Exchange> {
        self.open.get_mut(&(id, name.clone()))
    }

    fn begin(&mut self, id: LinkId, name: &ChannelId, exchange: Exchange) {
        self.open.insert((id, name.clone()), exchange);
        if self.open.len() > EXCHANGES {
            let oldest = self.open.iter().min_by_key(|(_, exchange)| exchange.since).map(|(key, _)| key.clone());
            oldest.iter().for_each(|key| _ = self.open.remove(key));
        }
    }

    pub(super) fn forget_link(&mut self, id: LinkId) {
        self.open.retain(|(link, _), _| *link != id);
    }
}
