//! Building a run from entries.

use bytes::Bytes;

use super::columns::put_step;
use super::{MAX_PAYLOAD_BYTES, MAX_RUN_BYTES, MAX_RUN_ENTRIES, NewPayload, Payload, Run};
use crate::leb::put;
use crate::{ChainHash, Check, LogId, PayloadHash, Seq, Stamp};

/// Bytes a run spends on everything but its columns, at most.
const FIXED_BYTES: usize = 17 + 9 + 9 + 9 + 3 * 9 + 9 + 70 + 1;
/// Bytes one entry spends in the columns beside its payload, at most.
const ENTRY_BYTES: usize = 10 + 3 + 10;

/// Collects entries of one log into a run.
#[derive(Debug)]
pub struct RunBuilder {
    log: LogId,
    first: Seq,
    count: u64,
    hash: ChainHash,
    stamp: Stamp,
    last: Stamp,
    stamps: Vec<u8>,
    lengths: Vec<u64>,
    body: Vec<u8>,
}

impl RunBuilder {
    /// A run that begins at `first`; `prev` is the chain hash before it.
    #[must_use]
    pub fn new(log: LogId, first: Seq, prev: ChainHash) -> Self {
        Self {
            log,
            first,
            count: 0,
            hash: prev,
            stamp: Stamp::ZERO,
            last: Stamp::ZERO,
            stamps: Vec::new(),
            lengths: Vec::new(),
            body: Vec::new(),
        }
    }

    /// Whether nothing was pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Whether one more entry of this payload length stays within the bounds of a run.
    #[must_use]
    pub fn fits(&self, payload: &Payload) -> bool {
        self.has_room(payload.bytes().map_or(32, Bytes::len))
    }

    fn has_room(&self, more: usize) -> bool {
        if self.count == 0 {
            return true;
        }
        let size = FIXED_BYTES + self.body.len() + self.stamps.len() + self.lengths.len() * 10;
        self.count < MAX_RUN_ENTRIES && size + more + ENTRY_BYTES <= MAX_RUN_BYTES
    }

    /// Adds the next entry and returns the chain hash at it, or `None` (and adds nothing) when it
    /// does not fit, its stamp is not later than the one before, or its payload is over
    /// [`MAX_PAYLOAD_BYTES`].
    pub fn push(&mut self, stamp: Stamp, payload: &Payload) -> Option<ChainHash> {
        if self.fits(payload) { self.push_whatever(stamp, payload) } else { None }
    }

    /// As [`RunBuilder::push`], for a payload that was hashed before.
    pub fn push_new(&mut self, stamp: Stamp, payload: &NewPayload) -> Option<ChainHash> {
        let NewPayload { bytes, hash } = payload;
        let fits = self.has_room(bytes.len());
        if fits { self.push_part(stamp, bytes, bytes.len() as u64, false, hash) } else { None }
    }

    /// As [`RunBuilder::push`], for entries that were in one run before: the bounds are left to
    /// [`Run::decode`], because [`RunBuilder::fits`] assumes the worst of what is not encoded yet.
    pub(super) fn push_whatever(&mut self, stamp: Stamp, payload: &Payload) -> Option<ChainHash> {
        let hash = payload.hash();
        match payload {
            Payload::Present(bytes) => self.push_part(stamp, bytes, payload.len(), false, &hash),
            Payload::Hollow { hash, len } => self.push_part(stamp, &hash.0, *len, true, hash),
        }
    }

    fn push_part(
        &mut self,
        stamp: Stamp,
        body: &[u8],
        len: u64,
        is_hollow: bool,
        hash: &PayloadHash,
    ) -> Option<ChainHash> {
        let late = self.count > 0 && stamp <= self.last;
        if late || len > MAX_PAYLOAD_BYTES as u64 {
            return None;
        }
        if self.count == 0 {
            self.stamp = stamp;
        } else {
            put_step(&mut self.stamps, self.last, stamp);
        }
        self.body.extend_from_slice(body);
        self.lengths.push(len << 1 | u64::from(is_hollow));
        self.hash = self.hash.link(self.first + self.count, stamp, len, hash);
        self.last = stamp;
        self.count += 1;
        Some(self.hash)
    }

    /// The finished run and the chain hash at its end; `None` when nothing was pushed.
    #[must_use]
    pub fn finish(self, seal: Option<&[u8]>) -> Option<(Run, ChainHash)> {
        if self.count == 0 {
            return None;
        }
        let (hash, run) = (self.hash, self.encode(seal));
        Run::decode(run).ok().map(|run| (run, hash))
    }

    fn encode(self, seal: Option<&[u8]>) -> Bytes {
        let columns = Columns {
            log: self.log,
            first: self.first,
            stamp: self.stamp,
            stamps: self.stamps,
            lengths: self.lengths,
            bodies: &[&self.body],
            check: self.hash.check(),
        };
        columns.encode(seal)
    }
}

/// What a run is encoded from.
pub(super) struct Columns<'a> {
    pub(super) log: LogId,
    pub(super) first: Seq,
    pub(super) stamp: Stamp,
    /// As encoded.
    pub(super) stamps: Vec<u8>,
    /// One number for each entry.
    pub(super) lengths: Vec<u64>,
    /// The body in parts.
    pub(super) bodies: &'a [&'a [u8]],
    pub(super) check: Check,
}

impl Columns<'_> {
    pub(super) fn encode(&self, seal: Option<&[u8]>) -> Bytes {
        let mut lengths = Vec::with_capacity(self.lengths.len() * 2);
        let uniform = self.lengths.iter().all(|word| *word == self.lengths[0]);
        for word in if uniform { &self.lengths[..1] } else { &self.lengths[..] } {
            put(&mut lengths, *word);
        }
        let body: usize = self.bodies.iter().map(|part| part.len()).sum();
        let capacity = FIXED_BYTES + self.stamps.len() + lengths.len() + body;
        let mut out = minicbor::Encoder::new(Vec::with_capacity(capacity));
        let done = (|| {
            out.array(9)?.bytes(&self.log.0)?.u64(self.first)?.u64(self.lengths.len() as u64)?;
            out.u64(self.stamp.bits())?.bytes(&self.stamps)?.bytes(&lengths)?;
            out.bytes_len(body as u64)?;
            self.bodies.iter().for_each(|part| out.writer_mut().extend_from_slice(part));
            out.bytes(&self.check.0)?;
            match seal {
                Some(seal) => out.bytes(seal)?,
                None => out.null()?,
            };
            Ok::<_, minicbor::encode::Error<std::convert::Infallible>>(())
        })();
        debug_assert!(done.is_ok(), "writing CBOR to a Vec cannot fail");
        out.into_writer().into()
    }
}
