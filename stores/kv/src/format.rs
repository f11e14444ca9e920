//! Laying out a new store, recognising one, and bringing an old one up to date.

use std::hash::{BuildHasher, RandomState};

use gossip_core::proto::{LogHead, LogId};
use serde::Deserialize;

use crate::edits::Edits;
use crate::engine::{Engine, Opening, Order, Table, View};
use crate::fault::Failure;
use crate::head::Held;
use crate::keys::{self, Span};
use crate::layout::{META_FORMAT, META_INCARNATION, decode, encode_name, meta_number, put_number};

/// Version of what lies where. Older ones are brought up to date when a store is opened, newer ones
/// are refused.
pub const FORMAT: u64 = 2;

/// Writes format and incarnation into an engine that has none, durably; does nothing to another.
///
/// # Errors
/// A failure of the engine.
pub fn lay_out<E: Engine>(engine: &E) -> Result<(), Failure> {
    if meta_number(&engine.view()?, META_FORMAT)?.is_some() {
        return Ok(());
    }
    // The standard library seeds these keys from the operating system: random enough to tell
    // stores apart, without a further crate and without a way to fail.
    let incarnation = RandomState::new().hash_one("store incarnation");
    let mut edits = Edits::default();
    put_number(&mut edits, META_FORMAT, FORMAT);
    put_number(&mut edits, META_INCARNATION, incarnation);
    engine.apply(edits, true)
}

/// Makes an engine ready for use and returns the incarnation of the store in it.
pub(crate) fn prepare<E: Engine>(engine: &E, opening: Opening) -> Result<u64, Failure> {
    if opening == Opening::First {
        lay_out(engine)?;
    }
    let format = meta_number(&engine.view()?, META_FORMAT)?;
    match format {
        Some(FORMAT) => {}
        Some(1) => upgrade(engine)?,
        Some(other) => {
            let why = format!("the store has format {other}, this version of gossip reads format {FORMAT}");
            return Err(Failure::rejected(why));
        }
        None => return Err(Failure::rejected("the store that was here is gone")),
    }
    let incarnation = meta_number(&engine.view()?, META_INCARNATION)?;
    incarnation.ok_or_else(|| Failure::corrupt("the store has no incarnation"))
}

/// A head as format 1 kept it.
#[derive(Deserialize)]
struct HeadRow {
    head: LogHead,
    bytes: u64,
}

/// From format 1, where name and head lay in one row. One batch: it is done or it is not.
fn upgrade<E: Engine>(engine: &E) -> Result<(), Failure> {
    tracing::info!(from = 1, to = FORMAT, "bringing the store up to date");
    let mut edits = Edits::default();
    let view = engine.view()?;
    let mut rows = view.scan(Table::Heads, &Span::all(), Order::Up)?;
    while let Some((key, row)) = rows.next()? {
        let log: LogId = keys::log(key);
        // One that is damaged stays as it is: no format reads it, and the log is left out.
        let Ok(HeadRow { mut head, bytes }) = decode::<HeadRow>(row) else { continue };
        // Gaps had one cause then: what peers had pruned, which never arrived here.
        head.missed.clone_from(&head.gaps);
        edits.put(Table::Names, log.0, encode_name(&head.name));
        edits.put(Table::Heads, log.0, Held { head, bytes }.encode(log));
    }
    put_number(&mut edits, META_FORMAT, FORMAT);
    drop(rows);
    drop(view);
    engine.apply(edits, true)
}
