//! Channels, streams, peers, the node and single values.

use gossip_core::proto::{ChannelId, NodeRecord, Stamp};
use serde::de::DeserializeOwned;

use crate::engine::{Order, Table, View};
use crate::fault::Failure;
use crate::keys::{self, Span};
use crate::layout::{decode, encode};
use crate::notes::{NODE, OPEN, number, put_number};
use crate::numbers::Numbers;
use crate::turn::Turn;

/// Records in order, and whether there are more. A damaged one is told to whoever goes on from there.
pub(crate) fn list<T: DeserializeOwned>(
    view: &dyn View,
    table: Table,
    (prefix, after): (&[u8], Option<&[u8]>),
    limit: usize,
) -> Result<(Vec<T>, bool), Failure> {
    let (mut rows, mut records) = (view.scan(table, &Span::under(prefix, after), Order::Up)?, Vec::new());
    while let Some((key, value)) = rows.next()? {
        if records.len() == limit.max(1) {
            return Ok((records, true));
        }
        match decode(table, key, value) {
            Err(_) if !records.is_empty() => return Ok((records, true)),
            record => records.push(record?),
        }
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
    let Some(record) = view.get(Table::Meta, NODE)? else { return Ok(None) };
    let record: NodeRecord = decode(Table::Meta, NODE, &record)?;
    let newest = Stamp::from_bits(Numbers::read(view)?.clock);
    Ok(Some(NodeRecord { clock: record.clock.max(newest), ..record }))
}

/// Writes the node record.
pub(crate) fn save_node(turn: &mut Turn<'_>, record: &NodeRecord) -> Result<(), Failure> {
    turn.edits.put(Table::Meta, NODE, encode(Table::Meta, NODE, record)?);
    turn.raise(0, record.clock.bits())
}

/// Sets the open mark and says whether it was set. One that is damaged counts as set: so does no entry
/// get a number twice.
pub(crate) fn mark_open(turn: &mut Turn<'_>) -> Result<bool, Failure> {
    let closed = number(turn.view(), OPEN)? == Some(0);
    put_number(&mut turn.edits, OPEN, 1);
    Ok(!closed)
}

/// Takes the open mark off.
pub(crate) fn mark_closed(turn: &mut Turn<'_>) {
    put_number(&mut turn.edits, OPEN, 0);
}
