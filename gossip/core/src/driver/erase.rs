//! Erasing payloads: read, hollow, replace. Runs in the lane that writes, so that nothing changes
//! between the reading and the replacing.

use gossip_proto::{Fault, LogId, SeqRange, StoredRun};

use crate::care::unreadable;
use crate::{Store, StoreError, StoreResult};

/// What is read at once.
const PAGE: usize = 256 * 1024;

/// Erases payloads of one log; returns how many were there. Entries not held are left out, and so is what is
/// damaged: what comes in its place is stored without them, once the node has noted the erasure. What was
/// done before a failure stays done, and doing it again is safe.
pub(super) async fn erase(store: &dyn Store, log: LogId, sequences: &[SeqRange]) -> StoreResult<u64> {
    let mut erased = 0;
    for range in sequences {
        let mut from = range.first.max(1);
        while from <= range.last {
            let runs = match store.read(log, from, PAGE).await {
                Err(error) if error.fault == Fault::Corrupt => {
                    from = unreadable::end(store, log, from, range.last).await? + 1;
                    continue;
                }
                runs => runs?,
            };
            let Some(last) = runs.last().map(|stored| stored.run.last()) else { break };
            let (hollow, present) = hollowed(&runs, *range)?;
            if !hollow.is_empty() {
                store.replace(&hollow).await?;
            }
            erased += present;
            from = last + 1;
        }
    }
    Ok(erased)
}

/// Those of the runs that have payloads within a range, without these, and how many these are.
fn hollowed(runs: &[StoredRun], range: SeqRange) -> StoreResult<(Vec<StoredRun>, u64)> {
    let (mut hollow, mut erased) = (Vec::new(), 0);
    for stored in runs {
        let unwanted = stored.run.entries().filter(|entry| range.contains(entry.sequence));
        let present = unwanted.filter(|entry| entry.payload.bytes().is_some()).count();
        if present == 0 {
            continue;
        }
        let without = stored.hollowed(|entry| range.contains(entry.sequence));
        hollow.push(without.ok_or_else(|| {
            StoreError::new(Fault::Corrupt, "erasing payloads", "a run cannot be encoded again")
        })?);
        erased += present as u64;
    }
    Ok((hollow, erased))
}
