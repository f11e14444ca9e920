//! Channels, streams, peers, the node and single values.

use gossip_core::proto::{ChannelId, NodeRecord, Stamp};
use serde::de::DeserializeOwned;

use crate::engine::{Order, Table, View};
use crate::fault::Failure;
use crate::keys::{self, Span};
use crate::layout::{META_CLOCK, META_NODE, META_OPEN, decode, encode, meta_number};
use crate::turn::Turn;

/// Records in order, and whether there are more.
pub(crate) fn list<T: DeserializeOwned>(
    view: &dyn View,
    table: Table,
    (prefix, after): (&[u8], Option<&[u8]>),
    limit: usize,
) -> Result<(Vec<T>, bool), Failure> {
    let (mut rows, mut records) = (view.scan(table, &Span::under(prefix, after), Order::Up)?, Vec::new());
    while let Some((_, value)) = rows.next()? {
        if records.len() == limit.max(1) {
            return Ok((records, true));
        }
        records.push(decode(value)?);
    }
    Ok((records, false))
}

/// Removes a channel record and its stream records.
pub(crate) fn delete_channel(turn: &mut Turn<'_>, channel: &ChannelId) {
    turn.edits.delete(Table::Channels, channel.as_str());
    let prefix = keys::channel(channel);
    let end = keys::join(channel.as_str().as_bytes(), &[1]);
    turn.edits.delete_range(Table::Streams, prefix, end);
}

/// The node record, with the newest clock known.
pub(crate) fn load_node(view: &dyn View) -> Result<Option<NodeRecord>, Failure> {
    let Some(record) = view.get(Table::Meta, META_NODE)? else { return Ok(None) };
    let record: NodeRecord = decode(&record)?;
    let newest = Stamp::from_bits(meta_number(view, META_CLOCK)?.unwrap_or(0));
    Ok(Some(NodeRecord { clock: record.clock.max(newest), ..record }))
}

/// Writes the node record.
pub(crate) fn save_node(turn: &mut Turn<'_>, record: &NodeRecord) -> Result<(), Failure> {
    turn.edits.put(Table::Meta, META_NODE, encode(record)?);
    turn.raise(0, record.clock.bits())
}

/// Sets the open mark and says whether it was set.
pub(crate) fn mark_open(turn: &mut Turn<'_>) -> Result<bool, Failure> {
    let before = turn.view().get(Table::Meta, META_OPEN)?.is_some();
    turn.edits.put(Table::Meta, META_OPEN, &[1][..]);
    Ok(before)
}
