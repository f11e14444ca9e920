//! Joining small runs to large ones, so that a log written one entry at a time reads and syncs like
//! one written in bulk. Runs in the lane that writes: an erasure in between would come back.

use std::time::Duration;

use gossip_proto::{Fault, LogId, Seq, StoredRun};

use super::plan::{Chore, Plan, Size, WHOLE};
use crate::{Store, StoreResult, TimerPort};

/// What one step of a chore did.
#[derive(Debug, Default)]
pub(super) struct Tidied {
    /// Runs that were replaced.
    pub(super) runs: u64,
    /// Bytes of the runs in their place: what was written once more.
    pub(super) bytes: u64,
    /// Where the next look at the log begins, as far as that is known now.
    pub(super) from: Option<Seq>,
    /// The chore goes on there.
    pub(super) more: bool,
    /// Small runs from there on.
    pub(super) left: Vec<Size>,
}

/// A step that took so long ends at the next run it has written: others wait for it.
const STEP_TIME: Duration = Duration::from_micros(500);

/// Carries out one step of a chore: usually one full run.
pub(super) async fn tidy(store: &dyn Store, chore: Chore, timer: &dyn TimerPort) -> StoreResult<Tidied> {
    let end = timer.now().tick + STEP_TIME;
    let (runs, plan) = match look(store, &chore, chore.budget).await? {
        (_, None) => look(store, &chore, WHOLE).await?,
        enough => enough,
    };
    let plan = plan.unwrap_or_default();
    let mut done = Tidied { from: Some(plan.from), more: plan.more, left: plan.left, ..Tidied::default() };
    for group in plan.groups {
        let group = &runs[group];
        if done.runs > 0 && timer.now().tick >= end {
            (done.from, done.more) = (group.first().map(|stored| stored.run.first()), true);
            break;
        }
        let bytes = replace(store, chore.log, group).await?;
        if bytes > 0 {
            done.runs += group.len() as u64;
            done.bytes += bytes;
        }
    }
    Ok(done)
}

async fn look(
    store: &dyn Store,
    chore: &Chore,
    budget: usize,
) -> StoreResult<(Vec<StoredRun>, Option<Plan>)> {
    let runs = store.read(chore.log, chore.from, budget).await?;
    let sizes: Vec<Size> = runs.iter().map(|stored| Size::of(&stored.run)).collect();
    let plan = Plan::of(chore, &sizes, budget);
    Ok((runs, plan))
}

/// Puts one run in the place of several; returns its bytes, 0 when it was not done.
async fn replace(store: &dyn Store, log: LogId, runs: &[StoredRun]) -> StoreResult<u64> {
    let Some(joined) = StoredRun::join(runs) else { return Ok(0) };
    let bytes = joined.run.encoded().len() as u64;
    match store.replace(log, joined.run.range(), joined).await {
        Ok(()) => Ok(bytes),
        // The store holds something else by now: nothing is lost by leaving it.
        Err(error) if error.fault == Fault::Rejected => {
            tracing::debug!(%log, %error, "runs were not joined");
            Ok(0)
        }
        Err(error) => Err(error),
    }
}
