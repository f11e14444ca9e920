//! Reading: RocksDB's snapshots and iterators.

use gossip_store_kv::{Failure, Order, Rows, Span, Table, Value, View};
use rocksdb::{DB, DBRawIteratorWithThreadMode, ReadOptions, SnapshotWithThreadMode};

use crate::fault::of_read;
use crate::tables;

/// A snapshot of all tables.
pub struct RocksdbView<'e> {
    db: &'e DB,
    snapshot: SnapshotWithThreadMode<'e, DB>,
}

impl<'e> RocksdbView<'e> {
    pub(crate) fn new(db: &'e DB) -> Self {
        Self { db, snapshot: db.snapshot() }
    }
}

impl std::fmt::Debug for RocksdbView<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RocksdbView").finish_non_exhaustive()
    }
}

impl View for RocksdbView<'_> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value<'_>>, Failure> {
        let family = tables::family(self.db, table);
        let found = self.snapshot.get_pinned_cf(family, tables::key(table, key)).map_err(of_read)?;
        Ok(found.map(Value::new))
    }

    fn scan(&self, table: Table, span: &Span, order: Order) -> Result<Box<dyn Rows + '_>, Failure> {
        if span.is_empty() {
            return Ok(Box::new(NoRows));
        }
        let mut options = ReadOptions::default();
        // What is read of runs is seldom read again, and then the system still has it: the cache is for
        // what is looked up.
        options.fill_cache(table != Table::Runs);
        let (from, to) = tables::bounds(table, span);
        if let Some(from) = from {
            options.set_iterate_lower_bound(from);
        }
        if let Some(to) = to {
            options.set_iterate_upper_bound(to);
        }
        let iterator = self.snapshot.raw_iterator_cf_opt(tables::family(self.db, table), options);
        Ok(Box::new(Scan { iterator, order, tag: tables::tag_len(table), at: At::Before }))
    }
}

struct Scan<'v> {
    iterator: DBRawIteratorWithThreadMode<'v, DB>,
    order: Order,
    /// Bytes in front of each key that are not the table's.
    tag: usize,
    at: At,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum At {
    Before,
    Row,
    End,
}

impl Rows for Scan<'_> {
    fn next(&mut self) -> Result<Option<(&[u8], &[u8])>, Failure> {
        match (self.at, self.order) {
            (At::Before, Order::Up) => self.iterator.seek_to_first(),
            (At::Before, Order::Down) => self.iterator.seek_to_last(),
            (At::Row, Order::Up) => self.iterator.next(),
            (At::Row, Order::Down) => self.iterator.prev(),
            (At::End, _) => return Ok(None),
        }
        self.at = if self.iterator.valid() { At::Row } else { At::End };
        self.iterator.status().map_err(of_read)?;
        Ok(self.iterator.item().map(|(key, value)| (key.get(self.tag..).unwrap_or_default(), value)))
    }
}

struct NoRows;

impl Rows for NoRows {
    fn next(&mut self) -> Result<Option<(&[u8], &[u8])>, Failure> {
        Ok(None)
    }
}
