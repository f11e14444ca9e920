//! What lies in the tables. This and [`crate::head`] are the format; a golden test freezes it.
//!
//! | table | key | value |
//! |---|---|---|
//! | runs | log, last sequence | a check over the rest (8), chain hash before the run, the run as encoded |
//! | names | log | full name ([`encode_name`]) |
//! | heads | log | what moves in the head ([`crate::head`]) |
//! | logs by channel | channel, log | a check |
//! | logs by stream | channel, stream, log | a check |
//! | arrivals | channel, stream, arrival | log, first sequence, count, a check ([`crate::row`]) |
//! | channels | channel | its record, a check |
//! | streams | channel, stream | its record, a check |
//! | peers | peer | its record, a check |
//! | snapshots | key | a check over key and hash, the value |
//! | meta | see [`crate::notes`] | mostly a number and a check |
//!
//! Numbers are big-endian where nothing else is said, records CBOR. A check is the one of
//! [`crate::check`] (4 bytes) unless its size is told here. The check of a name is its key, a hash of it.
//! How keys are put together is said in [`crate::keys`].
//!
//! What damage to a row leads to (`docs/adr/0012-every-row-is-checked.md` says why):
//!
//! | table | then |
//! |---|---|
//! | runs | reads stop there, arrivals tell it, `isolate` makes a gap of it |
//! | names, heads | listings leave the log out, and it comes in anew; a name is written again with the next commit |
//! | logs by … | the logs are listed from their names |
//! | arrivals | the row is taken out, what it stood for arrives again ([`crate::mend`]) |
//! | channels, streams, peers | listings end before the record, then name it; saved again or deleted it is whole |
//! | snapshots | loading tells it; saved again or deleted it is whole |
//! | meta | format and incarnation are there twice; numbers are worked out ([`crate::numbers`]); a store whose mark is damaged was not closed; the node record is told |

use bytes::Bytes;
use gossip_core::proto::{
    Branch, ChainHash, ChannelId, Epoch, LogId, LogName, NodeId, PayloadHash, Run, Seq, StoredRun, StreamId,
};
use serde::{Serialize, de::DeserializeOwned};

use crate::check::{SUM, seal, sum_of, unseal};
use crate::edits::{Edits, Parts};
use crate::engine::Table;
use crate::fault::Failure;
use crate::keys;

/// Bytes of the check over a run.
const RUN_SUM: usize = 8;

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
    if *sum != run_sum(&prev, encoded) && *sum != run_sum_before(&prev, encoded) {
        return Err(wrong("it is not what was written"));
    }
    let run = Run::decode(encoded.to_vec().into()).map_err(|why| wrong(&why.to_string()))?;
    if run.log() != log || run.last() != last {
        return Err(wrong("it is another run"));
    }
    Ok(StoredRun { prev, run })
}

fn run_sum(prev: &ChainHash, encoded: &[u8]) -> [u8; RUN_SUM] {
    sum_of(&[&prev.0, encoded])
}

/// The check of runs that were written before format 3: they are not written again for that.
fn run_sum_before(prev: &ChainHash, encoded: &[u8]) -> [u8; RUN_SUM] {
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

/// A record: CBOR and its check.
pub(crate) fn encode<T: Serialize>(table: Table, key: &[u8], record: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    ciborium::into_writer(record, &mut bytes).map_err(|why| Failure::rejected(why.to_string()))?;
    Ok(seal(table, key, bytes))
}

/// A record, and whether it is the one its key names is for others to see.
pub(crate) fn decode<T: DeserializeOwned>(table: Table, key: &[u8], row: &[u8]) -> Result<T, Failure> {
    let damaged = |why: &dyn std::fmt::Display| {
        Failure::corrupt(format!("{} {}: {why}", table.name(), key.escape_ascii()))
    };
    let bytes = unseal(table, key, row).ok_or_else(|| damaged(&"the row is damaged"))?;
    ciborium::from_reader(bytes).map_err(|why| damaged(&why))
}

/// Names a log in a listing, under a prefix.
pub(crate) fn put_listed(edits: &mut Edits, table: Table, prefix: &[u8], log: LogId) {
    let key = keys::join(prefix, &log.0);
    let value = seal(table, &key, Vec::new());
    edits.put(table, key, value);
}

/// A snapshot with its check in front; the value is shared, not copied.
pub(crate) fn encode_snapshot(key: &str, value: Bytes) -> Parts {
    Parts { front: snapshot_sum(key, &value), rest: value }
}

/// The value of a snapshot, `None` when it is damaged.
pub(crate) fn decode_snapshot<'r>(key: &str, row: &'r [u8]) -> Option<&'r [u8]> {
    let (sum, value) = row.split_at_checked(SUM)?;
    (snapshot_sum(key, value) == *sum).then_some(value)
}

/// A value may be large: its hash stands for it.
fn snapshot_sum(key: &str, value: &[u8]) -> Vec<u8> {
    let hash = PayloadHash::of(value).0;
    seal(Table::Snapshots, key.as_bytes(), hash.to_vec()).split_off(hash.len())
}
