//! A batch in one turn.

use std::collections::BTreeMap;

use gossip_core::continuity::{Admission, admit};
use gossip_core::proto::{
    Arrival, ChainHash, CommitItem, Committed, LogId, LogName, Meta, Run, Seq, SeqRange, StoredRun,
};

use crate::engine::{Order, Table, View};
use crate::fault::Failure;
use crate::head::Held;
use crate::keys::{self, Span};
use crate::layout::{encode_name, put_listed, put_run};
use crate::memory::Tail;
use crate::row::Row;
use crate::runs::hash_in;
use crate::turn::{Known, Turn};

pub(crate) const COMMITTING: &str = "committing entries";

/// Applies a batch; nothing of the turn may be applied when this fails. Returns also how many bytes of
/// runs it brought.
pub(crate) fn commit(
    turn: &mut Turn<'_>,
    batch: &[CommitItem],
    meta: &Meta,
) -> Result<(Committed, u64), Failure> {
    let last = turn.numbers()?.arrival;
    let mut step = Step { turn, logs: BTreeMap::new(), last, bytes: 0 };
    let arrivals = batch.iter().map(|item| step.apply(item)).collect::<Result<_, _>>()?;
    let Step { turn, logs, last, bytes } = step;
    turn.raise(last, meta.clock.bits())?;
    for (id, log) in logs {
        if log.moved {
            turn.put_head(id, log.held);
        }
    }
    Ok((Committed { arrivals }, bytes))
}

/// A log as the batch leaves it.
struct Log {
    held: Held,
    /// Runs of this batch, by last sequence: the snapshot does not show them.
    fresh: BTreeMap<Seq, StoredRun>,
    /// What the snapshot shows of it was given up.
    dropped: bool,
    new: bool,
    moved: bool,
}

struct Step<'s, 'e> {
    turn: &'s mut Turn<'e>,
    logs: BTreeMap<LogId, Log>,
    last: u64,
    bytes: u64,
}

impl Step<'_, '_> {
    fn apply(&mut self, item: &CommitItem) -> Result<Option<Arrival>, Failure> {
        let id = item.log().id();
        if !self.logs.contains_key(&id) {
            let log = load(self.turn, item.log(), id)?;
            self.logs.insert(id, log);
        }
        let Some(log) = self.logs.get_mut(&id) else { return Ok(None) };
        let (view, fresh, dropped) = (self.turn.view(), &log.fresh, log.dropped);
        let stored = |at| hash(view, id, fresh, dropped, at).map_err(|why| why.into_store_error(COMMITTING));
        let admission = admit(&mut log.held.head, id, item, stored)?;
        log.moved |= admission != Admission::Known;
        if log.moved && std::mem::take(&mut log.new) {
            enlist(self.turn, item.log(), id);
        }
        match (admission, item) {
            (Admission::Run, CommitItem::Run { log, prev, run, .. }) => {
                self.put(log, prev, run, &[run.range()])
            }
            (Admission::Filled(fresh), CommitItem::Fill { log, prev, run, .. }) => {
                self.put(log, prev, run, &fresh)
            }
            _ => Ok(None),
        }
    }

    /// Writes a run and numbers those of its entries that are new.
    fn put(
        &mut self,
        name: &LogName,
        prev: &ChainHash,
        run: &Run,
        fresh: &[SeqRange],
    ) -> Result<Option<Arrival>, Failure> {
        put_run(&mut self.turn.edits, prev, run);
        let len = run.encoded().len() as u64;
        self.bytes += len;
        if let Some(log) = self.logs.get_mut(&run.log()) {
            log.held.bytes += len;
            log.fresh.insert(run.last(), StoredRun { prev: *prev, run: run.clone() });
        }
        let before = self.last;
        for range in fresh {
            let row = Row { log: run.log(), first: range.first, count: range.count() };
            let last = self.last.checked_add(row.count);
            let last = last.ok_or_else(|| Failure::corrupt("no arrival number is left"))?;
            number(self.turn, keys::stream_of(name), self.last + 1, row)?;
            self.last = last;
        }
        Ok((!fresh.is_empty()).then_some(Arrival(before + 1)))
    }
}

fn load(turn: &mut Turn<'_>, name: &LogName, id: LogId) -> Result<Log, Failure> {
    let (held, new, dropped) = match turn.head_of(name, id)? {
        Known::Yes(held) => (*held, false, false),
        Known::No => (Held::new(name.clone()), true, false),
        Known::Damaged => {
            tracing::error!(log = %id, "the head of a log is damaged: what was held of it is dropped");
            discard(turn, name, id)?;
            (Held::new(name.clone()), true, true)
        }
    };
    Ok(Log { held, fresh: BTreeMap::new(), dropped, new, moved: false })
}

/// Drops what is left of a log whose head is lost, so that it can come in anew.
fn discard(turn: &mut Turn<'_>, name: &LogName, id: LogId) -> Result<(), Failure> {
    turn.taken_away()?;
    turn.edits.delete(Table::Heads, id.0);
    turn.edits.delete_range(Table::Runs, keys::run(id, 0), keys::after(&keys::run(id, Seq::MAX)));
    let span = Span::under(&keys::stream_of(name), None);
    let mut rows = turn.view().scan(Table::Arrivals, &span, Order::Up)?;
    while let Some((key, value)) = rows.next()? {
        if Row::decode(key, value).is_some_and(|(_, row)| row.log == id) {
            turn.edits.delete(Table::Arrivals, key);
        }
    }
    Ok(())
}

/// Makes a new log known to the listings.
pub(crate) fn enlist(turn: &mut Turn<'_>, name: &LogName, id: LogId) {
    turn.edits.put(Table::Names, id.0, encode_name(name));
    put_listed(&mut turn.edits, Table::ByChannel, &keys::channel(&name.channel), id);
    put_listed(&mut turn.edits, Table::ByStream, &keys::stream_of(name), id);
}

/// Chain hash at a position, from this batch or from what is stored.
fn hash(
    view: &dyn View,
    log: LogId,
    fresh: &BTreeMap<Seq, StoredRun>,
    dropped: bool,
    at: Seq,
) -> Result<Option<ChainHash>, Failure> {
    let new = fresh.range(at..).next().and_then(|(_, stored)| stored.hash_at(at).ok());
    match new {
        None if !dropped => hash_in(view, log, at),
        known => Ok(known),
    }
}

/// Writes an arrival row, or makes the newest row longer when it goes on there: a log written one
/// entry at a time has one row.
fn number(turn: &mut Turn<'_>, stream: Vec<u8>, arrival: u64, row: Row) -> Result<(), Failure> {
    let tail = match turn.tail() {
        Some(tail) => Some(tail.clone()),
        None => newest(turn.view(), &stream)?,
    };
    let goes_on = |tail: &Tail| {
        let row_ends = (tail.row.log, tail.row.first + tail.row.count) == (row.log, row.first);
        tail.stream == stream && row_ends && tail.arrival.checked_add(tail.row.count) == Some(arrival)
    };
    let tail = match tail.filter(goes_on) {
        Some(tail) => Tail { row: Row { count: tail.row.count + row.count, ..tail.row }, ..tail },
        None => Tail { stream, arrival, row },
    };
    tail.row.put(&mut turn.edits, &tail.stream, tail.arrival);
    turn.set_tail(tail);
    Ok(())
}

fn newest(view: &dyn View, stream: &[u8]) -> Result<Option<Tail>, Failure> {
    let mut rows = view.scan(Table::Arrivals, &Span::under(stream, None), Order::Down)?;
    let Some((key, value)) = rows.next()? else { return Ok(None) };
    // A damaged row is not made longer, and does not stand in the way of new ones.
    let row = Row::decode(key, value);
    Ok(row.map(|(arrival, row)| Tail { stream: stream.to_vec(), arrival, row }))
}
