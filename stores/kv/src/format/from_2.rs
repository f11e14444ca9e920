//! From format 2, where small rows had no check and every note was a row of eight bytes.
//!
//! The notes are rewritten first, in one batch that also says that an upgrade is under way: from then on no
//! program of before takes the store for one of its own. Then the tables are gone through in steps; each
//! batch notes how far it came, and the next time goes on there.

use std::ops::Bound;

use gossip_core::proto::LogId;

use crate::check::{seal, unseal};
use crate::edits::Edits;
use crate::engine::{Engine, Order, Table, View};
use crate::fault::Failure;
use crate::keys::{self, Span};
use crate::layout::encode_snapshot;
use crate::notes::{NODE, OPEN, TAKEN, UPGRADE, put_incarnation, put_number, put_version};
use crate::numbers::{Numbers, arrival_told};
use crate::row::Row;

/// The tables whose rows had no check, in the order they get one.
const TABLES: [Table; 7] = [
    Table::ByChannel,
    Table::ByStream,
    Table::Arrivals,
    Table::Channels,
    Table::Streams,
    Table::Peers,
    Table::Snapshots,
];

/// The notes under keys that are no more.
const ARRIVAL: &[u8] = b"arrival";
const CLOCK: &[u8] = b"clock";

/// Rewrites the notes; to be called for a store of format 2 only.
pub(super) fn begin<E: Engine>(engine: &E) -> Result<(), Failure> {
    tracing::info!(from = 2, to = 3, "bringing the store up to date");
    let (mut edits, view) = (Edits::default(), engine.view()?);
    let numbers = Numbers {
        arrival: old_number(&view, ARRIVAL)?.unwrap_or(0),
        clock: old_number(&view, CLOCK)?.unwrap_or(0),
    };
    let incarnation = old_number(&view, b"incarnation")?;
    put_version(&mut edits, 3);
    put_incarnation(&mut edits, incarnation.ok_or_else(|| Failure::corrupt("the store has no incarnation"))?);
    numbers.put(&mut edits);
    put_number(&mut edits, TAKEN, numbers.arrival);
    put_number(&mut edits, OPEN, view.get(Table::Meta, OPEN)?.is_some().into());
    if let Some(record) = view.get(Table::Meta, NODE)? {
        edits.put(Table::Meta, NODE, seal(Table::Meta, NODE, record.to_vec()));
    }
    edits.delete(Table::Meta, ARRIVAL);
    edits.delete(Table::Meta, CLOCK);
    Place::default().put(&mut edits);
    drop(view);
    engine.apply(edits, true)
}

fn old_number(view: &dyn View, key: &[u8]) -> Result<Option<u64>, Failure> {
    let Some(value) = view.get(Table::Meta, key)? else { return Ok(None) };
    let bytes = (*value).try_into().map_err(|_| Failure::corrupt("a damaged number"))?;
    Ok(Some(u64::from_be_bytes(bytes)))
}

/// Does what is left of an upgrade, about `step` bytes in a batch; nothing when none is under way.
pub(super) fn go_on<E: Engine>(engine: &E, step: usize) -> Result<(), Failure> {
    loop {
        let view = engine.view()?;
        let Some(place) = Place::read(&view)? else { return Ok(()) };
        let edits = one_step(&view, place, step)?;
        drop(view);
        engine.apply(edits, true)?;
    }
}

/// How far it has come.
#[derive(Default)]
struct Place {
    /// Which of the tables is gone through.
    table: u8,
    /// The last key that was.
    done: Vec<u8>,
}

impl Place {
    fn read(view: &dyn View) -> Result<Option<Self>, Failure> {
        let Some(row) = view.get(Table::Meta, UPGRADE)? else { return Ok(None) };
        let value = unseal(Table::Meta, UPGRADE, &row).and_then(<[u8]>::split_first);
        let damaged = || Failure::corrupt("how far the upgrade of the store came is damaged");
        let (table, done) = value.ok_or_else(damaged)?;
        Ok(Some(Self { table: *table, done: done.to_vec() }))
    }

    fn put(&self, edits: &mut Edits) {
        let value = [&[self.table], &self.done[..]].concat();
        edits.put(Table::Meta, UPGRADE, seal(Table::Meta, UPGRADE, value));
    }
}

fn one_step(view: &dyn View, mut place: Place, step: usize) -> Result<Edits, Failure> {
    let mut edits = Edits::default();
    let Some(table) = TABLES.get(usize::from(place.table)).copied() else {
        // It had no check: what the rows tell counts as well.
        let noted = Numbers::read(view)?;
        Numbers { arrival: noted.arrival.max(arrival_told(view)?), ..noted }.put(&mut edits);
        edits.delete(Table::Meta, UPGRADE);
        return Ok(edits);
    };
    let (mut span, mut bytes) = (Span::all(), 0);
    if !place.done.is_empty() {
        span.start = Bound::Excluded(std::mem::take(&mut place.done));
    }
    let mut rows = view.scan(table, &span, Order::Up)?;
    while let Some((key, row)) = rows.next()? {
        put_checked(&mut edits, table, key, row);
        bytes += key.len() + row.len();
        if bytes >= step {
            place.done = key.to_vec();
            place.put(&mut edits);
            return Ok(edits);
        }
    }
    place.table += 1;
    place.put(&mut edits);
    Ok(edits)
}

fn put_checked(edits: &mut Edits, table: Table, key: &[u8], row: &[u8]) {
    match table {
        Table::Arrivals => {
            // What is damaged stays as it is, and is mended when it is read.
            if let Some((row, stream)) = arrival_row(key, row) {
                row.put(edits, stream, keys::number(key));
            }
        }
        Table::Snapshots => match std::str::from_utf8(key) {
            Ok(name) => edits.put(table, key, encode_snapshot(name, row.to_vec().into())),
            Err(_) => edits.delete(table, key),
        },
        _ => edits.put(table, key, seal(table, key, row.to_vec())),
    }
}

/// Log, first sequence and count, eight bytes each number.
fn arrival_row<'k>(key: &'k [u8], row: &[u8]) -> Option<(Row, &'k [u8])> {
    let (stream, arrival) = key.split_last_chunk()?;
    let (log, row) = row.split_first_chunk()?;
    let (first, count) = row.split_first_chunk()?;
    let (first, count) = (u64::from_be_bytes(*first), u64::from_be_bytes(count.try_into().ok()?));
    let row = Row { log: LogId(*log), first, count };
    row.is_possible(u64::from_be_bytes(*arrival)).then_some((row, stream))
}
