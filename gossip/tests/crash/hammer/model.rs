//! What one task must find after a kill: what was acknowledged, and perhaps what was in flight.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use gossip::proto::{Arrival, Scope, Seq};
use gossip::{LogId, MemoryStore, Store};

use super::chain::{Chain, channel};
use super::op::{Op, Step};
use super::picture::{Picture, rows};
use crate::Outcome;

/// A task, with a store in memory that does the same.
pub(crate) struct Model {
    task: usize,
    chains: Vec<Chain>,
    mirror: MemoryStore,
    /// Since the last look: in order, the last one perhaps without an answer.
    tried: Vec<Tried>,
    /// Arrival numbers that were told, of the first entry of a run.
    told: BTreeMap<(LogId, Seq), Arrival>,
}

struct Tried {
    op: Op,
    answer: Option<Vec<Option<Arrival>>>,
}

/// How it came out.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Settled {
    pub(crate) acknowledged: usize,
    /// Done without an answer, because the kill was faster.
    pub(crate) in_flight: usize,
    /// Acknowledged, and gone.
    pub(crate) lost: usize,
}

impl AddAssign for Settled {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.in_flight += other.in_flight;
        self.lost += other.lost;
    }
}

impl Model {
    pub(crate) fn new(task: usize) -> Self {
        Self {
            task,
            chains: Chain::all(task),
            mirror: MemoryStore::new(),
            tried: Vec::new(),
            told: BTreeMap::new(),
        }
    }

    pub(crate) fn tries(&mut self, op: Op) -> Outcome {
        match self.tried.last() {
            Some(Tried { answer: None, .. }) => Err("two operations of one task at once".into()),
            _ => {
                self.tried.push(Tried { op, answer: None });
                Ok(())
            }
        }
    }

    pub(crate) fn acknowledged(&mut self, arrivals: Vec<Option<Arrival>>) -> Outcome {
        match self.tried.last_mut() {
            Some(tried @ Tried { answer: None, .. }) => {
                tried.answer = Some(arrivals);
                Ok(())
            }
            _ => Err("an answer to nothing".into()),
        }
    }

    /// How many operations were acknowledged since the last look.
    pub(crate) fn answers(&self) -> usize {
        self.tried.iter().filter(|tried| tried.answer.is_some()).count()
    }

    /// Compares with what the store holds: the first `must` operations since the last look, and any
    /// number of those that follow.
    pub(crate) async fn settle(&mut self, store: &dyn Store, must: usize) -> Outcome<Settled> {
        let acknowledged = self.answers();
        let tried = std::mem::take(&mut self.tried);
        for done in &tried[..must] {
            self.redo(done).await?;
        }
        let found = Picture::of(store, self.task, &mut self.chains).await?;
        let mut done = must;
        let mut model = Picture::of(&self.mirror, self.task, &mut self.chains).await?;
        let told = found.difference(&model);
        while found != model {
            let next = tried.get(done).ok_or_else(|| {
                let flying = tried[must..].iter().map(|tried| &tried.op).collect::<Vec<_>>();
                format!("task {}: {told}; neither before nor after {flying:?}", self.task)
            })?;
            self.redo(next).await?;
            done += 1;
            model = Picture::of(&self.mirror, self.task, &mut self.chains).await?;
        }
        self.check_numbers(store).await?;
        let (in_flight, lost) = (done.saturating_sub(acknowledged), acknowledged.saturating_sub(done));
        Ok(Settled { acknowledged, in_flight, lost })
    }

    async fn redo(&mut self, tried: &Tried) -> Outcome {
        let doing = tried.op.apply(self.task, &self.mirror, &mut self.chains).await;
        doing.map_err(|error| format!("the model refuses {:?}: {error}", tried.op))?;
        match &tried.op {
            Op::Remove(None) => self.told.clear(),
            Op::Remove(Some(log)) => self.told.retain(|(id, _), _| *id != self.chains[*log].id),
            Op::Commit(steps) => {
                let arrivals = tried.answer.iter().flatten();
                for (step, arrival) in steps.iter().zip(arrivals) {
                    if let (Step::Run(log, range), Some(arrival)) = (step, arrival) {
                        self.told.insert((self.chains[*log].id, range.first), *arrival);
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// An arrival number that was told stays with its entry, so that cursors resume.
    async fn check_numbers(&self, store: &dyn Store) -> Outcome {
        let mut left = self.told.clone();
        for (log, range, arrival) in rows(store, &Scope::Channel(channel(self.task))).await? {
            let here: Vec<_> =
                left.range((log, range.first)..=(log, range.last)).map(|(key, _)| *key).collect();
            for key @ (_, sequence) in here {
                let Some(told) = left.remove(&key) else { continue };
                let held = Arrival(arrival.0 + sequence - range.first);
                if held != told {
                    let what = format!("{sequence} of {log} arrived as {}, is now {}", told.0, held.0);
                    return Err(what.into());
                }
            }
        }
        match left.first_key_value() {
            Some(((log, sequence), _)) => Err(format!("{sequence} of {log} has no arrival any more").into()),
            None => Ok(()),
        }
    }
}
