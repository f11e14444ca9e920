//! Read transactions as views.

use std::cell::OnceCell;

use gossip_store_kv::{Failure, KeyValue, Order, Rows, Span, Table, Value, View};
use redb::{AccessGuard, Range, ReadOnlyTable, ReadTransaction, TableDefinition, TableError};

use crate::fault::before;

/// Every table maps bytes to bytes; what they mean is said in the store, not in the database.
pub(crate) type Definition = TableDefinition<'static, &'static [u8], &'static [u8]>;

type Opened = ReadOnlyTable<&'static [u8], &'static [u8]>;
type Guard = AccessGuard<'static, &'static [u8]>;

pub(crate) const fn definition(table: Table) -> Definition {
    TableDefinition::new(table.name())
}

/// A snapshot; a table is opened when it is first read, and once.
pub struct RedbView {
    reading: ReadTransaction,
    tables: [OnceCell<Option<Opened>>; Table::ALL.len()],
}

impl RedbView {
    pub(crate) fn new(reading: ReadTransaction) -> Self {
        Self { reading, tables: Default::default() }
    }

    fn table(&self, table: Table) -> Result<Option<&Opened>, Failure> {
        let place = &self.tables[table as usize];
        if let Some(opened) = place.get() {
            return Ok(opened.as_ref());
        }
        let opened = match self.reading.open_table(definition(table)) {
            Ok(opened) => Some(opened),
            Err(TableError::TableDoesNotExist(_)) => None,
            Err(error) => return Err(before(error)),
        };
        Ok(place.get_or_init(|| opened).as_ref())
    }
}

impl std::fmt::Debug for RedbView {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedbView").finish_non_exhaustive()
    }
}

impl View for RedbView {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value<'_>>, Failure> {
        let Some(table) = self.table(table)? else { return Ok(None) };
        let value = table.get(key).map_err(before)?;
        Ok(value.map(|guard| Value::new(Held(guard))))
    }

    fn scan(&self, table: Table, span: &Span, order: Order) -> Result<Box<dyn Rows + '_>, Failure> {
        let (Some(table), false) = (self.table(table)?, span.is_empty()) else {
            return Ok(Box::new(Scan { range: None, order, row: None }));
        };
        let range = table.range::<&[u8]>(span.bounds()).map_err(before)?;
        Ok(Box::new(Scan { range: Some(range), order, row: None }))
    }
}

struct Held(Guard);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.0.value()
    }
}

struct Scan {
    range: Option<Range<'static, &'static [u8], &'static [u8]>>,
    order: Order,
    row: Option<(Guard, Guard)>,
}

impl Rows for Scan {
    fn next(&mut self) -> Result<Option<KeyValue<'_>>, Failure> {
        let order = self.order;
        let row = self.range.as_mut().and_then(|range| match order {
            Order::Up => range.next(),
            Order::Down => range.next_back(),
        });
        self.row = row.transpose().map_err(before)?;
        if self.row.is_none() {
            self.range = None;
        }
        Ok(self.row.as_ref().map(|(key, value)| (key.value(), value.value())))
    }
}
