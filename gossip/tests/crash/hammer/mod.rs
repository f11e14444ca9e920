//! Kills a process that works on the bare store from many tasks: commits of several logs, holes and
//! their filling, coalescing, hollowing, pruning, ends, removal, all at once.
//!
//! The child prints what each task tries and what was answered. A task has logs of its own and does
//! one thing after the other, so after a kill its part of the store must be what a store in memory
//! holds after the same operations: with the one in flight done as a whole, or not at all.
//!
//! | module | idea |
//! |---|---|
//! | `chain` | logs whose every byte follows from their name |
//! | `op` | what is done, in words that fit on a line |
//! | `plan` | what to do next |
//! | `child` | the process that is killed |
//! | `model` | what must be found |
//! | `picture` | everything a store holds of one task |

mod chain;
pub(crate) mod child;
mod model;
mod op;
mod picture;
mod plan;

use std::time::Duration;

use gossip::Store;
use gossip::proto::{Arrival, Rng, Scope};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use self::model::Model;
pub(crate) use self::model::Settled;
use self::picture::rows;
use crate::Outcome;
use crate::kinds::{Kind, open_store};
use crate::process::Process;
use crate::program::print;

/// Tasks at once.
pub(crate) const TASKS: usize = 6;
/// Answers waited for before the kill, at most.
const PATIENT: u64 = 600;

/// One store, killed again and again.
pub(crate) struct Bench {
    kind: Kind,
    rng: Rng,
    place: TempDir,
    runtime: Runtime,
    models: Models,
    marked: bool,
    pub(crate) sum: Settled,
}

impl Bench {
    pub(crate) fn new(kind: Kind, seed: u64) -> Outcome<Self> {
        Ok(Self {
            kind,
            rng: Rng::new(seed),
            place: tempfile::tempdir()?,
            runtime: tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?,
            models: Models::new(),
            marked: false,
            sum: Settled::default(),
        })
    }

    /// Lets a process work, kills it at a random point and compares.
    pub(crate) fn round(&mut self) -> Outcome {
        let config = self.kind.config(&self.place.path().display().to_string(), None)?;
        let (seed, marked) = (self.rng.next_u64().to_string(), self.marked.to_string());
        let mut child = Process::start(&["child-hammer", &config, &seed, &marked])?;
        let in_opening = self.rng.chance(100);
        let patience = if in_opening { 0 } else { self.rng.below(PATIENT) };
        let instant = Duration::from_micros(self.rng.below(if in_opening { 60_000 } else { 8_000 }));
        let mut answers = 0;
        while answers < patience {
            let line = child.line()?.ok_or("the hammer broke before it was killed")?;
            answers += u64::from(self.note(&line)?);
        }
        child.kill_after(instant)?;
        while let Some(line) = child.line()? {
            self.note(&line)?;
        }
        self.look(&config)
    }

    /// Returns whether the line was an answer.
    fn note(&mut self, line: &str) -> Outcome<bool> {
        self.marked = true;
        Ok(self.models.note(line)?.is_some())
    }

    fn look(&mut self, config: &str) -> Outcome {
        let models = &mut self.models;
        let settled = self.runtime.block_on(async { models.settle_all(&*open_store(config)?).await })?;
        self.sum += settled;
        Ok(())
    }

    /// Says where the store is and leaves it there.
    pub(crate) fn keep(self) -> Outcome {
        print(&format!("the store is kept: {}", self.place.keep().display()))
    }
}

/// What all tasks must find.
pub(crate) struct Models(Vec<Model>);

impl Models {
    pub(crate) fn new() -> Self {
        Self((0..TASKS).map(Model::new).collect())
    }

    /// Takes a line of the child; returns the task if the line was an answer.
    pub(crate) fn note(&mut self, line: &str) -> Outcome<Option<usize>> {
        let mut words = line.splitn(3, ' ');
        let (Some(word), Some(task), Some(rest)) = (words.next(), words.next(), words.next()) else {
            return Err(format!("the hammer speaks in tongues: {line}").into());
        };
        let task: usize = task.parse()?;
        let model = self.0.get_mut(task).ok_or("no such task")?;
        if word == "try" {
            model.tries(serde_json::from_str(rest)?)?;
            return Ok(None);
        }
        let arrivals: Vec<Option<u64>> = serde_json::from_str(rest)?;
        model.acknowledged(arrivals.into_iter().map(|arrival| arrival.map(Arrival)).collect())?;
        Ok(Some(task))
    }

    /// Everything that was acknowledged must be there.
    async fn settle_all(&mut self, store: &dyn Store) -> Outcome<Settled> {
        let answers: Vec<_> = self.0.iter().map(Model::answers).collect();
        self.settle(store, |task| answers[task]).await
    }

    /// Of each task its first so many operations must be there.
    pub(crate) async fn settle(
        &mut self,
        store: &dyn Store,
        must: impl Fn(usize) -> usize,
    ) -> Outcome<Settled> {
        let mut sum = Settled::default();
        for (task, model) in self.0.iter_mut().enumerate() {
            sum += model.settle(store, must(task)).await?;
        }
        // Numbers rise over all tasks too.
        rows(store, &Scope::All).await?;
        Ok(sum)
    }
}
