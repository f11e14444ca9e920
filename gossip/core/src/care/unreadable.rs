//! How far damage reaches that makes reading fail.

use gossip_proto::{Fault, LogId, Seq};

use crate::{Store, StoreResult};

/// The last sequence of what cannot be read from `from` on, at most `last`. Reading at `from` has
/// failed.
///
/// Looks ahead in doubling steps and then closes in: a few reads, however long the damage is.
pub(crate) async fn end(store: &dyn Store, log: LogId, from: Seq, last: Seq) -> StoreResult<Seq> {
    let (mut bad, mut step) = (from, 1);
    let mut good = loop {
        let ahead = bad.saturating_add(step).min(last.saturating_add(1));
        if ahead > last {
            return Ok(last);
        }
        match first_from(store, log, ahead).await? {
            Some(first) => break first.max(bad + 1),
            None => (bad, step) = (ahead, step * 2),
        }
    };
    while bad + 1 < good {
        let middle = bad + (good - bad) / 2;
        match first_from(store, log, middle).await? {
            Some(first) => good = first.clamp(bad + 1, middle),
            None => bad = middle,
        }
    }
    Ok(bad.min(last))
}

/// Where the run at `from` begins; `None` when it cannot be read or is not there.
async fn first_from(store: &dyn Store, log: LogId, from: Seq) -> StoreResult<Option<Seq>> {
    match store.read(log, from, 1).await {
        Ok(runs) => Ok(runs.first().map(|stored| stored.run.first())),
        Err(error) if error.fault == Fault::Corrupt => Ok(None),
        Err(error) => Err(error),
    }
}
