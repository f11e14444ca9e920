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
        let group = upto_seal(&runs[group]);
        if group.len() < 2 {
            continue;
        }
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

/// The joined run keeps the last seal only, so it must end at one: else a seal that stands for all before
/// it would be lost, and the log end at none. What is left out is unsealed and stays as it is.
fn upto_seal(runs: &[StoredRun]) -> &[StoredRun] {
    let sealed = runs.iter().rposition(|stored| stored.run.seal().is_some());
    sealed.map_or(runs, |last| &runs[..=last])
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

#[cfg(test)]
mod tests {
    use gossip_proto::{ChainHash, NewPayload, RunBuilder, Stamp};

    use super::*;

    #[test]
    fn no_seal_is_lost_but_to_a_later_one() {
        let run = |is_sealed: bool| {
            let prev = ChainHash([0; 32]);
            let mut builder = RunBuilder::new(LogId([1; 16]), 1, prev);
            builder.push_new(Stamp::new(1, 0), &NewPayload::new("x")).expect("room");
            let (run, _) = builder.finish(is_sealed.then_some(&[7; 64][..])).expect("a run");
            StoredRun { prev, run }
        };
        let kept = |seals: &[bool]| {
            let runs: Vec<StoredRun> = seals.iter().map(|sealed| run(*sealed)).collect();
            upto_seal(&runs).len()
        };
        assert_eq!(kept(&[true, true, true]), 3);
        assert_eq!(kept(&[true, false, true, false, false]), 3);
        assert_eq!(kept(&[false, false]), 2, "those of authors who do not sign");
    }
}
