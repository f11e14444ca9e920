//! What keeps the tree along which fresh entries go, and what goes along it (Plumtree: Leitao, Pereira,
//! Rodrigues 2007).

use bytes::Bytes;
use minicbor::data::Type;

use super::ask::{columns, logs};
use super::cbor::{self, Reader, text};
use super::{ChannelTag, WireError};
use crate::{Epoch, LogId, NodeId, Run, RunError, Seq, StreamId};

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

/// Fresh runs of logs that the listener knows by name, all of one channel, which they name themselves; and the first
/// one of a log that it may not know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// The first run of a log.
    pub named: Option<NamedRun>,
    /// The runs.
    pub runs: Vec<Run>,
}

/// A run with the name of its log, from which follows the log's id: it is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedRun {
    /// The channel.
    pub tag: ChannelTag,
    /// The log's stream.
    pub stream: StreamId,
    /// Who writes it.
    pub author: NodeId,
    /// Which of the author's generations.
    pub epoch: Epoch,
    rest: Bytes,
}

/// How every run begins, in front of its log's id: nine parts, of which the first has 16 bytes.
const RUN: [u8; 2] = [0x89, 0x50];

impl NamedRun {
    /// A run of a log of that name that is no branch; `None` if it is not encoded as runs are here.
    #[must_use]
    pub fn new(
        tag: ChannelTag,
        (stream, author, epoch): (StreamId, NodeId, Epoch),
        run: &Run,
    ) -> Option<Self> {
        let id = run.log().0;
        let begins = run.encoded().starts_with(&RUN) && run.encoded()[RUN.len()..].starts_with(&id);
        begins.then(|| Self { tag, stream, author, epoch, rest: run.encoded().slice(RUN.len() + id.len()..) })
    }

    /// The run, as one of this log. It is a copy.
    ///
    /// # Errors
    /// [`RunError`] if it is none.
    pub fn run(&self, log: LogId) -> Result<Run, RunError> {
        Run::decode([&RUN[..], &log.0, &self.rest].concat().into())
    }
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
            out.array((self.named.iter().len() + self.runs.len()) as u64)?;
            if let Some(named) = &self.named {
                out.array(5)?.bytes(&named.tag.0)?.str(named.stream.as_str())?.str(named.author.as_str())?;
                out.u64(named.epoch.bits())?.bytes(&named.rest)?;
            }
            Ok(())
        });
        cbor::write_runs(head, &self.runs)
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("fresh", fields, |input| {
            let len = input.len()?;
            let is_named = len > 0 && input.kind()? == Type::Array;
            let named = if is_named { Some(input.named_run()?) } else { None };
            Ok(Self { named, runs: input.items(len - u64::from(is_named), Reader::run)? })
        })
    }
}

impl Reader<'_> {
    fn named_run(&mut self) -> Result<NamedRun, String> {
        self.array(5)?;
        let tag = ChannelTag(self.fixed()?);
        let stream = StreamId::new(self.text()?).map_err(text)?;
        let author = NodeId::new(self.text()?).map_err(text)?;
        let epoch = Epoch::from_bits(self.number()?);
        Ok(NamedRun { tag, stream, author, epoch, rest: self.slice()? })
    }
}
