//! Channels, streams, peers, the node and single values.

use gossip_core::proto::{ChannelId, Durability, NodeRecord, Stamp, StreamRecord};
use serde::de::DeserializeOwned;

use crate::edits::Edits;
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

/// Set by a store that promises that nothing acknowledged is lost.
const OPEN_SYNCED: u64 = 1;
/// Set by one that promises less.
const OPEN_UNSYNCED: u64 = 2;
/// Set by one that was closed.
const CLOSED: u64 = 0;

/// Sets the open mark and says whether it was set. One that is damaged counts as set by a store that
/// promises less: so does no entry get a number twice.
///
/// A node looks at the promise of the store it finds open, which may be another than that of the life
/// that ended so. Where that one promised less its claims go, as the node would have it.
pub(crate) fn mark_open(turn: &mut Turn<'_>, durability: Durability) -> Result<bool, Failure> {
    let before = number(turn.view(), OPEN)?;
    let sync = durability == Durability::Sync;
    if sync && !matches!(before, Some(CLOSED | OPEN_SYNCED)) {
        forget_claims(turn.view(), &mut turn.edits)?;
    }
    put_number(&mut turn.edits, OPEN, if sync { OPEN_SYNCED } else { OPEN_UNSYNCED });
    Ok(before != Some(CLOSED))
}

/// Takes the open mark off.
pub(crate) fn mark_closed(turn: &mut Turn<'_>) {
    put_number(&mut turn.edits, OPEN, CLOSED);
}

/// Takes every claim back: the node draws new epochs for its own logs. A damaged record claims nothing.
pub(crate) fn forget_claims(view: &dyn View, edits: &mut Edits) -> Result<(), Failure> {
    let mut rows = view.scan(Table::Streams, &Span::all(), Order::Up)?;
    while let Some((key, value)) = rows.next()? {
        let Ok(mut record) = decode::<StreamRecord>(Table::Streams, key, value) else { continue };
        if record.writer.take().is_some() {
            edits.put(Table::Streams, key, encode(Table::Streams, key, &record)?);
        }
    }
    Ok(())
}
