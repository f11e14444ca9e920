//! A batch, all of it or nothing: worked out beside the data first, then put in.

use std::collections::BTreeMap;

use gossip_core::StoreResult;
use gossip_core::continuity::{Admission, admit};
use gossip_core::proto::{Arrival, CommitItem, Committed, LogHead, LogId, Meta, SeqRange, StoredRun};

use crate::arrivals::Row;
use crate::data::Data;
use crate::log::{Log, hash_in};

/// Logs as the batch leaves them; of runs only the new ones.
type Staged = BTreeMap<LogId, Log>;

pub(crate) fn commit(data: &mut Data, batch: &[CommitItem], meta: &Meta) -> StoreResult<Committed> {
    let mut staged = Staged::new();
    let rows: Vec<_> = batch.iter().map(|item| stage(data, &mut staged, item)).collect::<StoreResult<_>>()?;
    let mut arrivals = Vec::with_capacity(rows.len());
    for (item, row) in batch.iter().zip(rows) {
        let numbers = row.into_iter().map(|row| data.arrivals.push(item.log(), row));
        arrivals.push(numbers.reduce(Arrival::min));
    }
    for (id, new) in staged {
        // A log of which nothing came in stays unknown.
        if new.head.height > 0 {
            data.committed_bytes += new.bytes();
            let log = data.logs.entry(id).or_insert_with(|| Log::new(new.head.clone()));
            log.head = new.head;
            log.runs.extend(new.runs);
        }
    }
    data.clock = data.clock.max(meta.clock);
    data.commits += 1;
    Ok(Committed { arrivals })
}

/// Puts an item beside the data; returns what is to be numbered.
fn stage(data: &Data, staged: &mut Staged, item: &CommitItem) -> StoreResult<Vec<Row>> {
    let id = item.log().id();
    let base = data.logs.get(&id);
    let log = staged.entry(id).or_insert_with(|| {
        Log::new(base.map_or_else(|| LogHead::empty((**item.log()).clone()), |log| log.head.clone()))
    });
    let Log { head, runs } = log;
    let stored = |at| Ok(hash_in(runs, at).or_else(|| base.and_then(|log| log.hash_at(at))));
    let admission = admit(head, id, item, stored)?;
    let (CommitItem::Run { prev, run, .. } | CommitItem::Fill { prev, run, .. }) = item else {
        return Ok(Vec::new());
    };
    let fresh = match admission {
        Admission::Run => vec![run.range()],
        Admission::Filled(fresh) => fresh,
        Admission::Known | Admission::Moved => return Ok(Vec::new()),
    };
    runs.insert(run.last(), StoredRun { prev: *prev, run: run.clone() });
    let row = |range: SeqRange| Row { log: id, first: range.first, count: range.count() };
    Ok(fresh.into_iter().map(row).collect())
}
