//! What lies where: two column families, and a byte in front of the keys of one of them.
//!
//! Each column family has buffers of its own and all share one log, so few of them keep memory and
//! recovery small. Runs are large, written once and read in order; everything else is small, often
//! written again and looked up by key: these two are kept apart, nothing else is.

use std::ops::Bound;

use gossip_store_kv::{Span, Table};
use rocksdb::{ColumnFamily, DB};

/// Column family of the runs. The other one is RocksDB's `default`.
pub(crate) const RUNS: &str = "runs";

/// The column family of a table.
pub(crate) fn family(db: &DB, table: Table) -> &ColumnFamily {
    let name = if table == Table::Runs { RUNS } else { rocksdb::DEFAULT_COLUMN_FAMILY_NAME };
    db.cf_handle(name).expect("both column families are opened with the database")
}

/// What keys of a table begin with in its column family. Part of the format: it never changes.
const fn tag(table: Table) -> Option<u8> {
    Some(match table {
        Table::Runs => return None,
        Table::Names => 1,
        Table::Heads => 2,
        Table::ByChannel => 3,
        Table::ByStream => 4,
        Table::Arrivals => 5,
        Table::Channels => 6,
        Table::Streams => 7,
        Table::Peers => 8,
        Table::Snapshots => 9,
        Table::Meta => 10,
    })
}

/// How many bytes in front of a key are not the table's.
pub(crate) fn tag_len(table: Table) -> usize {
    usize::from(tag(table).is_some())
}

/// A key of a table as it stands in the column family.
pub(crate) fn key(table: Table, key: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(key.len() + 2);
    whole.extend(tag(table));
    whole.extend_from_slice(key);
    whole
}

/// First key of a span, and the first key behind it; `None` where the column family ends.
pub(crate) fn bounds(table: Table, span: &Span) -> (Option<Vec<u8>>, Option<Vec<u8>>) {
    let behind = |inside: &[u8]| {
        let mut behind = key(table, inside);
        behind.push(0);
        behind
    };
    let from = match span.bounds().0 {
        Bound::Included(first) => Some(key(table, first)),
        Bound::Excluded(before) => Some(behind(before)),
        Bound::Unbounded => tag(table).map(|tag| vec![tag]),
    };
    let to = match span.bounds().1 {
        Bound::Included(last) => Some(behind(last)),
        Bound::Excluded(end) => Some(key(table, end)),
        Bound::Unbounded => tag(table).map(|tag| vec![tag + 1]),
    };
    (from, to)
}
