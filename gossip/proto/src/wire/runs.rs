//! Runs in version 2: [`Push`] with next to nothing around them, and [`Delta`] in fewer bytes.

use bytes::Bytes;
use minicbor::data::Type;

use super::cbor::{self, Encoded, Out, Reader};
use super::{ChannelTag, Delta, DeltaRun, FloorNote, WireError};
use crate::{ChainHash, Run, Seal};

/// Fresh runs of logs the receiver knows by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    /// The channel.
    pub tag: ChannelTag,
    /// The runs.
    pub runs: Vec<Run>,
}

impl From<Push> for Delta {
    fn from(Push { tag, runs }: Push) -> Self {
        let runs = runs.into_iter().map(|run| DeltaRun { prev: None, run }).collect();
        Self { tag, serial: 0, end: true, names: Vec::new(), floors: Vec::new(), runs }
    }
}

impl Push {
    pub(super) fn write(&self, head: &mut Vec<u8>) -> Vec<Bytes> {
        cbor::write(head, |out| {
            out.array(1 + self.runs.len() as u64)?.bytes(&self.tag.0)?;
            Ok(())
        });
        cbor::write_runs(head, &self.runs)
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("push", body, |input| {
            let fields = input.len()?;
            let runs = fields.checked_sub(1).ok_or("no channel")?;
            let tag = ChannelTag(input.fixed()?);
            Ok(Self { tag, runs: input.items(runs, Reader::run)? })
        })
    }
}

/// As type 22: a floor comes with its seal, and a run that needs no hash before it is bare.
pub(super) fn write(delta: &Delta, head: &mut Vec<u8>) -> Vec<Bytes> {
    cbor::write(head, |out| {
        out.array(6)?;
        delta.write_names(out)?;
        out.array(delta.floors.len() as u64)?;
        delta.floors.iter().try_for_each(|note| write_floor(note, out))?;
        out.array(delta.runs.len() as u64)?;
        Ok(())
    });
    let mut parts = Vec::with_capacity(delta.runs.len() * 2);
    for DeltaRun { prev, run } in &delta.runs {
        cbor::write_run(head, &mut parts, run, |out| {
            if let Some(prev) = prev {
                out.array(2)?.bytes(&prev.0)?;
            }
            Ok(())
        });
    }
    parts
}

fn write_floor(note: &FloorNote, out: &mut Out<'_>) -> Encoded {
    out.array(5)?.bytes(&note.log.0)?.u64(note.floor)?.bytes(&note.hash.0)?.u64(note.stamp.bits())?;
    match &note.seal {
        Some(seal) => out.bytes(&seal.0)?,
        None => out.null()?,
    };
    Ok(())
}

pub(super) fn read(body: &Bytes) -> Result<Delta, WireError> {
    Reader::whole("runs", body, |input| input.delta(Reader::sealed_floor, Reader::bare_run))
}

impl Reader<'_> {
    fn sealed_floor(&mut self) -> Result<FloorNote, String> {
        self.array(5)?;
        let note = self.floor_fields()?;
        Ok(FloorNote { seal: self.nullable(|input| Ok(Seal(input.fixed()?)))?, ..note })
    }

    fn bare_run(&mut self) -> Result<DeltaRun, String> {
        if self.kind()? == Type::Bytes {
            return Ok(DeltaRun { prev: None, run: self.run()? });
        }
        self.array(2)?;
        Ok(DeltaRun { prev: Some(ChainHash(self.fixed()?)), run: self.run()? })
    }
}
