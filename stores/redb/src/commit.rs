//! A batch in one transaction.

use std::collections::BTreeMap;

use gossip_core::continuity::{Admission, admit};
use gossip_core::proto::{
    Arrival, ChainHash, CommitItem, Committed, LogHead, LogId, LogName, Meta, Run, SeqRange,
};
use redb::WriteTransaction;

use crate::fault::Failure;
use crate::runs::hash_in;
use crate::tables::{
    ARRIVALS, BY_CHANNEL, BY_STREAM, HEADS, HeadRow, META, META_ARRIVAL, META_CLOCK, RUNS, Row, Writable,
    encode, head_row, insert_run, meta_number, raise_number,
};
use crate::{keys, store::COMMITTING};

/// Applies a batch; the transaction is given up when this fails.
pub(crate) fn commit(
    writing: &WriteTransaction,
    batch: &[CommitItem],
    meta: &Meta,
) -> Result<Committed, Failure> {
    let mut numbers = writing.open_table(META)?;
    let mut step = Step {
        runs: writing.open_table(RUNS)?,
        heads: writing.open_table(HEADS)?,
        rows: writing.open_table(ARRIVALS)?,
        staged: BTreeMap::new(),
        last: meta_number(&numbers, META_ARRIVAL)?,
    };
    let arrivals = batch.iter().map(|item| step.apply(item)).collect::<Result<_, _>>()?;
    raise_number(&mut numbers, META_ARRIVAL, step.last)?;
    raise_number(&mut numbers, META_CLOCK, meta.clock.bits())?;
    step.write_heads(writing)?;
    Ok(Committed { arrivals })
}

/// A head as the batch leaves it.
struct Staged {
    row: HeadRow,
    new: bool,
    moved: bool,
}

struct Step<'t> {
    runs: Writable<'t>,
    heads: Writable<'t>,
    rows: Writable<'t>,
    staged: BTreeMap<LogId, Staged>,
    last: u64,
}

impl Step<'_> {
    fn apply(&mut self, item: &CommitItem) -> Result<Option<Arrival>, Failure> {
        let id = item.log().id();
        if !self.staged.contains_key(&id) {
            let row = head_row(&self.heads, id)?;
            let new = row.is_none();
            let empty = || HeadRow { head: LogHead::empty((**item.log()).clone()), bytes: 0 };
            self.staged.insert(id, Staged { row: row.unwrap_or_else(empty), new, moved: false });
        }
        let Some(staged) = self.staged.get_mut(&id) else { return Ok(None) };
        let runs = &self.runs;
        let stored = |at| hash_in(runs, id, at).map_err(|failure| failure.into_store_error(COMMITTING));
        let admission = admit(&mut staged.row.head, id, item, stored)?;
        staged.moved |= admission != Admission::Known;
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
        log: &LogName,
        prev: &ChainHash,
        run: &Run,
        fresh: &[SeqRange],
    ) -> Result<Option<Arrival>, Failure> {
        insert_run(&mut self.runs, prev, run)?;
        if let Some(staged) = self.staged.get_mut(&run.log()) {
            staged.row.bytes += run.encoded().len() as u64;
        }
        let begin = self.last + 1;
        for range in fresh {
            let row = Row { log: run.log(), first: range.first, count: range.count() };
            let key = keys::join(&keys::stream_of(log), &(self.last + 1).to_be_bytes());
            self.rows.insert(&key[..], &row.encode()[..])?;
            self.last += row.count;
        }
        Ok((!fresh.is_empty()).then_some(Arrival(begin)))
    }

    fn write_heads(&mut self, writing: &WriteTransaction) -> Result<(), Failure> {
        for (id, staged) in self.staged.iter().filter(|(_, staged)| staged.moved) {
            self.heads.insert(&id.0[..], &encode(&staged.row)?[..])?;
            if staged.new {
                let name = &staged.row.head.name;
                let (channel, stream) = (keys::channel(&name.channel), keys::stream_of(name));
                writing.open_table(BY_CHANNEL)?.insert(&keys::join(&channel, &id.0)[..], &[][..])?;
                writing.open_table(BY_STREAM)?.insert(&keys::join(&stream, &id.0)[..], &[][..])?;
            }
        }
        Ok(())
    }
}
