//! Channels, streams, peers, the node and single values.

use gossip_core::proto::{ChannelId, NodeRecord, Stamp};
use redb::{ReadTransaction, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};

use crate::fault::Failure;
use crate::keys;
use crate::tables::{
    CHANNELS, Definition, META, META_CLOCK, META_NODE, META_OPEN, STREAMS, decode, encode, meta_number,
    raise_number,
};

/// Writes a record under a key.
pub(crate) fn save<T: Serialize>(
    writing: &WriteTransaction,
    table: Definition,
    key: &[u8],
    record: &T,
) -> Result<(), Failure> {
    put(writing, table, key, &encode(record)?)
}

/// Writes bytes under a key.
pub(crate) fn put(
    writing: &WriteTransaction,
    table: Definition,
    key: &[u8],
    value: &[u8],
) -> Result<(), Failure> {
    writing.open_table(table)?.insert(key, value)?;
    Ok(())
}

/// Removes a key; an unknown one is ignored.
pub(crate) fn delete(writing: &WriteTransaction, table: Definition, key: &[u8]) -> Result<(), Failure> {
    writing.open_table(table)?.remove(key)?;
    Ok(())
}

/// The bytes under a key.
pub(crate) fn load(
    reading: &ReadTransaction,
    table: Definition,
    key: &[u8],
) -> Result<Option<Vec<u8>>, Failure> {
    Ok(reading.open_table(table)?.get(key)?.map(|value| value.value().to_vec()))
}

/// Records in order, and whether there are more.
pub(crate) fn list<T: DeserializeOwned>(
    reading: &ReadTransaction,
    table: Definition,
    prefix: &[u8],
    after: Option<&[u8]>,
    limit: usize,
) -> Result<(Vec<T>, bool), Failure> {
    let table = reading.open_table(table)?;
    let span = keys::span(prefix, after);
    let mut rows = table.range::<&[u8]>(keys::bounds(&span))?;
    let records = rows.by_ref().take(limit.max(1)).map(|row| decode(row?.1.value()));
    let records = records.collect::<Result<_, Failure>>()?;
    let more = rows.next().transpose()?.is_some();
    Ok((records, more))
}

/// Removes a channel record and its stream records.
pub(crate) fn delete_channel(writing: &WriteTransaction, channel: &ChannelId) -> Result<(), Failure> {
    delete(writing, CHANNELS, channel.as_str().as_bytes())?;
    let span = keys::span(&keys::channel(channel), None);
    writing.open_table(STREAMS)?.retain_in::<&[u8], _>(keys::bounds(&span), |_, _| false)?;
    Ok(())
}

/// The node record, with the newest clock known.
pub(crate) fn load_node(reading: &ReadTransaction) -> Result<Option<NodeRecord>, Failure> {
    let meta = reading.open_table(META)?;
    let Some(record) = meta.get(META_NODE)? else { return Ok(None) };
    let record: NodeRecord = decode(record.value())?;
    let newest = Stamp::from_bits(meta_number(&meta, META_CLOCK)?);
    Ok(Some(NodeRecord { clock: record.clock.max(newest), ..record }))
}

/// Writes the node record.
pub(crate) fn save_node(writing: &WriteTransaction, record: &NodeRecord) -> Result<(), Failure> {
    let mut meta = writing.open_table(META)?;
    meta.insert(META_NODE, &encode(record)?[..])?;
    raise_number(&mut meta, META_CLOCK, record.clock.bits())
}

/// Sets the open mark and says whether it was set.
pub(crate) fn mark_open(writing: &WriteTransaction) -> Result<bool, Failure> {
    let mut meta = writing.open_table(META)?;
    let before = meta.insert(META_OPEN, &[1][..])?;
    Ok(before.is_some())
}
