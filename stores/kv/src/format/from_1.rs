//! From format 1, where runs had no check of their own and name and head lay in one row.

use std::ops::Bound;

use gossip_core::proto::{ChainHash, LogHead, LogId, Run, StoredRun};
use serde::Deserialize;

use crate::edits::Edits;
use crate::engine::{Engine, Order, Table, View};
use crate::fault::Failure;
use crate::head::Held;
use crate::keys::{self, Span};
use crate::layout::{encode_name, put_run};
use crate::notes::FORMAT;

/// A head as format 1 kept it.
#[derive(Deserialize)]
struct HeadRow {
    head: LogHead,
    bytes: u64,
}

/// Makes it one of format 2. Ended in the midst it is still of format 1, and the next time goes on where
/// this one was.
pub(super) fn upgrade<E: Engine>(engine: &E, step: usize) -> Result<(), Failure> {
    tracing::info!(from = 1, to = 2, "bringing the store up to date");
    let mut span = Span::all();
    while let Some(done) = upgrade_runs(engine, &span, step)? {
        span.start = Bound::Excluded(done);
    }
    upgrade_heads(engine)
}

/// Gives the first runs of a span their check; returns the key of the last one while there may be more.
fn upgrade_runs<E: Engine>(engine: &E, span: &Span, step: usize) -> Result<Option<Vec<u8>>, Failure> {
    let (mut edits, mut bytes, mut done) = (Edits::default(), 0, None);
    let view = engine.view()?;
    let mut rows = view.scan(Table::Runs, span, Order::Up)?;
    while bytes < step
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
        let Ok(HeadRow { mut head, bytes }) = ciborium::from_reader::<HeadRow, _>(row) else { continue };
        // Gaps had one cause then: what peers had pruned, which never arrived here.
        head.missed.clone_from(&head.gaps);
        edits.put(Table::Names, log.0, encode_name(&head.name));
        edits.put(Table::Heads, log.0, Held { head, bytes }.encode(log));
    }
    edits.put(Table::Meta, FORMAT[0], &2_u64.to_be_bytes()[..]);
    drop(rows);
    drop(view);
    engine.apply(edits, true)
}
