//! Reading a channel file: everything is checked before it is handed on.

use std::io::Read;

use bytes::Bytes;
use gossip_proto::node::{ImportFloor, ImportPart};
use gossip_proto::{ChainHash, LogId, LogName, Run, Seal, Seq, Stamp, StoredRun};
use serde::de::DeserializeOwned;

use super::FileError;
use super::format::{
    CHECK_BYTES, GapLine, HEAD_BYTES, Header, Kind, LogLine, MAGIC, OLDEST, StreamLine, Sum, Totals, VERSION,
};

/// A part is handed on when it holds so many bytes.
const PART_BYTES: usize = 256 * 1024;
/// Or so many runs.
const PART_RUNS: usize = 256;
/// No log reaches farther.
const MAX_SEQ: Seq = i64::MAX as Seq;

/// The next thing a file holds.
#[derive(Debug)]
pub(super) enum Step {
    Header(Header),
    Stream(StreamLine),
    /// Part of a log; `begins` with the first of each.
    Part {
        part: ImportPart,
        begins: bool,
    },
    /// The file was whole.
    End,
}

/// Reads a file from the front; holds one part at a time.
pub(super) struct Parser<R> {
    input: R,
    sum: Sum,
    /// Bytes read so far, and where the frame begins that was read last.
    offset: u64,
    at: u64,
    seen: Totals,
    header: Option<Header>,
    log: Option<Log>,
    /// What was read and is to be taken next: a frame, or why there is none.
    held: Option<Result<(Kind, Bytes), FileError>>,
}

struct Log {
    name: LogName,
    id: LogId,
    at: Seq,
    hash: ChainHash,
    stamp: Stamp,
    /// The author's seal there, if it is in the file.
    seal: Option<Seal>,
    /// Nothing of it was handed on yet.
    begins: bool,
}

impl<R: Read> Parser<R> {
    pub(super) fn new(input: R) -> Self {
        let (sum, seen) = (Sum::new(VERSION), Totals::default());
        Self { input, sum, offset: 0, at: 0, seen, header: None, log: None, held: None }
    }

    /// The next step; after [`Step::End`] there is none.
    pub(super) fn next(&mut self) -> Result<Step, FileError> {
        if self.header.is_none() {
            return self.begin();
        }
        let (kind, body) = self.take()?;
        match kind {
            Kind::Stream if self.log.is_none() => {
                self.seen.streams += 1;
                Ok(Step::Stream(self.decode(&body)?))
            }
            Kind::Log => {
                self.open(&body)?;
                self.part()
            }
            Kind::Gap => {
                self.skip(&body)?;
                self.part()
            }
            Kind::Run if self.log.is_some() => {
                self.held = Some(Ok((kind, body)));
                self.part()
            }
            Kind::End => self.end(&body),
            _ => Err(self.invalid("a part that does not belong here")),
        }
    }

    fn begin(&mut self) -> Result<Step, FileError> {
        let mut magic = [0; MAGIC.len() + 1];
        match self.fill(&mut magic) {
            Err(FileError::Truncated) => return Err(FileError::NotAnExport),
            other => other?,
        }
        if magic[..MAGIC.len()] != MAGIC[..] {
            return Err(FileError::NotAnExport);
        }
        let version = magic[MAGIC.len()];
        if !(OLDEST..=VERSION).contains(&version) {
            return Err(FileError::Version { found: version.into(), ours: VERSION.into() });
        }
        self.sum = Sum::new(version);
        let (Kind::Header, body) = self.take()? else {
            return Err(self.invalid("no header"));
        };
        let header: Header = self.decode(&body)?;
        self.header = Some(header.clone());
        Ok(Step::Header(header))
    }

    fn open(&mut self, body: &[u8]) -> Result<(), FileError> {
        let line: LogLine = self.decode(body)?;
        if self.header.as_ref().is_none_or(|header| header.channel != line.name.channel) {
            return Err(self.invalid("a log of another channel"));
        }
        let hash = line.name.hash();
        if line.floor > MAX_SEQ {
            return Err(self.invalid("a floor farther than any log reaches"));
        }
        if line.floor == 0 && line.hash != line.name.root() {
            return Err(self.invalid("a log that begins with another hash than its own"));
        }
        self.seen.logs += 1;
        let LogLine { name, floor: at, hash: end, stamp, seal } = line;
        self.log = Some(Log { name, id: hash.id(), at, hash: end, stamp, seal, begins: true });
        Ok(())
    }

    fn skip(&mut self, body: &[u8]) -> Result<(), FileError> {
        let gap: GapLine = self.decode(body)?;
        match &mut self.log {
            Some(log) if gap.last > log.at && gap.last <= MAX_SEQ => {
                (log.at, log.hash, log.stamp, log.seal) = (gap.last, gap.hash, gap.stamp, gap.seal);
                Ok(())
            }
            _ => Err(self.invalid("a gap that does not belong here")),
        }
    }

    /// Collects runs up to the bounds of a part, from the floor or gap before them. What is wrong
    /// behind them is told after them.
    fn part(&mut self) -> Result<Step, FileError> {
        let (mut runs, mut bytes) = (Vec::<StoredRun>::new(), 0);
        let begun = self.log.as_ref().filter(|log| log.at > 0);
        let floor = begun.map(|Log { at, hash, stamp, seal, .. }| {
            let (sequence, hash, stamp, seal) = (*at, *hash, *stamp, *seal);
            Box::new(ImportFloor { sequence, hash, stamp, seal })
        });
        let is_sealed = self.log.as_ref().is_some_and(|log| log.name.author.is_key());
        let between = |runs: &[StoredRun]| is_sealed && runs.last().is_some_and(|at| at.run.seal().is_none());
        // Only what is followed by a seal in the same part is taken.
        while bytes < PART_BYTES && runs.len() < PART_RUNS || bytes < 4 * PART_BYTES && between(&runs) {
            match self.take() {
                Ok((Kind::Run, body)) => {
                    bytes += body.len();
                    runs.push(self.run(body)?);
                }
                other => {
                    self.held = Some(other);
                    break;
                }
            }
        }
        let misplaced = self.invalid("a run without a log");
        let log = self.log.as_mut().ok_or(misplaced)?;
        let begins = std::mem::replace(&mut log.begins, false);
        Ok(Step::Part { part: ImportPart { log: log.name.clone(), floor, runs, fills: false }, begins })
    }

    fn run(&mut self, body: Bytes) -> Result<StoredRun, FileError> {
        let (decoded, malformed) = (Run::decode(body), self.invalid("not a run"));
        let run = decoded.map_err(|_| malformed)?;
        let wrong = self.invalid("a run that does not continue its log");
        let log = self.log.as_mut().filter(|log| run.log() == log.id && run.first() - 1 == log.at);
        let Some(log) = log else { return Err(wrong) };
        let prev = log.hash;
        let end = run.verify(prev).map_err(|_| wrong)?;
        (log.at, log.hash, log.stamp) = (run.last(), end, run.last_stamp());
        log.seal = run.seal().and_then(|seal| Seal::from_slice(seal));
        self.seen.runs += 1;
        self.seen.entries += run.count();
        Ok(StoredRun { prev, run })
    }

    fn end(&mut self, body: &[u8]) -> Result<Step, FileError> {
        let totals: Totals = self.decode(body)?;
        if totals != self.seen {
            return Err(self.invalid("it holds more or less than it says"));
        }
        self.at = self.offset;
        if self.input.by_ref().take(1).read_to_end(&mut Vec::new())? > 0 {
            return Err(self.invalid("bytes after the end"));
        }
        Ok(Step::End)
    }

    /// The frame held back, or the next of the input.
    fn take(&mut self) -> Result<(Kind, Bytes), FileError> {
        match self.held.take() {
            Some(held) => held,
            None => self.frame(),
        }
    }

    fn frame(&mut self) -> Result<(Kind, Bytes), FileError> {
        self.at = self.offset;
        let mut head = [0; HEAD_BYTES];
        self.fill(&mut head)?;
        let [a, b, c, d, kind] = head;
        let bytes = u64::from(u32::from_le_bytes([a, b, c, d]));
        let Some(known) = Kind::of(kind) else { return Err(FileError::Damaged { at: self.at }) };
        if bytes > known.max_bytes() {
            return Err(FileError::TooLong { at: self.at, bytes });
        }
        // It grows as bytes come, so a length that lies takes no memory.
        let mut body = vec![kind];
        self.offset += self.input.by_ref().take(bytes).read_to_end(&mut body)? as u64;
        if body.len() as u64 != bytes + 1 {
            return Err(FileError::Truncated);
        }
        let mut check = [0; CHECK_BYTES];
        self.fill(&mut check)?;
        if self.sum.check(&body) != check {
            return Err(FileError::Damaged { at: self.at });
        }
        Ok((known, Bytes::from(body).slice(1..)))
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<(), FileError> {
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => FileError::Truncated,
            _ => error.into(),
        })?;
        self.offset += buffer.len() as u64;
        Ok(())
    }

    fn decode<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, FileError> {
        let mut rest = body;
        let value =
            ciborium::from_reader(&mut rest).map_err(|_| self.invalid("not the record it should be"))?;
        if rest.is_empty() { Ok(value) } else { Err(self.invalid("bytes after a record")) }
    }

    fn invalid(&self, why: &'static str) -> FileError {
        FileError::Invalid { at: self.at, why }
    }
}
