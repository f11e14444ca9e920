//! Runs: consecutive entries of one log, encoded once.
//!
//! A run is the unit of commit, hashing, storage and transfer. It is encoded when it is first
//! committed, stored as encoded and sent as stored; payloads are slices of that encoding.
//!
//! ```text
//! run    = [log: bstr16, first: uint, count: uint, stamp: uint, stamps: bstr, lengths: bstr,
//!           body: bstr, check: bstr8, seal: bstr / null]                       (CBOR, RFC 8949)
//! stamps = count-1 steps from one stamp to the next, each one or two LEB128 numbers:
//!          (counter step - 1) << 2 | 0      same millisecond
//!          (millisecond step) << 2 | 1      later millisecond, counter 0
//!          (millisecond step) << 2 | 2, counter
//! lengths = LEB128 numbers length << 1 | hollow; a single one stands for all entries
//! body   = payloads joined; a hollow entry contributes the 32-byte hash of its payload
//! check  = first 8 bytes of the chain hash at the last entry
//! ```

mod columns;
mod decode;
mod edit;
mod encode;
mod entries;
mod join;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use self::encode::RunBuilder;
pub use self::entries::RunEntries;
use crate::{ChainHash, Check, LogId, PayloadHash, Seq, SeqRange, Stamp};

/// Most entries in a run.
pub const MAX_RUN_ENTRIES: u64 = 256;
/// Most encoded bytes in a run of several entries; a larger single entry is a run alone, and a run with
/// absent payloads may take 9 KiB more.
pub const MAX_RUN_BYTES: usize = 64 * 1024;
/// The hash of a payload may be longer than the payload, and lengths that differ longer than equal ones:
/// so much for each entry, so that no run is too full to be erased.
const HOLLOW_BYTES: usize = MAX_RUN_ENTRIES as usize * (32 + 4);
/// Largest payload any channel can allow.
pub const MAX_PAYLOAD_BYTES: usize = 64 * 1024 * 1024;

/// Why bytes are not a run, or a run does not fit where it was put.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Not the CBOR of a run.
    #[error("malformed run: {0}")]
    Malformed(&'static str),
    /// More entries or bytes than a run may have.
    #[error("run over its bounds: {0}")]
    OverBounds(&'static str),
    /// The hash over its entries is not the one it carries: it does not continue that chain.
    #[error("the run does not continue the chain it was checked against")]
    BrokenChain,
    /// A position outside the run.
    #[error("sequence {0} lies outside the run")]
    Outside(Seq),
}

/// One payload, present or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Payload {
    /// The bytes, a slice of what was received or stored.
    Present(Bytes),
    /// Erased, vetoed or over a local limit: only its hash and length are known.
    Hollow {
        /// BLAKE3 of the missing bytes.
        hash: PayloadHash,
        /// How many bytes are missing.
        len: u64,
    },
}

impl Payload {
    /// The bytes, if present.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        match self {
            Self::Present(bytes) => Some(bytes),
            Self::Hollow { .. } => None,
        }
    }

    /// Length of the payload, present or not.
    #[must_use]
    pub fn len(&self) -> u64 {
        match self {
            Self::Present(bytes) => bytes.len() as u64,
            Self::Hollow { len, .. } => *len,
        }
    }

    /// Whether the payload has no bytes at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// BLAKE3 of the payload.
    #[must_use]
    pub fn hash(&self) -> PayloadHash {
        match self {
            Self::Present(bytes) => PayloadHash::of(bytes),
            Self::Hollow { hash, .. } => *hash,
        }
    }
}

/// A payload that is to be appended. Hashed by whoever has it, so that the one task that owns the node
/// need not do it for all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewPayload {
    bytes: Bytes,
    hash: PayloadHash,
}

impl NewPayload {
    /// Hashes the payload.
    #[must_use]
    pub fn new(bytes: impl Into<Bytes>) -> Self {
        let bytes = bytes.into();
        Self { hash: PayloadHash::of(&bytes), bytes }
    }

    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
}

impl From<Bytes> for NewPayload {
    fn from(bytes: Bytes) -> Self {
        Self::new(bytes)
    }
}

/// One entry of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunEntry {
    /// Position in the log.
    pub sequence: Seq,
    /// Hybrid clock stamp.
    pub stamp: Stamp,
    /// What the author wrote.
    pub payload: Payload,
}

/// Consecutive entries of one log: a checked view over its encoding. Cheap to clone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    encoded: Bytes,
    log: LogId,
    first: Seq,
    count: u64,
    stamp: Stamp,
    stamps: Bytes,
    lengths: Bytes,
    body: Bytes,
    check: Check,
    seal: Option<Bytes>,
}

impl Run {
    /// The bytes as stored and sent.
    #[must_use]
    pub fn encoded(&self) -> &Bytes {
        &self.encoded
    }

    /// The log it belongs to.
    #[must_use]
    pub fn log(&self) -> LogId {
        self.log
    }

    /// First sequence.
    #[must_use]
    pub fn first(&self) -> Seq {
        self.first
    }

    /// Last sequence.
    #[must_use]
    pub fn last(&self) -> Seq {
        self.first + self.count - 1
    }

    /// How many entries; at least one.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// First and last sequence.
    #[must_use]
    pub fn range(&self) -> SeqRange {
        SeqRange { first: self.first, last: self.last() }
    }

    /// Stamp of the first entry.
    #[must_use]
    pub fn first_stamp(&self) -> Stamp {
        self.stamp
    }

    /// Stamp of the last entry.
    #[must_use]
    pub fn last_stamp(&self) -> Stamp {
        columns::Stamps::new(self.stamp, self.count, &self.stamps).last().unwrap_or(self.stamp)
    }

    /// Short hash of the chain at the last entry.
    #[must_use]
    pub fn check(&self) -> Check {
        self.check
    }

    /// The author's signature at the last entry, if the run carries one.
    #[must_use]
    pub fn seal(&self) -> Option<&Bytes> {
        self.seal.as_ref()
    }

    /// The entry at a sequence inside the run.
    #[must_use]
    pub fn entry(&self, sequence: Seq) -> Option<RunEntry> {
        let skip = usize::try_from(sequence.checked_sub(self.first)?).ok()?;
        self.entries().nth(skip)
    }

    /// Chain hashes after each entry, given the hash before the first.
    pub fn hashes(&self, prev: ChainHash) -> impl Iterator<Item = ChainHash> + '_ {
        self.entries().scan(prev, |hash, entry| {
            let payload = entry.payload.hash();
            *hash = hash.link(entry.sequence, entry.stamp, entry.payload.len(), &payload);
            Some(*hash)
        })
    }

    /// Checks the entries against the chain: `prev` is the hash before the first entry.
    /// Returns the hash at the last.
    ///
    /// # Errors
    /// [`RunError::BrokenChain`] when the hash computed differs from the one carried.
    pub fn verify(&self, prev: ChainHash) -> Result<ChainHash, RunError> {
        let end = self.hashes(prev).last().ok_or(RunError::BrokenChain)?;
        if end.check() == self.check { Ok(end) } else { Err(RunError::BrokenChain) }
    }

    /// Payload bytes in the run, hollow ones not counted.
    #[must_use]
    pub fn payload_bytes(&self) -> u64 {
        self.entries().filter_map(|e| e.payload.bytes().map(|b| b.len() as u64)).sum()
    }
}

/// A run as a repository keeps it: with the chain hash before its first entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Chain hash before the first entry.
    pub prev: ChainHash,
    /// The run.
    pub run: Run,
}

impl StoredRun {
    /// Chain hash at `position`, which is inside the run or just before it.
    ///
    /// # Errors
    /// [`RunError::Outside`] otherwise.
    pub fn hash_at(&self, position: Seq) -> Result<ChainHash, RunError> {
        if position + 1 == self.run.first() {
            return Ok(self.prev);
        }
        let skip = position.checked_sub(self.run.first()).ok_or(RunError::Outside(position))?;
        let skip = usize::try_from(skip).map_err(|_| RunError::Outside(position))?;
        self.run.hashes(self.prev).nth(skip).ok_or(RunError::Outside(position))
    }
}
