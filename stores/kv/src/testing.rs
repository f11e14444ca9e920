//! What tests of stores need beside the laws.

use gossip_core::proto::{LogId, Seq};

use crate::edits::Edits;
use crate::engine::{Engine, Order, Table, View};
use crate::fault::Failure;
use crate::keys::{self, Span};

/// Spoils the row of the run that holds a sequence, and closes the engine.
///
/// # Errors
/// A failure of the engine; no run holds the sequence.
pub fn spoil<E: Engine>(engine: E, log: LogId, at: Seq) -> Result<(), Failure> {
    let mut edits = Edits::default();
    {
        let view = engine.view()?;
        let span = Span::between(keys::run(log, at), keys::run(log, Seq::MAX));
        let mut rows = view.scan(Table::Runs, &span, Order::Up)?;
        let (key, row) = rows.next()?.ok_or_else(|| Failure::rejected("no run holds it"))?;
        let mut row = row.to_vec();
        if let Some(byte) = row.last_mut() {
            *byte ^= 1;
        }
        edits.put(Table::Runs, key, row);
    }
    engine.apply(edits, true)?;
    engine.close()
}
