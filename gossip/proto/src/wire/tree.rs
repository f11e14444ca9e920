//! What keeps the tree along which fresh entries go, and what goes along it (Plumtree: Leitao, Pereira,
//! Rodrigues 2007).

use bytes::Bytes;

use super::ask::{columns, logs};
use super::cbor::{self, Reader};
use super::{ChannelTag, WireError};
use crate::{Run, Seq};

/// Whether fresh entries shall come over this link at once (graft), or be announced (prune). It holds for both
/// directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeMessage {
    /// The channel; `None` is the tree for news of members.
    pub tag: Option<ChannelTag>,
    /// At once.
    pub eager: bool,
}

/// Announces what the speaker holds of some logs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Have {
    /// The channel.
    pub tag: ChannelTag,
    /// The beginning of each log's id, and the height held.
    pub logs: Vec<([u8; 5], Seq)>,
}

/// Fresh runs of logs that the listener knows by name, all of one channel, which they name themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The runs.
    pub runs: Vec<Run>,
}

impl TreeMessage {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(2)?;
            match &self.tag {
                Some(tag) => out.bytes(&tag.0)?,
                None => out.null()?,
            };
            out.bool(self.eager)?;
            Ok(())
        });
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("tree", fields, |input| {
            input.array(2)?;
            let tag = input.nullable(|input| input.fixed().map(ChannelTag))?;
            Ok(Self { tag, eager: input.bool()? })
        })
    }
}

impl Have {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        let (keys, heights) = columns(&self.logs);
        cbor::write(head, |out| {
            out.array(3)?.bytes(&self.tag.0)?.bytes(&keys)?.bytes(&heights)?;
            Ok(())
        });
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("have", fields, |input| {
            input.array(3)?;
            let tag = ChannelTag(input.fixed()?);
            Ok(Self { tag, logs: logs(input.bytes()?, input.bytes()?)? })
        })
    }
}

impl Fresh {
    pub(super) fn write(&self, head: &mut Vec<u8>) -> Vec<Bytes> {
        cbor::write(head, |out| {
            out.array(self.runs.len() as u64)?;
            Ok(())
        });
        cbor::write_runs(head, &self.runs)
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("fresh", fields, |input| {
            let len = input.len()?;
            Ok(Self { runs: input.items(len, Reader::run)? })
        })
    }
}
