//! Sketches: what differs between two large sets, found from little more than the difference.
//!
//! A replica of a channel is a set of items: each log at its height, and each stream. A sketch is a
//! sequence of cells, sums of items of which each is in fewer and fewer; the difference of two
//! replicas' cells is the sketch of what differs alone, and so many cells as 1.4 times what differs
//! tell what it is, however much both hold. Cells may be sent a few at a time, and are the same for
//! every peer (Yang, Gilad, Alizadeh: "Practical Rateless Set Reconciliation", 2024). How many will
//! be needed is estimated beforehand from counters (Alon, Matias, Szegedy: "The space complexity of
//! approximating the frequency moments", 1996).
//!
//! Nothing here knows of nodes, and everything is computed in integers: the same on every machine.

mod cells;
mod estimate;
mod peel;
#[cfg(test)]
mod tests;

pub use self::cells::Cell;
pub use self::estimate::COUNTERS;
pub(crate) use self::estimate::{cells_for, changed};
pub(crate) use self::peel::{Found, peel};
use crate::digest::keyed;
use crate::wire::StreamKey;
use crate::{LogId, Seq, digest::Sum};

/// Cells of a sketch, at most: enough for 1,400 differences; beyond, all heights are cheaper.
pub const MAX_CELLS: usize = 2048;
/// Cells sent before it is known that anything differs: one difference needs one.
pub(crate) const PROBE_CELLS: usize = 2;

const LOG: &[u8] = b"gossip-sketch-log-1";
const STREAM: &[u8] = b"gossip-sketch-stream-1";
/// Bits of an item's name that check the others.
const CHECK_BITS: u32 = 21;

/// What of its items a sketch sums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Heights: tells who holds more of a log, and how much.
    Heights = 0,
    /// Hashes: tells which logs differ in whatever way.
    Hashes = 1,
}

/// A log or a stream as a member of the set that is compared.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item {
    /// Its short name, 61 bits: the first 40 of the id, and 21 that check them.
    x: u64,
    height: u64,
    /// The keyed hash that the digest sums.
    raw: [u8; 32],
    is_log: bool,
}

impl Item {
    /// A log at a height; `None` for one that holds nothing, which is as good as unknown.
    /// `sum` is its part of the digest.
    pub(crate) fn log(secret: &[u8; 32], log: LogId, height: Seq, sum: &Sum) -> Option<Self> {
        (height > 0).then(|| Self { x: log_x(secret, log), height, raw: sum.bytes(), is_log: true })
    }

    /// A stream that exists: `sum` is its part of the digest without logs.
    pub(crate) fn stream(secret: &[u8; 32], key: StreamKey, sum: &Sum) -> Self {
        Self { x: stream_x(secret, key), height: 1, raw: sum.bytes(), is_log: false }
    }

    fn value(&self, kind: Kind) -> u64 {
        let [_, _, _, _, _, _, a, b, c, d, ..] = self.raw;
        match kind {
            Kind::Heights => self.height,
            // Behind the bits the estimate is made of. One less than 32: differences have a sign.
            Kind::Hashes => u64::from(u32::from_le_bytes([a, b, c, d]) >> 1),
        }
    }
}

/// The sketch of a set: add and remove items at any time, in any order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sketch {
    kind: Kind,
    cells: Vec<Cell>,
    counters: [i16; COUNTERS],
    logs: u64,
}

impl Sketch {
    /// Of nothing.
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind, cells: vec![Cell::default(); MAX_CELLS], counters: [0; COUNTERS], logs: 0 }
    }

    pub(crate) fn add(&mut self, item: &Item) {
        self.put(item, 1);
    }

    pub(crate) fn remove(&mut self, item: &Item) {
        self.put(item, -1);
    }

    fn put(&mut self, item: &Item, sign: i64) {
        cells::put(&mut self.cells, item.x, item.value(self.kind), sign);
        estimate::put(&mut self.counters, &item.raw, sign);
        self.logs = self.logs.wrapping_add_signed(if item.is_log { sign } else { 0 });
    }

    /// The cells `from..upto`, as far as there are any.
    pub(crate) fn cells(&self, from: usize, upto: usize) -> &[Cell] {
        let upto = upto.min(self.cells.len());
        &self.cells[from.min(upto)..upto]
    }

    /// What [`changed`] compares.
    pub(crate) fn estimate(&self) -> [i16; COUNTERS] {
        self.counters
    }

    /// How many logs are in it.
    pub(crate) fn logs(&self) -> u64 {
        self.logs
    }
}

/// The short name of a log.
pub(crate) fn log_x(secret: &[u8; 32], log: LogId) -> u64 {
    let [a, b, c, d, e, ..] = log.0;
    checked(secret, LOG, [a, b, c, d, e])
}

/// The short name of a stream.
pub(crate) fn stream_x(secret: &[u8; 32], key: StreamKey) -> u64 {
    let [a, b, c, d, e, ..] = key.0;
    checked(secret, STREAM, [a, b, c, d, e])
}

/// The first 40 bits of the id behind a short name: by them it is found again.
pub(crate) fn id40(x: u64) -> [u8; 5] {
    let [_, _, _, a, b, c, d, e] = (x >> CHECK_BITS).to_be_bytes();
    [a, b, c, d, e]
}

/// Whether a short name is that of a stream.
pub(crate) fn is_stream(secret: &[u8; 32], x: u64) -> bool {
    checked(secret, STREAM, id40(x)) == x
}

/// Whether a number is the short name of a log or a stream.
fn is_name(secret: &[u8; 32], x: u64) -> bool {
    checked(secret, LOG, id40(x)) == x || is_stream(secret, x)
}

fn checked(secret: &[u8; 32], domain: &[u8], id: [u8; 5]) -> u64 {
    let [a, b, c, d, e] = id;
    let [f, g, h, ..] = keyed(secret, domain, &[&id]);
    let check = u64::from_be_bytes([0, 0, 0, 0, 0, f, g, h]) & ((1 << CHECK_BITS) - 1);
    // 0 and P are the same number modulo P, and of no use in a product.
    (u64::from_be_bytes([0, 0, 0, a, b, c, d, e]) << CHECK_BITS | check).clamp(1, cells::P - 1)
}
