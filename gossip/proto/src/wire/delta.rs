//! The message that carries runs, written and read by hand so that runs are never copied.

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::{ChannelTag, WireError};
use crate::{Branch, ChainHash, Epoch, LogId, NodeId, Run, Seq, Stamp, StreamId};

type Encoded = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// Name of a log within a channel: stream, author, epoch, branch.
pub type LogKey = (StreamId, NodeId, Epoch, Option<Branch>);

/// Runs, as an answer to a want or pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The channel.
    pub tag: ChannelTag,
    /// Serial of the want this answers; 0 when pushed.
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
        let mut parts = Vec::with_capacity(self.runs.len() * 2);
        let done = self.write_head(head);
        debug_assert!(done.is_ok(), "writing CBOR to a Vec cannot fail");
        for (index, DeltaRun { prev, run }) in self.runs.iter().enumerate() {
            let mut own = Vec::new();
            let mut out = Encoder::new(if index == 0 { &mut *head } else { &mut own });
            let done = (|| {
                out.array(2)?;
                match prev {
                    Some(prev) => out.bytes(&prev.0)?,
                    None => out.null()?,
                };
                out.bytes_len(run.encoded().len() as u64)?;
                Encoded::Ok(())
            })();
            debug_assert!(done.is_ok(), "writing CBOR to a Vec cannot fail");
            if !own.is_empty() {
                parts.push(own.into());
            }
            parts.push(run.encoded().clone());
        }
        parts
    }

    fn write_head(&self, head: &mut Vec<u8>) -> Encoded {
        let mut out = Encoder::new(head);
        out.array(6)?.bytes(&self.tag.0)?.u64(self.serial)?.bool(self.end)?;
        out.array(self.names.len() as u64)?;
        for (stream, author, epoch, branch) in &self.names {
            out.array(4)?.str(stream.as_str())?.str(author.as_str())?.u64(epoch.bits())?;
            match branch {
                Some(branch) => out.array(2)?.bytes(&branch.parent.0)?.bytes(&branch.first.0)?,
                None => out.null()?,
            };
        }
        out.array(self.floors.len() as u64)?;
        for note in &self.floors {
            out.array(4)?.bytes(&note.log.0)?.u64(note.floor)?.bytes(&note.hash.0)?.u64(note.stamp.bits())?;
        }
        out.array(self.runs.len() as u64)?;
        Ok(())
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        let mut input = Decoder::new(body);
        let delta = Reader { input: &mut input, body }
            .delta()
            .map_err(|detail| WireError::malformed("delta", detail))?;
        if input.position() != body.len() {
            return Err(WireError::malformed("delta", "bytes after the end"));
        }
        Ok(delta)
    }
}

struct Reader<'a, 'b> {
    input: &'a mut Decoder<'b>,
    body: &'a Bytes,
}

impl Reader<'_, '_> {
    fn delta(&mut self) -> Result<Delta, String> {
        self.array(6)?;
        Ok(Delta {
            tag: ChannelTag(self.fixed()?),
            serial: self.number()?,
            end: self.input.bool().map_err(text)?,
            names: self.list(Self::name)?,
            floors: self.list(Self::floor)?,
            runs: self.list(Self::run)?,
        })
    }

    fn name(&mut self) -> Result<LogKey, String> {
        self.array(4)?;
        let stream = StreamId::new(self.input.str().map_err(text)?).map_err(text)?;
        let author = NodeId::new(self.input.str().map_err(text)?).map_err(text)?;
        let epoch = Epoch::from_bits(self.number()?);
        let branch = if self.null()? {
            None
        } else {
            self.array(2)?;
            Some(Branch { parent: LogId(self.fixed()?), first: ChainHash(self.fixed()?) })
        };
        Ok((stream, author, epoch, branch))
    }

    fn floor(&mut self) -> Result<FloorNote, String> {
        self.array(4)?;
        Ok(FloorNote {
            log: LogId(self.fixed()?),
            floor: self.number()?,
            hash: ChainHash(self.fixed()?),
            stamp: Stamp::from_bits(self.number()?),
        })
    }

    fn run(&mut self) -> Result<DeltaRun, String> {
        self.array(2)?;
        let prev = if self.null()? { None } else { Some(ChainHash(self.fixed()?)) };
        let encoded = self.body.slice_ref(self.input.bytes().map_err(text)?);
        Ok(DeltaRun { prev, run: Run::decode(encoded).map_err(text)? })
    }

    fn array(&mut self, len: u64) -> Result<(), String> {
        match self.input.array().map_err(text)? {
            Some(found) if found == len => Ok(()),
            _ => Err("an array of another length".into()),
        }
    }

    fn list<T>(&mut self, item: impl Fn(&mut Self) -> Result<T, String>) -> Result<Vec<T>, String> {
        let len = self.input.array().map_err(text)?.ok_or("an array without length")?;
        // Every item takes at least a byte: a longer claim is a lie, and nothing is reserved for it.
        if len > (self.body.len() - self.input.position()) as u64 {
            return Err("an array longer than the message".into());
        }
        (0..len).map(|_| item(self)).collect()
    }

    fn fixed<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.input.bytes().map_err(text)?.try_into().map_err(|_| "a hash of another length".into())
    }

    fn number(&mut self) -> Result<u64, String> {
        self.input.u64().map_err(text)
    }

    fn null(&mut self) -> Result<bool, String> {
        if self.input.datatype().map_err(text)? != Type::Null {
            return Ok(false);
        }
        self.input.null().map_err(text)?;
        Ok(true)
    }
}

fn text(error: impl ToString) -> String {
    error.to_string()
}
