//! Joining small runs to large ones, so that a log written one entry at a time reads and syncs like
//! one written in bulk. They are read and joined beside the lane that writes, which only puts them in place:
//! nobody waits for the rest.

use gossip_proto::{LogId, Seq, StoredRun};

use super::group::is_about_one;
use super::lanes::guarded;
use super::plan::{Chore, Plan, Size, WHOLE};
use crate::{Store, StoreError, StoreResult};

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

/// What a step is to put into the store.
#[derive(Debug)]
pub(super) struct Step {
    chore: Chore,
    /// As it is when that is done.
    tidied: Tidied,
    joined: Vec<StoredRun>,
}

/// Reads what one step of each chore is about, usually one full run, and joins it.
pub(super) async fn prepare(store: &dyn Store, chores: Vec<Chore>) -> Vec<Step> {
    let mut steps = Vec::new();
    for chore in chores {
        steps.push(guarded(step(store, chore)).await.unwrap_or_else(|error| failed(chore, &error)));
    }
    steps
}

/// Puts what was joined in its place, all at once.
pub(super) async fn put(store: &dyn Store, mut steps: Vec<Step>) -> Vec<(Chore, Tidied)> {
    write(store, &mut steps).await;
    steps.into_iter().map(|step| (step.chore, step.tidied)).collect()
}

/// Steps whose runs cannot be written come to nothing.
async fn write(store: &dyn Store, steps: &mut [Step]) {
    let joined: Vec<_> = steps.iter().flat_map(|step| step.joined.clone()).collect();
    if joined.is_empty() {
        return;
    }
    match guarded(store.replace(&joined)).await {
        Ok(()) => {}
        // Only one of them may be at fault.
        Err(error) if is_about_one(error.fault) => {
            for step in steps {
                if let Err(error) = guarded(store.replace(&step.joined)).await {
                    *step = failed(step.chore, &error);
                }
            }
        }
        Err(error) => steps.iter_mut().for_each(|step| *step = failed(step.chore, &error)),
    }
}

impl Step {
    pub(super) fn log(&self) -> LogId {
        self.chore.log
    }

    /// What was read is not what is stored now. Nothing is done; it goes on as it began.
    pub(super) fn put_off(&mut self) {
        self.tidied = Tidied { from: Some(self.chore.from), more: true, ..Tidied::default() };
        self.joined.clear();
    }
}

/// Nothing is lost by leaving the runs as they are.
fn failed(chore: Chore, error: &StoreError) -> Step {
    tracing::warn!(log = %chore.log, %error, "runs could not be joined");
    Step { chore, tidied: Tidied::default(), joined: Vec::new() }
}

async fn step(store: &dyn Store, chore: Chore) -> StoreResult<Step> {
    let (runs, plan) = match look(store, &chore, chore.budget).await? {
        (_, None) => look(store, &chore, WHOLE).await?,
        enough => enough,
    };
    let plan = plan.unwrap_or_default();
    let mut tidied = Tidied { from: Some(plan.from), more: plan.more, left: plan.left, ..Tidied::default() };
    let mut joined = Vec::new();
    for group in plan.groups {
        let group = upto_seal(&runs[group]);
        if let Some(run) = StoredRun::join(group).filter(|_| group.len() > 1) {
            tidied.runs += group.len() as u64;
            tidied.bytes += run.run.encoded().len() as u64;
            joined.push(run);
        }
    }
    Ok(Step { chore, tidied, joined })
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

#[cfg(test)]
impl Step {
    /// One that joined so many runs, whatever they were.
    pub(super) fn of(chore: Chore, runs: u64) -> Self {
        Self { chore, tidied: Tidied { runs, ..Tidied::default() }, joined: Vec::new() }
    }

    pub(super) fn is_put_off(&self) -> bool {
        self.tidied.runs == 0 && self.tidied.more
    }
}

#[cfg(test)]
mod tests {
    use gossip_proto::{ChainHash, LogId, NewPayload, RunBuilder, Stamp};

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
