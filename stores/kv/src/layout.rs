//! What lies in the tables. This and [`crate::head`] are the format; a golden test freezes it.
//!
//! | table | key | value |
//! |---|---|---|
//! | runs | log, last sequence | a check over the rest (8), chain hash before the run, the run as encoded |
//! | names | log | full name ([`encode_name`]) |
//! | heads | log | what moves in the head ([`crate::head`]) |
//! | logs by channel | channel, log | nothing |
//! | logs by stream | channel, stream, log | nothing |
//! | arrivals | channel, stream, arrival | log, first sequence, count ([`Row`]) |
//! | channels | channel | its record |
//! | streams | channel, stream | its record |
//! | peers | peer | its record |
//! | snapshots | key | value |
//! | meta | see the constants | see the constants |
//!
//! Numbers are big-endian, records CBOR. How keys are put together is said in [`crate::keys`].

use gossip_core::proto::{
    Branch, ChainHash, ChannelId, Epoch, LogId, LogName, NodeId, PayloadHash, Run, Seq, StoredRun, StreamId,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::edits::{Edits, Parts};
use crate::engine::{Table, View};
use crate::fault::Failure;
use crate::keys;

/// Bytes of the check over a run.
const RUN_SUM: usize = 8;

/// Version of the format. A number.
pub(crate) const META_FORMAT: &[u8] = b"format";
/// The store incarnation. A number.
pub(crate) const META_INCARNATION: &[u8] = b"incarnation";
/// The newest arrival number given out. A number.
pub(crate) const META_ARRIVAL: &[u8] = b"arrival";
/// The newest clock saved or committed. A number.
pub(crate) const META_CLOCK: &[u8] = b"clock";
/// There while the store is marked open: 1 by one that syncs each commit, 2 by one that does not.
pub(crate) const META_OPEN: &[u8] = b"open";
/// The node record.
pub(crate) const META_NODE: &[u8] = b"node";

/// Consecutive entries of one log with consecutive arrival numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) log: LogId,
    pub(crate) first: Seq,
    pub(crate) count: u64,
}

impl Row {
    pub(crate) fn encode(self) -> Vec<u8> {
        [&self.log.0[..], &self.first.to_be_bytes(), &self.count.to_be_bytes()].concat()
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Failure> {
        let damaged = || Failure::corrupt("a damaged arrival row");
        let (log, rest) = bytes.split_first_chunk().ok_or_else(damaged)?;
        let (first, rest) = rest.split_first_chunk().ok_or_else(damaged)?;
        let count = rest.try_into().map_err(|_| damaged())?;
        let row =
            Self { log: LogId(*log), first: u64::from_be_bytes(*first), count: u64::from_be_bytes(count) };
        let sound = row.first > 0 && row.count > 0 && row.first.checked_add(row.count).is_some();
        if sound { Ok(row) } else { Err(damaged()) }
    }
}

/// Channel, stream and author, each ended by a zero byte, then the epoch and, for a branch, its parent
/// and first hash. The key is the hash of all this, so that damage shows.
pub(crate) fn encode_name(name: &LogName) -> Vec<u8> {
    let mut bytes = keys::stream_of(name);
    bytes.extend_from_slice(name.author.as_str().as_bytes());
    bytes.push(0);
    bytes.extend_from_slice(&name.epoch.bits().to_be_bytes());
    if let Some(branch) = &name.branch {
        bytes.extend_from_slice(&branch.parent.0);
        bytes.extend_from_slice(&branch.first.0);
    }
    bytes
}

/// The name of a log, `None` when it is damaged.
pub(crate) fn decode_name(log: LogId, bytes: &[u8]) -> Option<LogName> {
    let mut parts = bytes.splitn(4, |byte| *byte == 0);
    let mut text = || parts.next().and_then(|part| std::str::from_utf8(part).ok());
    let channel = ChannelId::new(text()?).ok()?;
    let stream = StreamId::new(text()?).ok()?;
    let author = NodeId::new(text()?).ok()?;
    let (epoch, rest) = parts.next()?.split_first_chunk()?;
    let branch = match rest.split_first_chunk() {
        Some((parent, first)) => {
            Some(Branch { parent: LogId(*parent), first: ChainHash(first.try_into().ok()?) })
        }
        None if rest.is_empty() => None,
        None => return None,
    };
    let epoch = Epoch::from_bits(u64::from_be_bytes(*epoch));
    let name = LogName { channel, stream, author, epoch, branch };
    (name.id() == log).then_some(name)
}

/// Reads a run and checks that it is the one its key names and still what was written. Its chain was
/// checked before it was written: hashing the row once is several times cheaper than hashing every
/// entry twice, whenever anything is read.
pub(crate) fn decode_run(log: LogId, last: Seq, bytes: &[u8]) -> Result<StoredRun, Failure> {
    let wrong = |why: &str| Failure::corrupt(format!("the run of log {log} that ends at {last}: {why}"));
    let (sum, bytes) = bytes.split_first_chunk().ok_or_else(|| wrong("too short"))?;
    let (prev, encoded) = bytes.split_first_chunk().ok_or_else(|| wrong("too short"))?;
    let prev = ChainHash(*prev);
    if *sum != run_sum(&prev, encoded) {
        return Err(wrong("it is not what was written"));
    }
    let run = Run::decode(encoded.to_vec().into()).map_err(|why| wrong(&why.to_string()))?;
    if run.log() != log || run.last() != last {
        return Err(wrong("it is another run"));
    }
    Ok(StoredRun { prev, run })
}

/// Notices accidents, not attacks, as the check of a head does.
fn run_sum(prev: &ChainHash, encoded: &[u8]) -> [u8; RUN_SUM] {
    let all = PayloadHash::of(&[prev.0, PayloadHash::of(encoded).0].concat());
    let mut sum = [0; RUN_SUM];
    sum.copy_from_slice(&all.0[..RUN_SUM]);
    sum
}

/// Writes a run under its key; the encoded run is shared, not copied.
pub(crate) fn put_run(edits: &mut Edits, prev: &ChainHash, run: &Run) {
    let front = [&run_sum(prev, run.encoded())[..], &prev.0].concat();
    let value = Parts { front, rest: run.encoded().clone() };
    edits.put(Table::Runs, keys::run(run.log(), run.last()), value);
}

/// What a run occupies, from the bytes of its row.
pub(crate) fn run_len(row: &[u8]) -> u64 {
    row.len().saturating_sub(RUN_SUM + 32) as u64
}

/// A value as CBOR.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|why| Failure::rejected(why.to_string()))?;
    Ok(bytes)
}

/// A value from CBOR.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    ciborium::from_reader(bytes).map_err(|why| Failure::corrupt(why.to_string()))
}

/// A number among the single values, `None` when it is not there.
pub(crate) fn meta_number(view: &dyn View, key: &[u8]) -> Result<Option<u64>, Failure> {
    let Some(value) = view.get(Table::Meta, key)? else { return Ok(None) };
    let bytes = (*value).try_into().map_err(|_| Failure::corrupt("a damaged number"))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// Writes a number among the single values.
pub(crate) fn put_number(edits: &mut Edits, key: &[u8], value: u64) {
    edits.put(Table::Meta, key, &value.to_be_bytes()[..]);
}
