//! The lane that joins small runs: reads and joins beside the one that writes, which then puts them in place.

use std::collections::BTreeSet;
use std::sync::Arc;

use gossip_proto::{CommitItem, LogId, StoreRequest};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::lanes::Done;
use super::plan::Chore;
use super::tidy::{Step, prepare};
use crate::handle::Shared;

pub(super) struct Joiner {
    jobs: Option<mpsc::Sender<Vec<Chore>>>,
    task: JoinHandle<()>,
    state: State,
    /// Logs that were changed since it began, other than by what was added at their end. An erased payload
    /// must not come back with what was read before.
    spoilt: BTreeSet<LogId>,
    /// Any log may have been.
    is_spoilt: bool,
}

enum State {
    Free,
    Joining,
    Joined(Vec<Step>),
    /// The lane that writes puts them in place.
    Taken,
}

impl Joiner {
    pub(super) fn start(shared: &Arc<Shared>, done: &mpsc::Sender<Done>) -> Self {
        let (jobs, queue) = mpsc::channel(1);
        let task = tokio::spawn(join(shared.clone(), queue, done.clone()));
        Self { jobs: Some(jobs), task, state: State::Free, spoilt: BTreeSet::new(), is_spoilt: false }
    }

    pub(super) async fn end(&mut self) {
        self.jobs = None;
        let _ = (&mut self.task).await;
    }

    /// Whether it may be given something.
    pub(super) fn is_free(&self) -> bool {
        matches!(self.state, State::Free)
    }

    pub(super) fn give(&mut self, chores: Vec<Chore>, is_writing: bool) {
        if !is_writing {
            self.forgive();
        }
        if !chores.is_empty() {
            self.state = State::Joining;
            // A free lane's queue of one is empty; it ends only after this end is dropped.
            let _ = self.jobs.as_ref().map(|jobs| jobs.try_send(chores));
        }
    }

    /// Notes what is about to be written.
    pub(super) fn beware<'r>(&mut self, batch: impl IntoIterator<Item = &'r StoreRequest>) {
        if self.is_free() {
            self.forgive();
        }
        batch.into_iter().for_each(|request| self.spoil(request));
    }

    fn forgive(&mut self) {
        (self.spoilt, self.is_spoilt) = (BTreeSet::new(), false);
    }

    fn spoil(&mut self, request: &StoreRequest) {
        match request {
            StoreRequest::Commit { items, .. } => {
                let filled = |item: &CommitItem| match item {
                    CommitItem::Fill { run, .. } => Some(run.log()),
                    _ => None,
                };
                self.spoilt.extend(items.iter().filter_map(filled));
            }
            StoreRequest::Erase { log, .. } | StoreRequest::Isolate { log, .. } => self.spoilt.extend([*log]),
            StoreRequest::Prune { floors } => self.spoilt.extend(floors.iter().map(|(log, _)| *log)),
            StoreRequest::Turn { log, .. } => self.spoilt.extend([log.id()]),
            StoreRequest::RemoveChannel(_) | StoreRequest::RemoveStream(..) => self.is_spoilt = true,
            StoreRequest::Read { .. }
            | StoreRequest::Since { .. }
            | StoreRequest::Head { .. }
            | StoreRequest::HashAt { .. }
            | StoreRequest::SaveNode(_)
            | StoreRequest::SaveChannel(_)
            | StoreRequest::SaveStream(..)
            | StoreRequest::SaveHints(..)
            | StoreRequest::SavePeer(_)
            | StoreRequest::RemovePeer(_) => {}
        }
    }

    /// Notes what it reports.
    pub(super) fn joined(&mut self, steps: Vec<Step>) {
        self.state = State::Joined(steps);
    }

    /// What is to be put in place next.
    pub(super) fn take(&mut self) -> Option<Vec<Step>> {
        let State::Joined(steps) = &mut self.state else { return None };
        let mut steps = std::mem::take(steps);
        self.state = State::Taken;
        let spoilt = |step: &&mut Step| self.is_spoilt || self.spoilt.contains(&step.log());
        steps.iter_mut().filter(spoilt).for_each(Step::put_off);
        Some(steps)
    }

    /// They are in place, or given up.
    pub(super) fn placed(&mut self) {
        self.state = State::Free;
    }
}

async fn join(shared: Arc<Shared>, mut queue: mpsc::Receiver<Vec<Chore>>, done: mpsc::Sender<Done>) {
    while let Some(chores) = queue.recv().await {
        let steps = prepare(&*shared.store, chores).await;
        // The driver may have ended: then they stay as they are.
        let _ = done.send(Done::joined(steps)).await;
    }
}

#[cfg(test)]
mod tests {
    use gossip_proto::SeqRange;

    use super::*;

    const LOG: LogId = LogId([1; 16]);

    fn joining() -> Joiner {
        let task = tokio::spawn(std::future::ready(()));
        let mut joiner =
            Joiner { jobs: None, task, state: State::Free, spoilt: BTreeSet::new(), is_spoilt: false };
        let chore = Chore { log: LOG, from: 1, last: 9, only_full: false, budget: 1000 };
        joiner.give(vec![chore], true);
        joiner
    }

    /// Whether what was joined may be put in place.
    fn holds(mut joiner: Joiner) -> bool {
        let chore = Chore { log: LOG, from: 1, last: 9, only_full: false, budget: 1000 };
        joiner.joined(vec![Step::of(chore, 9)]);
        let steps = joiner.take().expect("steps");
        assert!(joiner.take().is_none(), "once");
        steps.iter().all(|step| !step.is_put_off())
    }

    fn erase(log: LogId) -> StoreRequest {
        StoreRequest::Erase { log, sequences: vec![SeqRange { first: 1, last: 1 }] }
    }

    #[tokio::test]
    async fn what_was_erased_meanwhile_does_not_come_back() {
        assert!(holds(joining()));
        let mut joiner = joining();
        joiner.beware(&[erase(LogId([2; 16]))]);
        assert!(holds(joiner), "another log");
        for request in [erase(LOG), StoreRequest::Prune { floors: vec![(LOG, 3)] }] {
            let mut joiner = joining();
            joiner.beware(&[request]);
            assert!(!holds(joiner));
        }
    }

    #[tokio::test]
    async fn an_erasure_under_way_when_it_begins_counts_as_well() {
        let mut joiner = joining();
        joiner.placed();
        joiner.beware(&[erase(LOG)]);
        let chore = Chore { log: LOG, from: 1, last: 9, only_full: false, budget: 1000 };
        joiner.give(vec![chore], true);
        assert!(!holds(joiner));
        let mut joiner = joining();
        joiner.placed();
        joiner.beware(&[erase(LOG)]);
        joiner.give(vec![chore], false);
        assert!(holds(joiner), "it was over");
    }
}
