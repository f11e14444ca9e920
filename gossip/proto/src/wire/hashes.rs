//! Hashes of a log at chosen positions: to find where a fork begins, and who holds an entry.

use bytes::Bytes;

use super::cbor::{self, Reader};
use super::{ChannelTag, WireError};
use crate::{Check, LogId, Seq};

/// Positions of one request or answer, at most.
pub const MAX_POSITIONS: usize = 64;

/// Asks for the hashes of a log at some positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Positions {
    /// The channel.
    pub tag: ChannelTag,
    /// Comes back in the answer.
    pub serial: u32,
    /// The log.
    pub log: LogId,
    /// The positions.
    pub at: Vec<Seq>,
}

/// The hashes of a log at some positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hashes {
    /// The channel.
    pub tag: ChannelTag,
    /// Serial of the request.
    pub serial: u32,
    /// The log.
    pub log: LogId,
    /// Height held of it.
    pub height: Seq,
    /// Short hash at each position; `None` is not held, or, below the height, held no more.
    pub at: Vec<(Seq, Option<Check>)>,
}

impl Positions {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(4)?.bytes(&self.tag.0)?.u32(self.serial)?.bytes(&self.log.0)?;
            out.array(self.at.len() as u64)?;
            self.at.iter().try_for_each(|at| out.u64(*at).map(drop))
        });
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("positions", body, |input| {
            input.array(4)?;
            Ok(Self {
                tag: ChannelTag(input.fixed()?),
                serial: input.short()?,
                log: LogId(input.fixed()?),
                at: input.list(MAX_POSITIONS, Reader::number)?,
            })
        })
    }
}

impl Hashes {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(5)?.bytes(&self.tag.0)?.u32(self.serial)?.bytes(&self.log.0)?.u64(self.height)?;
            out.array(self.at.len() as u64)?;
            for (at, check) in &self.at {
                out.array(2)?.u64(*at)?;
                match check {
                    Some(check) => out.bytes(&check.0)?,
                    None => out.null()?,
                };
            }
            Ok(())
        });
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("hashes", body, |input| {
            input.array(5)?;
            Ok(Self {
                tag: ChannelTag(input.fixed()?),
                serial: input.short()?,
                log: LogId(input.fixed()?),
                height: input.number()?,
                at: input.list(MAX_POSITIONS, |input| {
                    input.array(2)?;
                    Ok((input.number()?, input.nullable(|input| Ok(Check(input.fixed()?)))?))
                })?,
            })
        })
    }
}
