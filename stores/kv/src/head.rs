//! The part of a head that moves, in a compact row of its own: a commit rewrites this and not the name.
//!
//! `flags` (1 byte), `height` (8), `hash` (32), `stamp` (8), bytes of runs held (8); then, each only when
//! its flag is set: `floor` (8) and `floor_hash` (32); gaps and missed ranges, each a count (4) and pairs of
//! first and last (16); sequence (8), length (4) and bytes of the seal; of the turn its place (8), the hash
//! before it (32), 1 or 0, and with 1 the hash at it (32); and a check (4) over log and row.

use gossip_core::proto::{ChainHash, LogHead, LogId, LogName, PayloadHash, Seq, SeqRange, Stamp, Turn};
use serde_bytes::ByteBuf;

const HAS_FLOOR: u8 = 1;
const HAS_GAPS: u8 = 2;
const HAS_MISSED: u8 = 4;
const HAS_SEAL: u8 = 8;
const HAS_TURN: u8 = 16;

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
            | flag(head.seal.is_some(), HAS_SEAL)
            | flag(head.turn.is_some(), HAS_TURN);
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
        head.turn.iter().for_each(|turn| put_turn(&mut row, turn));
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
    turn: Option<Turn>,
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
        let turn = if has(HAS_TURN) { Some(from.turn()?) } else { None };
        let sound = from.0.is_empty() && floor <= height && flags <= 31;
        sound.then_some(Self { height, floor, gaps, bytes, hash, floor_hash, stamp, missed, seal, turn })
    }

    /// How many entries are held.
    pub(crate) fn entries(&self) -> u64 {
        let missing: u64 = self.gaps.iter().map(SeqRange::count).sum();
        (self.height - self.floor).saturating_sub(missing)
    }

    pub(crate) fn with(self, name: LogName) -> Held {
        let floor_hash = self.floor_hash.unwrap_or_else(|| name.root());
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
            turn: self.turn,
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

fn put_turn(row: &mut Vec<u8>, turn: &Turn) {
    row.extend_from_slice(&turn.at.to_be_bytes());
    row.extend_from_slice(&turn.prev.0);
    row.push(turn.first.is_some().into());
    turn.first.iter().for_each(|first| row.extend_from_slice(&first.0));
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

    fn turn(&mut self) -> Option<Turn> {
        let (at, prev) = (self.number()?, ChainHash(self.take()?));
        let first = match self.take()? {
            [0] => None,
            [1] => Some(ChainHash(self.take()?)),
            _ => return None,
        };
        Some(Turn { at, prev, first })
    }

    fn seal(&mut self) -> Option<(Seq, ByteBuf)> {
        let (at, len) = (self.number()?, u32::from_be_bytes(self.take()?) as usize);
        let (seal, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some((at, ByteBuf::from(seal.to_vec())))
    }
}

#[cfg(test)]
mod tests {
    use gossip_core::proto::{ChannelId, Epoch, NodeId, StreamId};

    use super::*;

    fn held() -> Held {
        let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
        let author = NodeId::new("ann").unwrap();
        Held::new(LogName { channel, stream, author, epoch: Epoch::new(1, 7), branch: None })
    }

    /// When this fails the format changed.
    #[test]
    fn a_turn_lies_behind_the_rest_of_a_head() {
        let mut held = held();
        let log = held.head.name.id();
        let plain = held.encode(log);
        let hash = |byte| ChainHash([byte; 32]);
        for first in [Some(hash(8)), None] {
            held.head.turn = Some(Turn { at: 0x0102, prev: hash(7), first });
            let row = held.encode(log);
            let at = [&[0, 0, 0, 0, 0, 0, 1, 2][..], &[7; 32]].concat();
            let turn =
                if first.is_some() { [&at[..], &[1], &[8; 32]].concat() } else { [at, vec![0]].concat() };
            assert_eq!(row[0], plain[0] | 16);
            assert_eq!(row[1..row.len() - 4], [&plain[1..plain.len() - 4], &turn].concat());
            let read = Moving::decode(log, &row).unwrap().with(held.head.name.clone());
            assert_eq!(read, held);
            assert!((0..row.len()).all(|cut| Moving::decode(log, &row[..cut]).is_none()));
        }
    }
}
