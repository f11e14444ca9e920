//! The format of a channel file.
//!
//! ```text
//! file   = "gossip-channel-2" header stream* (log (gap / run)*)* end
//! frame  = length: 4 bytes, little endian; kind: 1 byte; body: `length` bytes; check: 8 bytes
//! check  = first bytes of s(n) = BLAKE3(s(n-1) | BLAKE3(kind | body)); s(0) = BLAKE3(magic)
//! header = 1, CBOR {channel, payload_limit, exporter}
//! stream = 2, CBOR {id, retention}
//! log    = 3, CBOR {name, floor, hash, stamp, seal}: the chain hash at the floor and, if known, the stamp and
//!          the author's seal there
//! gap    = 4, CBOR {last, hash, stamp, seal}: nothing is held up to here; the same there
//! run    = 5, the run as stored, with its seal: it begins where the log, gap or run before it ended
//! end    = 6, CBOR {streams, logs, runs, entries}
//! ```
//!
//! Version 1 had no seals but those of runs: in it a log of which nothing but the height was held ends nowhere
//! if its author signs. Branches of sealed logs come before the logs they part from, whose ends they vouch for; those
//! of others after them.
//!
//! Each check covers everything before it, so damage is found before what comes behind it is used.

use gossip_proto::{
    ChainHash, ChannelId, LogName, MAX_PAYLOAD_BYTES, NodeId, PayloadHash, Retention, Seal, Seq, Stamp,
    StreamId,
};
use serde::{Deserialize, Serialize};

use super::FileError;

/// Everything up to the version.
pub(super) const MAGIC: &[u8; 15] = b"gossip-channel-";
/// The version written.
pub(super) const VERSION: u8 = b'2';
/// The oldest version read.
pub(super) const OLDEST: u8 = b'1';
/// Length and kind.
pub(super) const HEAD_BYTES: usize = 5;
/// Bytes of a check.
pub(super) const CHECK_BYTES: usize = 8;
/// Longest body that is not a run.
const MAX_RECORD_BYTES: u64 = 1 << 20;
/// Longest run: one payload of the largest size, and what a run spends beside it.
const MAX_RUN_BYTES: u64 = MAX_PAYLOAD_BYTES as u64 + 1024;

/// What the channel is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Header {
    pub(super) channel: ChannelId,
    pub(super) payload_limit: u64,
    pub(super) exporter: NodeId,
}

/// A stream of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct StreamLine {
    pub(super) id: StreamId,
    pub(super) retention: Retention,
}

/// A log; what follows belongs to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LogLine {
    pub(super) name: LogName,
    pub(super) floor: Seq,
    pub(super) hash: ChainHash,
    pub(super) stamp: Stamp,
    #[serde(default)]
    pub(super) seal: Option<Seal>,
}

/// Entries that are not in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GapLine {
    pub(super) last: Seq,
    pub(super) hash: ChainHash,
    pub(super) stamp: Stamp,
    #[serde(default)]
    pub(super) seal: Option<Seal>,
}

/// What the whole file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Totals {
    pub(super) streams: u64,
    pub(super) logs: u64,
    pub(super) runs: u64,
    pub(super) entries: u64,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Header = 1,
    Stream = 2,
    Log = 3,
    Gap = 4,
    Run = 5,
    End = 6,
}

impl Kind {
    pub(super) fn of(byte: u8) -> Option<Self> {
        let all = [Self::Header, Self::Stream, Self::Log, Self::Gap, Self::Run, Self::End];
        all.into_iter().find(|kind| *kind as u8 == byte)
    }

    pub(super) fn max_bytes(self) -> u64 {
        if self == Self::Run { MAX_RUN_BYTES } else { MAX_RECORD_BYTES }
    }
}

/// The running sum behind the checks.
#[derive(Debug)]
pub(super) struct Sum(PayloadHash);

impl Sum {
    pub(super) fn new(version: u8) -> Self {
        let mut magic = MAGIC.to_vec();
        magic.push(version);
        Self(PayloadHash::of(&magic))
    }

    /// The check of the next frame, given its kind and body.
    pub(super) fn check(&mut self, kind_and_body: &[u8]) -> [u8; CHECK_BYTES] {
        let mut both = [0; 64];
        both[..32].copy_from_slice(&self.0.0);
        both[32..].copy_from_slice(&PayloadHash::of(kind_and_body).0);
        self.0 = PayloadHash::of(&both);
        let mut check = [0; CHECK_BYTES];
        check.copy_from_slice(&self.0.0[..CHECK_BYTES]);
        check
    }
}

/// Encodes a frame.
pub(super) fn frame(sum: &mut Sum, kind: Kind, body: &[u8]) -> Result<Vec<u8>, FileError> {
    let bytes = body.len() as u64;
    let too_long = FileError::TooLong { at: 0, bytes };
    let length = u32::try_from(bytes).ok().filter(|_| bytes <= kind.max_bytes()).ok_or(too_long)?;
    let mut frame = Vec::with_capacity(HEAD_BYTES + body.len() + CHECK_BYTES);
    frame.extend_from_slice(&length.to_le_bytes());
    frame.push(kind as u8);
    frame.extend_from_slice(body);
    let check = sum.check(&frame[4..]);
    frame.extend_from_slice(&check);
    Ok(frame)
}

/// A record as the body of its frame.
pub(super) fn record(value: &impl Serialize) -> Result<Vec<u8>, FileError> {
    let mut body = Vec::new();
    ciborium::into_writer(value, &mut body).map_err(std::io::Error::other)?;
    Ok(body)
}
