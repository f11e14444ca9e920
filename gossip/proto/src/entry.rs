//! Entries as applications see them.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::{Epoch, LogId, LogName, NodeId, Payload, RunEntry, Seq, Stamp};

/// Names one entry everywhere: its log and its position in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryId {
    /// The log.
    pub log: LogId,
    /// Position in the log, from 1.
    pub sequence: Seq,
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.log, self.sequence)
    }
}

/// A text is not an [`EntryId`] (32 hex digits, a colon, a number).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an entry id")]
pub struct EntryIdError;

impl FromStr for EntryId {
    type Err = EntryIdError;

    fn from_str(text: &str) -> Result<Self, EntryIdError> {
        let (log, sequence) = text.split_once(':').ok_or(EntryIdError)?;
        let mut id = [0; 16];
        if log.len() != 32 || !log.is_ascii() {
            return Err(EntryIdError);
        }
        for (byte, digits) in id.iter_mut().zip(log.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| EntryIdError)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| EntryIdError)?;
        }
        let sequence = sequence.parse().map_err(|_| EntryIdError)?;
        Ok(Self { log: LogId(id), sequence })
    }
}

/// One event of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    log: Arc<LogName>,
    id: EntryId,
    stamp: Stamp,
    payload: Payload,
}

impl LogEntry {
    /// An entry of `log`, whose address is `id`.
    #[must_use]
    pub fn new(log: Arc<LogName>, id: LogId, entry: RunEntry) -> Self {
        let id = EntryId { log: id, sequence: entry.sequence };
        Self { log, id, stamp: entry.stamp, payload: entry.payload }
    }

    /// Its name, the same on every replica.
    #[must_use]
    pub fn id(&self) -> EntryId {
        self.id
    }

    /// Who wrote it. Forgeable unless [`LogEntry::verified`].
    #[must_use]
    pub fn author(&self) -> &NodeId {
        &self.log.author
    }

    /// Which of the author's generations wrote it; apps may ignore it.
    #[must_use]
    pub fn epoch(&self) -> Epoch {
        self.log.epoch
    }

    /// Full name of its log.
    #[must_use]
    pub fn log(&self) -> &LogName {
        &self.log
    }

    /// Position among the author's entries of this epoch in this stream, from 1.
    #[must_use]
    pub fn sequence(&self) -> Seq {
        self.id.sequence
    }

    /// When it was written, by the hybrid clock.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// The bytes the author wrote; empty when the payload is absent, see [`LogEntry::content`].
    #[must_use]
    pub fn payload(&self) -> &[u8] {
        self.payload.bytes().map_or(&[], |bytes| &bytes[..])
    }

    /// The bytes the author wrote, shared; `None` when the payload is absent.
    #[must_use]
    pub fn bytes(&self) -> Option<&Bytes> {
        self.payload.bytes()
    }

    /// The payload, present or hollow.
    #[must_use]
    pub fn content(&self) -> &Payload {
        &self.payload
    }

    /// Whether its author's signature was checked: always where the author's id is a key, because
    /// nothing else of such an author gets into a store. Plain node ids have none: false.
    #[must_use]
    pub fn verified(&self) -> bool {
        self.log.author.is_key()
    }

    /// Its place in the order of the stream, identical on every replica.
    #[must_use]
    pub fn key(&self) -> OrderKey {
        OrderKey {
            stamp: self.stamp,
            author: self.log.author.clone(),
            epoch: self.log.epoch,
            sequence: self.id.sequence,
            log: self.id.log,
        }
    }
}

/// The order of entries in a stream: stamp, author, epoch, sequence, then log (which differs
/// only between the branches of a fork).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OrderKey {
    /// Hybrid clock stamp.
    pub stamp: Stamp,
    /// Who wrote it.
    pub author: NodeId,
    /// Which generation.
    pub epoch: Epoch,
    /// Position in the log.
    pub sequence: Seq,
    /// The log.
    pub log: LogId,
}
