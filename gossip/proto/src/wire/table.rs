//! How two tables of members find what differs: by sums over arcs of the ring, or by a bit for each member.

use bytes::Bytes;

use super::WireError;
use super::cbor::{self, Encoded, Out, Reader};
use super::members::join;
use crate::{MemberKey, MemberState};

/// Rows of one arc, and keys asked for at once, at most.
pub const MAX_KEYS: usize = 256;
/// Bytes of a bitmap, at most: 65,536 members.
pub const MAX_BITMAP: usize = 8192;
/// Arcs summed up in one message.
const ARCS: usize = 16;

/// Compares tables of members, step by step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Table {
    /// Tell me all of them.
    All,
    /// Sums of sixteen arcs of the ring: of all of it, or of one sixteenth.
    Sums {
        /// What is summed up.
        of: Summed,
        /// Which sixteenth; `None` is all of the ring.
        path: Option<u8>,
        /// The sums.
        sums: [u64; ARCS],
    },
    /// All members on one arc of 256.
    Bucket {
        /// Which: the first byte of their keys.
        bucket: u8,
        /// Key, incarnation and state of each.
        rows: Vec<(MemberKey, u64, MemberState)>,
    },
    /// Tell me of these.
    Want(Vec<MemberKey>),
}

/// Which members a sum is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Summed {
    /// Those alive and those that left, as in [`Beat::table`](super::Beat::table).
    Present,
    /// Those alive and those down, without telling which: as long as it is equal on two sides that were
    /// apart, [`States`] says all that differs.
    Roster,
}

/// Which members are alive, a bit each, in order of their keys: of those alive and those down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct States {
    /// Hash of the members there are: the bits mean something only to who has the same.
    pub roster: u64,
    /// Bit `i % 8` of byte `i / 8`, from the lowest on, is the member at place `i`.
    pub live: Vec<u8>,
}

impl Table {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            match self {
                Self::All => out.array(1)?.u8(0)?,
                Self::Sums { of, path, sums } => return write_sums(*of, *path, sums, out),
                Self::Bucket { bucket, rows } => {
                    out.array(2 + rows.len() as u64 * 3)?.u8(2)?.u8(*bucket)?;
                    return rows.iter().try_for_each(|row| write_row(*row, out));
                }
                Self::Want(keys) => out.array(2)?.u8(3)?.bytes(&join(keys))?,
            };
            Ok(())
        });
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("table", fields, |input| {
            let len = input.len()?;
            match (input.number()?, len) {
                (0, 1) => Ok(Self::All),
                (1, 3) => input.sums(Summed::Present),
                (2, 2..) if len % 3 == 2 => input.bucket(len / 3),
                (3, 2) => input.keys(MAX_KEYS).map(Self::Want),
                (4, 3) => input.sums(Summed::Roster),
                _ => Err("of no known kind".into()),
            }
        })
    }
}

fn write_sums(of: Summed, path: Option<u8>, sums: &[u64; ARCS], out: &mut Out<'_>) -> Encoded {
    out.array(3)?.u8(if of == Summed::Present { 1 } else { 4 })?;
    match path {
        Some(path) => out.u8(path)?,
        None => out.null()?,
    };
    out.bytes(sums.map(u64::to_le_bytes).as_flattened())?;
    Ok(())
}

fn write_row((key, incarnation, state): (MemberKey, u64, MemberState), out: &mut Out<'_>) -> Encoded {
    out.bytes(&key.to_bytes())?.u64(incarnation)?.u8(state as u8)?;
    Ok(())
}

impl Reader<'_> {
    fn sums(&mut self, of: Summed) -> Result<Table, String> {
        let path = self.nullable(Reader::small)?;
        if path.is_some_and(|path: u8| usize::from(path) >= ARCS) {
            return Err("beyond the last arc".into());
        }
        let (sums, rest) = self.bytes()?.as_chunks::<8>();
        let sums: [[u8; 8]; ARCS] = sums.try_into().map_err(|_| "sums of another length")?;
        match rest.is_empty() {
            true => Ok(Table::Sums { of, path, sums: sums.map(u64::from_le_bytes) }),
            false => Err("sums of another length".into()),
        }
    }

    fn bucket(&mut self, rows: u64) -> Result<Table, String> {
        let bucket = self.small()?;
        if rows > MAX_KEYS as u64 {
            return Err(format!("more than {MAX_KEYS} rows"));
        }
        let rows = self.items(rows, |input| {
            let row = (input.key()?, input.number()?, input.member_state()?);
            if row.0.bucket() == bucket { Ok(row) } else { Err("a row of another arc".into()) }
        })?;
        Ok(Table::Bucket { bucket, rows })
    }

    fn member_state(&mut self) -> Result<MemberState, String> {
        match self.short()? {
            0 => Ok(MemberState::Live),
            1 => Ok(MemberState::Down),
            2 => Ok(MemberState::Left),
            other => Err(format!("unknown state {other}")),
        }
    }
}

impl States {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(2)?.bytes(&self.roster.to_le_bytes())?.bytes(&self.live)?;
            Ok(())
        });
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("states", fields, |input| {
            input.array(2)?;
            let (roster, live) = (u64::from_le_bytes(input.fixed()?), input.bytes()?);
            match live.len() {
                ..=MAX_BITMAP => Ok(Self { roster, live: live.to_vec() }),
                _ => Err("more members than there can be".into()),
            }
        })
    }
}
