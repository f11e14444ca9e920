//! The message that carries runs, written and read by hand so that runs are never copied.

use bytes::Bytes;

use super::cbor::{self, Encoded, Out, Reader, text};
use super::{ChannelTag, WireError};
use crate::{Branch, ChainHash, Epoch, LogId, NodeId, Run, Seal, Seq, Stamp, StreamId};

/// Name of a log within a channel: stream, author, epoch, branch.
pub type LogKey = (StreamId, NodeId, Epoch, Option<Branch>);

/// Runs, as an answer to a request or pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The channel.
    pub tag: ChannelTag,
    /// Serial of the request this answers; 0 when pushed.
    pub serial: u64,
    /// Nothing more follows for this serial.
    pub end: bool,
    /// Names of logs the receiver may not know.
    pub names: Vec<LogKey>,
    /// Floors of logs that were asked for below them.
    pub floors: Vec<FloorNote>,
    /// The runs.
    pub runs: Vec<DeltaRun>,
}

/// A log's history begins only after this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FloorNote {
    /// The log.
    pub log: LogId,
    /// Highest sequence that is gone.
    pub floor: Seq,
    /// Chain hash at the floor.
    pub hash: ChainHash,
    /// Stamp of the entry at the floor where it is known, zero otherwise.
    pub stamp: Stamp,
    /// The author's seal at the floor, if there is one. Version 1 does not carry it.
    pub seal: Option<Seal>,
}

/// A run on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeltaRun {
    /// Chain hash before the run, where the receiver may lack it.
    pub prev: Option<ChainHash>,
    /// The run, as its author or a holder encoded it.
    pub run: Run,
}

impl Delta {
    pub(super) fn write(&self, head: &mut Vec<u8>) -> Vec<Bytes> {
        cbor::write(head, |out| self.write_head(out));
        let mut parts = Vec::with_capacity(self.runs.len() * 2);
        for DeltaRun { prev, run } in &self.runs {
            cbor::write_run(head, &mut parts, run, |out| {
                out.array(2)?;
                match prev {
                    Some(prev) => out.bytes(&prev.0)?,
                    None => out.null()?,
                };
                Ok(())
            });
        }
        parts
    }

    fn write_head(&self, out: &mut Out<'_>) -> Encoded {
        out.array(6)?;
        self.write_names(out)?;
        out.array(self.floors.len() as u64)?;
        for note in &self.floors {
            out.array(4)?.bytes(&note.log.0)?.u64(note.floor)?.bytes(&note.hash.0)?.u64(note.stamp.bits())?;
        }
        out.array(self.runs.len() as u64)?;
        Ok(())
    }

    /// What comes before the floors, in every version.
    pub(super) fn write_names(&self, out: &mut Out<'_>) -> Encoded {
        out.bytes(&self.tag.0)?.u64(self.serial)?.bool(self.end)?;
        out.array(self.names.len() as u64)?;
        for (stream, author, epoch, branch) in &self.names {
            out.array(4)?.str(stream.as_str())?.str(author.as_str())?.u64(epoch.bits())?;
            match branch {
                Some(branch) => out.array(2)?.bytes(&branch.parent.0)?.bytes(&branch.first.0)?,
                None => out.null()?,
            };
        }
        Ok(())
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("delta", body, |input| input.delta(Reader::floor, Reader::delta_run))
    }
}

impl Reader<'_> {
    /// The six fields; floors and runs look different in each version.
    pub(super) fn delta(
        &mut self,
        floor: impl FnMut(&mut Self) -> Result<FloorNote, String>,
        run: impl FnMut(&mut Self) -> Result<DeltaRun, String>,
    ) -> Result<Delta, String> {
        self.array(6)?;
        Ok(Delta {
            tag: ChannelTag(self.fixed()?),
            serial: self.number()?,
            end: self.bool()?,
            names: self.list(usize::MAX, Self::name)?,
            floors: self.list(usize::MAX, floor)?,
            runs: self.list(usize::MAX, run)?,
        })
    }

    fn name(&mut self) -> Result<LogKey, String> {
        self.array(4)?;
        let stream = StreamId::new(self.text()?).map_err(text)?;
        let author = NodeId::new(self.text()?).map_err(text)?;
        let epoch = Epoch::from_bits(self.number()?);
        let branch = self.nullable(|input| {
            input.array(2)?;
            Ok(Branch { parent: LogId(input.fixed()?), first: ChainHash(input.fixed()?) })
        })?;
        Ok((stream, author, epoch, branch))
    }

    fn floor(&mut self) -> Result<FloorNote, String> {
        self.array(4)?;
        self.floor_fields()
    }

    /// A floor without seal.
    pub(super) fn floor_fields(&mut self) -> Result<FloorNote, String> {
        Ok(FloorNote {
            log: LogId(self.fixed()?),
            floor: self.number()?,
            hash: ChainHash(self.fixed()?),
            stamp: Stamp::from_bits(self.number()?),
            seal: None,
        })
    }

    fn delta_run(&mut self) -> Result<DeltaRun, String> {
        self.array(2)?;
        let prev = self.nullable(|input| Ok(ChainHash(input.fixed()?)))?;
        Ok(DeltaRun { prev, run: self.run()? })
    }
}
