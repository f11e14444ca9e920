//! Channels, streams, peers, the node and single values.

use gossip_core::proto::{ChannelId, Durability, NodeRecord, Stamp, StreamRecord};
use serde::de::DeserializeOwned;

use crate::edits::Edits;
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

/// Set by a store that promises that nothing acknowledged is lost.
const OPEN: &[u8] = &[1];
/// Set by one that promises less.
const OPEN_UNSYNCED: &[u8] = &[2];

/// Sets the open mark and says whether it was set.
///
/// A node looks at the promise of the store it finds open, which may be another than that of the life
/// that ended so. Where that one promised less its claims go, as the node would have it.
pub(crate) fn mark_open(turn: &mut Turn<'_>, durability: Durability) -> Result<bool, Failure> {
    let before = turn.view().get(Table::Meta, META_OPEN)?.map(|mark| mark.to_vec());
    let sync = durability == Durability::Sync;
    if sync && before.as_deref() == Some(OPEN_UNSYNCED) {
        forget_claims(turn.view(), &mut turn.edits)?;
    }
    turn.edits.put(Table::Meta, META_OPEN, if sync { OPEN } else { OPEN_UNSYNCED });
    Ok(before.is_some())
}

/// Takes every claim back: the node draws new epochs for its own logs.
pub(crate) fn forget_claims(view: &dyn View, edits: &mut Edits) -> Result<(), Failure> {
    let mut rows = view.scan(Table::Streams, &Span::all(), Order::Up)?;
    while let Some((key, value)) = rows.next()? {
        let mut record: StreamRecord = decode(value)?;
        if record.writer.take().is_some() {
            edits.put(Table::Streams, key, encode(&record)?);
        }
    }
    Ok(())
}
