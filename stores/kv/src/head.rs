//! The part of a head that moves, in a compact row of its own: a commit rewrites this and not the name.
//!
//! `flags` (1 byte), `height` (8), `hash` (32), `stamp` (8), bytes of runs held (8); then, each only when
//! its flag is set: `floor` (8) and `floor_hash` (32); gaps and missed ranges, each a count (4) and pairs of
//! first and last (16); sequence (8), length (4) and bytes of the seal; and a check (4) over log and row.

use gossip_core::proto::{ChainHash, LogHead, LogId, LogName, PayloadHash, Seq, SeqRange, Stamp};
use serde_bytes::ByteBuf;

const HAS_FLOOR: u8 = 1;
const HAS_GAPS: u8 = 2;
const HAS_MISSED: u8 = 4;
const HAS_SEAL: u8 = 8;

/// A head and what its runs occupy, so that usage needs no look at them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) head: LogHead,
    pub(crate) bytes: u64,
}

impl Held {
    pub(crate) fn new(name: LogName) -> Self {
        Self { head: LogHead::empty(name), bytes: 0 }
    }

    pub(crate) fn encode(&self, log: LogId) -> Vec<u8> {
        let head = &self.head;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(head.floor > 0, HAS_FLOOR)
            | flag(!head.gaps.is_empty(), HAS_GAPS)
            | flag(!head.missed.is_empty(), HAS_MISSED)
            | flag(head.seal.is_some(), HAS_SEAL);
        let mut row = Vec::with_capacity(128);
        row.push(flags);
        row.extend_from_slice(&head.height.to_be_bytes());
        row.extend_from_slice(&head.hash.0);
        row.extend_from_slice(&head.stamp.bits().to_be_bytes());
        row.extend_from_slice(&self.bytes.to_be_bytes());
        if head.floor > 0 {
            row.extend_from_slice(&head.floor.to_be_bytes());
            row.extend_from_slice(&head.floor_hash.0);
        }
        put_ranges(&mut row, &head.gaps);
        put_ranges(&mut row, &head.missed);
        if let Some((at, seal)) = &head.seal {
            row.extend_from_slice(&at.to_be_bytes());
            row.extend_from_slice(&(seal.len() as u32).to_be_bytes());
            row.extend_from_slice(seal);
        }
        let check = check(log, &row);
        row.extend_from_slice(&check);
        row
    }
}

/// A row as it lies in the table; the name is elsewhere.
#[derive(Debug, Clone)]
pub(crate) struct Moving {
    pub(crate) height: Seq,
    pub(crate) floor: Seq,
    pub(crate) gaps: Vec<SeqRange>,
    pub(crate) bytes: u64,
    pub(crate) stamp: Stamp,
    pub(crate) missed: Vec<SeqRange>,
    hash: ChainHash,
    floor_hash: Option<ChainHash>,
    seal: Option<(Seq, ByteBuf)>,
}

impl Moving {
    /// `None` when the row is damaged.
    pub(crate) fn decode(log: LogId, row: &[u8]) -> Option<Self> {
        let (row, sum) = row.split_last_chunk::<4>()?;
        if check(log, row) != *sum {
            return None;
        }
        let mut from = Reader(row);
        let flags = from.take::<1>()?[0];
        let (height, hash) = (from.number()?, ChainHash(from.take()?));
        let (stamp, bytes) = (Stamp::from_bits(from.number()?), from.number()?);
        let has = |flag: u8| flags & flag != 0;
        let floor = if has(HAS_FLOOR) { from.number()? } else { 0 };
        let floor_hash = if has(HAS_FLOOR) { Some(ChainHash(from.take()?)) } else { None };
        let gaps = if has(HAS_GAPS) { from.ranges()? } else { Vec::new() };
        let missed = if has(HAS_MISSED) { from.ranges()? } else { Vec::new() };
        let seal = if has(HAS_SEAL) { Some(from.seal()?) } else { None };
        let sound = from.0.is_empty() && floor <= height && flags <= 15;
        sound.then_some(Self { height, floor, gaps, bytes, hash, floor_hash, stamp, missed, seal })
    }

    /// How many entries are held.
    pub(crate) fn entries(&self) -> u64 {
        let missing: u64 = self.gaps.iter().map(SeqRange::count).sum();
        (self.height - self.floor).saturating_sub(missing)
    }

    pub(crate) fn with(self, name: LogName) -> Held {
        let floor_hash = self.floor_hash.unwrap_or_else(|| name.hash().root());
        let head = LogHead {
            name,
            height: self.height,
            hash: self.hash,
            stamp: self.stamp,
            floor: self.floor,
            floor_hash,
            gaps: self.gaps,
            missed: self.missed,
            seal: self.seal,
        };
        Held { head, bytes: self.bytes }
    }
}

/// Notices accidents, not attacks: whoever can write here can write anything.
fn check(log: LogId, row: &[u8]) -> [u8; 4] {
    let hash = PayloadHash::of(&[&log.0[..], row].concat());
    [hash.0[0], hash.0[1], hash.0[2], hash.0[3]]
}

fn put_ranges(row: &mut Vec<u8>, ranges: &[SeqRange]) {
    if ranges.is_empty() {
        return;
    }
    row.extend_from_slice(&(ranges.len() as u32).to_be_bytes());
    for range in ranges {
        row.extend_from_slice(&range.first.to_be_bytes());
        row.extend_from_slice(&range.last.to_be_bytes());
    }
}

struct Reader<'r>(&'r [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*taken)
    }

    fn number(&mut self) -> Option<u64> {
        self.take().map(u64::from_be_bytes)
    }

    fn ranges(&mut self) -> Option<Vec<SeqRange>> {
        let count = u32::from_be_bytes(self.take()?) as usize;
        if count > self.0.len() / 16 {
            return None;
        }
        (0..count).map(|_| Some(SeqRange { first: self.number()?, last: self.number()? })).collect()
    }

    fn seal(&mut self) -> Option<(Seq, ByteBuf)> {
        let (at, len) = (self.number()?, u32::from_be_bytes(self.take()?) as usize);
        let (seal, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some((at, ByteBuf::from(seal.to_vec())))
    }
}
