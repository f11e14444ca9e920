//! Laying out a new store, recognising one, and bringing an old one up to date.

use std::hash::{BuildHasher, RandomState};
use std::ops::Bound;

use gossip_core::proto::{ChainHash, LogHead, LogId, Run, StoredRun};
use serde::Deserialize;

use crate::edits::Edits;
use crate::engine::{Engine, Opening, Order, Table, View};
use crate::fault::Failure;
use crate::head::Held;
use crate::keys::{self, Span};
use crate::layout::{META_FORMAT, META_INCARNATION, decode, encode_name, meta_number, put_number, put_run};

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

/// So many bytes of runs are rewritten in one batch: a store may be larger than the memory.
const STEP: usize = 4 << 20;

/// From format 1, where runs had no check of their own and name and head lay in one row. Ended in
/// the midst it is still of format 1, and the next time goes on where this one was.
fn upgrade<E: Engine>(engine: &E) -> Result<(), Failure> {
    tracing::info!(from = 1, to = FORMAT, "bringing the store up to date");
    let mut span = Span::all();
    while let Some(done) = upgrade_runs(engine, &span)? {
        span.start = Bound::Excluded(done);
    }
    upgrade_heads(engine)
}

/// Gives the first runs of a span their check; returns the key of the last one while there may be more.
fn upgrade_runs<E: Engine>(engine: &E, span: &Span) -> Result<Option<Vec<u8>>, Failure> {
    let (mut edits, mut bytes, mut done) = (Edits::default(), 0, None);
    let view = engine.view()?;
    let mut rows = view.scan(Table::Runs, span, Order::Up)?;
    while bytes < STEP
        && let Some((key, row)) = rows.next()?
    {
        // What is damaged stays as it is, and so does what an earlier time came to.
        if let Some(stored) = run_of_format_1(key, row) {
            put_run(&mut edits, &stored.prev, &stored.run);
        }
        bytes += row.len();
        done = Some(key.to_vec());
    }
    drop(rows);
    drop(view);
    if !edits.is_empty() {
        engine.apply(edits, true)?;
    }
    Ok(done)
}

/// The chain hash before the run, and the run: its chain was its check.
fn run_of_format_1(key: &[u8], row: &[u8]) -> Option<StoredRun> {
    let (prev, encoded) = row.split_first_chunk()?;
    let prev = ChainHash(*prev);
    let run = Run::decode(encoded.to_vec().into()).ok()?;
    let its_own = key == keys::run(run.log(), run.last());
    (its_own && run.verify(prev).is_ok()).then_some(StoredRun { prev, run })
}

/// The rest, and that it is done: one batch.
fn upgrade_heads<E: Engine>(engine: &E) -> Result<(), Failure> {
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
