//! Reading runs and the hashes in them.

use gossip_core::proto::{ChainHash, LogHead, LogId, Seq, StoredRun};

use crate::engine::{Order, Rows, Table, View};
use crate::fault::Failure;
use crate::keys::{self, Span};
use crate::layout::{decode_run, run_len};
use crate::turn::stored_head;

/// The rows of a log with runs that end within a range.
pub(crate) fn ending<'v>(
    view: &'v dyn View,
    log: LogId,
    (first, last): (Seq, Seq),
    order: Order,
) -> Result<Box<dyn Rows + 'v>, Failure> {
    view.scan(Table::Runs, &Span::between(keys::run(log, first), keys::run(log, last)), order)
}

/// Runs from the one that holds `from`: about `budget` bytes, at least one. What is before a
/// damaged run is returned; the damage is told to whoever reads on from there.
pub(crate) fn read(view: &dyn View, log: LogId, from: Seq, budget: usize) -> Result<Vec<StoredRun>, Failure> {
    let (mut runs, mut bytes) = (Vec::new(), 0);
    let mut rows = ending(view, log, (from, Seq::MAX), Order::Up)?;
    while let Some((key, value)) = rows.next()? {
        bytes += run_len(value);
        if bytes > budget as u64 && !runs.is_empty() {
            break;
        }
        match decode_run(log, keys::number(key), value) {
            Err(_) if !runs.is_empty() => break,
            run => runs.push(run?),
        }
    }
    Ok(runs)
}

/// The first run that ends at or after `from`.
pub(crate) fn first_run(view: &dyn View, log: LogId, from: Seq) -> Result<Option<StoredRun>, Failure> {
    let mut rows = ending(view, log, (from, Seq::MAX), Order::Up)?;
    let Some((key, value)) = rows.next()? else { return Ok(None) };
    decode_run(log, keys::number(key), value).map(Some)
}

/// Chain hash at a position inside a run or just before one.
pub(crate) fn hash_in(view: &dyn View, log: LogId, position: Seq) -> Result<Option<ChainHash>, Failure> {
    Ok(first_run(view, log, position)?.and_then(|stored| stored.hash_at(position).ok()))
}

/// Chain hash at a position of a log, `None` where it is not known.
pub(crate) fn hash_of(
    view: &dyn View,
    log: LogId,
    head: &LogHead,
    position: Seq,
) -> Result<Option<ChainHash>, Failure> {
    match position {
        0 => Ok(Some(head.name.root())),
        _ if position < head.floor => Ok(None),
        _ if position == head.floor => Ok(Some(head.floor_hash)),
        _ if position == head.height => Ok(Some(head.hash)),
        _ => hash_in(view, log, position),
    }
}

/// Chain hashes at positions of a log, in the order asked.
pub(crate) fn hash_at(view: &dyn View, log: LogId, positions: &[Seq]) -> Result<Vec<ChainHash>, Failure> {
    let held = stored_head(view, log)?.ok_or_else(|| Failure::rejected("the log is not known"))?;
    let unknown = || Failure::rejected("nothing is held at this position");
    let hash = |position: &Seq| hash_of(view, log, &held.head, *position)?.ok_or_else(unknown);
    positions.iter().map(hash).collect()
}
