//! Single values: what the store notes about itself.

use std::ops::RangeInclusive;

use crate::check::{SUM, seal, unseal};
use crate::edits::{Edit, Edits};
use crate::engine::{Order, Table, View};
use crate::fault::Failure;
use crate::format::FORMAT as FORMAT_NOW;
use crate::keys::Span;
use crate::numbers::Numbers;

/// A number that nothing else tells is kept under two keys: one of them may be damaged.
pub(crate) type Twice = [&'static [u8]; 2];

/// The versions that have a check of their own.
const CHECKED: RangeInclusive<u32> = 3..=FORMAT_NOW as u32;

/// Version of the format, see [`version`].
pub(crate) const FORMAT: Twice = [b"format", b"format again"];
/// The store incarnation.
pub(crate) const INCARNATION: Twice = [b"incarnation", b"incarnation again"];
/// The newest arrival number and clock, see [`crate::numbers`].
pub(crate) const NUMBERS: &[u8] = b"numbers";
/// The newest arrival number when rows of the order of arrival were last taken away. A number.
pub(crate) const TAKEN: &[u8] = b"taken";
/// Whether the store is marked open, 0 or 1. A number.
pub(crate) const OPEN: &[u8] = b"open";
/// The node record.
pub(crate) const NODE: &[u8] = b"node";
/// How far an upgrade has come that is not done.
pub(crate) const UPGRADE: &[u8] = b"upgrade";

/// A number, `None` when it is not there or damaged.
pub(crate) fn number(view: &dyn View, key: &[u8]) -> Result<Option<u64>, Failure> {
    let row = view.get(Table::Meta, key)?;
    let value = row.as_deref().and_then(|row| unseal(Table::Meta, key, row)?.try_into().ok());
    Ok(value.map(u64::from_be_bytes))
}

/// Writes a number.
pub(crate) fn put_number(edits: &mut Edits, key: &[u8], value: u64) {
    edits.put(Table::Meta, key, seal(Table::Meta, key, value.to_be_bytes().to_vec()));
}

/// Version of the format; `None` in a store that has nothing yet.
///
/// It is a number in eight bytes, as it always was. From format 3 on the upper half is a check, so that
/// programs of before see a version they do not know.
pub(crate) fn version(view: &dyn View) -> Result<Option<u64>, Failure> {
    for key in FORMAT {
        let row = view.get(Table::Meta, key)?;
        let version = row.as_deref().and_then(|row| decode_version(key, row));
        if version.is_some() {
            return Ok(version);
        }
    }
    let mut rows = view.scan(Table::Meta, &Span::all(), Order::Up)?;
    match rows.next()? {
        Some(_) => Err(Failure::corrupt("the version of the format is damaged")),
        None => Ok(None),
    }
}

fn decode_version(key: &[u8], row: &[u8]) -> Option<u64> {
    let (front, number) = row.split_first_chunk()?;
    let number: &[u8; 4] = number.try_into().ok()?;
    let version = u32::from_be_bytes(*number);
    // One of before, or of some other program. None that had this one wrote it so.
    let plain = *front == [0; SUM] && key == FORMAT[0] && !CHECKED.contains(&version);
    (plain || *front == version_sum(key, *number)).then_some(version.into())
}

/// Writes the version.
pub(crate) fn put_version(edits: &mut Edits, version: u32) {
    let number = version.to_be_bytes();
    for key in FORMAT {
        edits.put(Table::Meta, key, [version_sum(key, number), number].concat());
    }
}

fn version_sum(key: &[u8], number: [u8; 4]) -> [u8; SUM] {
    let row = seal(Table::Meta, key, number.to_vec());
    row.last_chunk().copied().unwrap_or_default()
}

/// The incarnation; it is told by nothing else.
pub(crate) fn incarnation(view: &dyn View) -> Result<u64, Failure> {
    let [one, other] = INCARNATION;
    let known = number(view, one)?.or(number(view, other)?);
    known.ok_or_else(|| Failure::corrupt("the incarnation of the store is damaged"))
}

/// Writes the incarnation.
pub(crate) fn put_incarnation(edits: &mut Edits, incarnation: u64) {
    INCARNATION.iter().for_each(|key| put_number(edits, key, incarnation));
}

/// Makes whole what was damaged and is told by something else; returns the incarnation.
pub(crate) fn heal(view: &dyn View, version: u32, edits: &mut Edits) -> Result<u64, Failure> {
    let incarnation = incarnation(view)?;
    let mut own = Edits::default();
    put_version(&mut own, version);
    put_incarnation(&mut own, incarnation);
    let numbers = Numbers::read(view)?;
    numbers.put(&mut own);
    if number(view, TAKEN)?.is_none() {
        put_number(&mut own, TAKEN, numbers.arrival);
    }
    for edit in own.iter() {
        let Edit::Put { table, key, value } = edit else { continue };
        if view.get(*table, key)?.as_deref() != Some(&*value.joined()) {
            tracing::error!(key = %key.escape_ascii(), "a note of the store was damaged and is made again");
            edits.put(*table, key.clone(), value.clone());
        }
    }
    Ok(incarnation)
}
