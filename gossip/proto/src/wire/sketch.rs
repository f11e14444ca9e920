//! Digests confirmed, and cells from which differences are found.

use bytes::Bytes;

use super::cbor::{self, Reader};
use super::{ChannelTag, DigestTag, WireError};
use crate::sketch::{COUNTERS, Cell, Kind, MAX_CELLS};

/// Bytes of a cell.
const CELL: usize = 12;

/// Answers a beacon or a sketch whose digest is the speaker's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equal {
    /// The channel.
    pub tag: ChannelTag,
    /// First bytes of that digest.
    pub digest: [u8; 8],
}

/// A part of the speaker's cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SketchMessage {
    /// The channel.
    pub tag: ChannelTag,
    /// The speaker's digest, of the state the cells are of.
    pub mine: DigestTag,
    /// Names the exchange, in both directions.
    pub serial: u32,
    /// KiB of runs the speaker has reserved for what the listener may send at once.
    pub room: u32,
    /// What the cells sum up.
    pub kind: Kind,
    /// Newest [`Scope`](super::Scope) the speaker has told; 0: never any.
    pub turn: u64,
    /// Items counted.
    pub logs: u64,
    /// Index of the first cell.
    pub from: u32,
    /// Counters from which the number of differences is estimated.
    pub estimate: Option<[i16; COUNTERS]>,
    /// The cells.
    pub cells: Vec<Cell>,
}

/// Asks for cells of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct More {
    /// The channel.
    pub tag: ChannelTag,
    /// Of the exchange.
    pub serial: u32,
    /// First cell wanted.
    pub from: u32,
    /// First cell not wanted, at most 2,048.
    pub upto: u32,
}

impl DigestTag {
    /// As much of it as confirms it.
    #[must_use]
    pub fn short(&self) -> [u8; 8] {
        let [a, b, c, d, e, f, g, h, ..] = self.0;
        [a, b, c, d, e, f, g, h]
    }
}

impl Equal {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(2)?.bytes(&self.tag.0)?.bytes(&self.digest)?;
            Ok(())
        });
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("equal", body, |input| {
            input.array(2)?;
            Ok(Self { tag: ChannelTag(input.fixed()?), digest: input.fixed()? })
        })
    }
}

impl SketchMessage {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        let estimate: Vec<u8> =
            self.estimate.iter().flatten().flat_map(|counter| counter.to_le_bytes()).collect();
        let mut cells = Vec::with_capacity(self.cells.len() * CELL);
        for cell in &self.cells {
            cells.extend_from_slice(&cell.s1.to_le_bytes());
            cells.extend_from_slice(&cell.s2.to_le_bytes());
        }
        cbor::write(head, |out| {
            out.array(10)?.bytes(&self.tag.0)?.bytes(&self.mine.0)?.u32(self.serial)?.u32(self.room)?;
            out.u8(self.kind as u8)?.u64(self.turn)?.u64(self.logs)?.u32(self.from)?;
            out.bytes(&estimate)?.bytes(&cells)?;
            Ok(())
        });
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("sketch", body, |input| {
            input.array(10)?;
            let sketch = Self {
                tag: ChannelTag(input.fixed()?),
                mine: DigestTag(input.fixed()?),
                serial: input.short()?,
                room: input.short()?,
                kind: input.sketch_kind()?,
                turn: input.number()?,
                logs: input.number()?,
                from: input.short()?,
                estimate: input.estimate()?,
                cells: input.cells()?,
            };
            match sketch.from as usize + sketch.cells.len() {
                ..=MAX_CELLS => Ok(sketch),
                _ => Err("cells beyond the last".into()),
            }
        })
    }
}

impl Reader<'_> {
    fn sketch_kind(&mut self) -> Result<Kind, String> {
        match self.short()? {
            0 => Ok(Kind::Heights),
            1 => Ok(Kind::Hashes),
            other => Err(format!("cells of kind {other}")),
        }
    }

    fn estimate(&mut self) -> Result<Option<[i16; COUNTERS]>, String> {
        let bytes = self.bytes()?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let (counters, rest) = bytes.as_chunks::<2>();
        let counters: Vec<i16> = counters.iter().map(|counter| i16::from_le_bytes(*counter)).collect();
        match counters.try_into() {
            Ok(counters) if rest.is_empty() => Ok(Some(counters)),
            _ => Err("an estimate of another length".into()),
        }
    }

    fn cells(&mut self) -> Result<Vec<Cell>, String> {
        let (cells, rest) = self.bytes()?.as_chunks::<CELL>();
        if cells.len() > MAX_CELLS || !rest.is_empty() {
            return Err("cells of another length".into());
        }
        let cell = |&[a, b, c, d, rest @ ..]: &[u8; CELL]| Cell {
            s1: u32::from_le_bytes([a, b, c, d]),
            s2: u64::from_le_bytes(rest),
        };
        Ok(cells.iter().map(cell).collect())
    }
}

impl More {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(4)?.bytes(&self.tag.0)?.u32(self.serial)?.u32(self.from)?.u32(self.upto)?;
            Ok(())
        });
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("more", body, |input| {
            input.array(4)?;
            let tag = ChannelTag(input.fixed()?);
            let (serial, from, upto) = (input.short()?, input.short()?, input.short()?);
            if from >= upto || upto as usize > MAX_CELLS {
                return Err("no cells, or cells beyond the last".into());
            }
            Ok(Self { tag, serial, from, upto })
        })
    }
}
