//! Tables and the values in them.

use gossip_core::proto::{ChainHash, Fault, LogHead, LogId, Run, Seq, StoredRun};
use redb::{ReadableTable, TableDefinition};
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::fault::Failure;

/// Every table maps bytes to bytes; what they mean is said here, not in the database.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

/// Log and last sequence → hash before the run (32 bytes), the run as encoded.
pub(crate) const RUNS: Definition = TableDefinition::new("runs");
/// Log → [`HeadRow`].
pub(crate) const HEADS: Definition = TableDefinition::new("heads");
/// Channel, log → nothing: the logs of a channel in order.
pub(crate) const BY_CHANNEL: Definition = TableDefinition::new("logs by channel");
/// Channel, stream, log → nothing: the logs of a stream in order.
pub(crate) const BY_STREAM: Definition = TableDefinition::new("logs by stream");
/// Channel, stream, arrival → [`Row`].
pub(crate) const ARRIVALS: Definition = TableDefinition::new("arrivals");
/// Channel → its record.
pub(crate) const CHANNELS: Definition = TableDefinition::new("channels");
/// Channel, stream → its record.
pub(crate) const STREAMS: Definition = TableDefinition::new("streams");
/// Peer → its record.
pub(crate) const PEERS: Definition = TableDefinition::new("peers");
/// Key → value.
pub(crate) const SNAPSHOTS: Definition = TableDefinition::new("snapshots");
/// Single values, see the constants below.
pub(crate) const META: Definition = TableDefinition::new("meta");

/// All tables.
pub(crate) const ALL: [Definition; 10] =
    [RUNS, HEADS, BY_CHANNEL, BY_STREAM, ARRIVALS, CHANNELS, STREAMS, PEERS, SNAPSHOTS, META];

/// Version of the layout of this file.
pub(crate) const META_FORMAT: &[u8] = b"format";
/// The store incarnation.
pub(crate) const META_INCARNATION: &[u8] = b"incarnation";
/// The newest arrival number given out.
pub(crate) const META_ARRIVAL: &[u8] = b"arrival";
/// The newest clock saved or committed.
pub(crate) const META_CLOCK: &[u8] = b"clock";
/// There while the store is marked open.
pub(crate) const META_OPEN: &[u8] = b"open";
/// The node record.
pub(crate) const META_NODE: &[u8] = b"node";

/// A table in a transaction, to read from.
pub(crate) trait Readable: ReadableTable<&'static [u8], &'static [u8]> {}
impl<T: ReadableTable<&'static [u8], &'static [u8]>> Readable for T {}

/// A table in a write transaction.
pub(crate) type Writable<'t> = redb::Table<'t, &'static [u8], &'static [u8]>;

/// A head and what its runs occupy, so that usage needs no look at them.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct HeadRow {
    pub(crate) head: LogHead,
    pub(crate) bytes: u64,
}

/// Consecutive entries of one log that were accepted together: log, first sequence, count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) log: LogId,
    pub(crate) first: Seq,
    pub(crate) count: u64,
}

impl Row {
    pub(crate) fn encode(self) -> [u8; 32] {
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(&self.log.0);
        bytes[16..24].copy_from_slice(&self.first.to_be_bytes());
        bytes[24..].copy_from_slice(&self.count.to_be_bytes());
        bytes
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

/// Reads a run and checks that it is the one its key names and matches its chain.
pub(crate) fn decode_run(log: LogId, last: Seq, bytes: &[u8]) -> Result<StoredRun, Failure> {
    let wrong = |why: &str| Failure::corrupt(format!("the run of log {log} that ends at {last}: {why}"));
    let (prev, encoded) = bytes.split_first_chunk().ok_or_else(|| wrong("too short"))?;
    let prev = ChainHash(*prev);
    let run = Run::decode(encoded.to_vec().into()).map_err(|why| wrong(&why.to_string()))?;
    if run.log() != log || run.last() != last {
        return Err(wrong("it is another run"));
    }
    run.verify(prev).map_err(|why| wrong(&why.to_string()))?;
    Ok(StoredRun { prev, run })
}

/// Writes a run under its key; the bytes are copied once, into the page.
pub(crate) fn insert_run(runs: &mut Writable<'_>, prev: &ChainHash, run: &Run) -> Result<(), Failure> {
    let (key, encoded) = (crate::keys::run(run.log(), run.last()), run.encoded());
    let mut place = runs.insert_reserve(&key[..], 32 + encoded.len())?;
    let (front, rest) = place.as_mut().split_at_mut(32);
    front.copy_from_slice(&prev.0);
    rest.copy_from_slice(encoded);
    Ok(())
}

/// What a run occupies, from the bytes of its row.
pub(crate) fn run_len(row: &[u8]) -> u64 {
    row.len().saturating_sub(32) as u64
}

/// A value as CBOR.
pub(crate) fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    ciborium::into_writer(value, &mut bytes).map_err(|why| Failure::rejected(why.to_string()))?;
    Ok(bytes)
}

/// A value from CBOR.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    ciborium::from_reader(bytes).map_err(|why| Failure::Ours(Fault::Corrupt, why.to_string().into()))
}

/// The head row of a log.
pub(crate) fn head_row(heads: &impl Readable, log: LogId) -> Result<Option<HeadRow>, Failure> {
    heads.get(&log.0[..])?.map(|row| decode(row.value())).transpose()
}

/// A number among the single values, 0 when it is not there.
pub(crate) fn meta_number(meta: &impl Readable, key: &[u8]) -> Result<u64, Failure> {
    let Some(value) = meta.get(key)? else { return Ok(0) };
    let bytes = value.value().try_into().map_err(|_| Failure::corrupt("a damaged number"))?;
    Ok(u64::from_be_bytes(bytes))
}

/// Raises a number among the single values; a lower one changes nothing.
pub(crate) fn raise_number(meta: &mut Writable<'_>, key: &[u8], value: u64) -> Result<(), Failure> {
    if meta_number(meta, key)? < value {
        meta.insert(key, &value.to_be_bytes()[..])?;
    }
    Ok(())
}
