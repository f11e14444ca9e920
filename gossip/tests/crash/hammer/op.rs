//! What the hammer does to a store, in words that fit on a line.

use bytes::Bytes;
use gossip::proto::{Arrival, CommitItem, Fault, Meta, Scope, Seq, SeqRange, Turn};
use gossip::{Store, StoreError, StoreResult};
use serde::{Deserialize, Serialize};

use super::chain::{Chain, channel};

/// One call of the store. Logs are meant by their number within the task.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Op {
    Commit(Vec<Step>),
    Replace(Vec<NewRun>),
    Prune(Vec<(usize, Seq)>),
    Isolate {
        log: usize,
        at: Seq,
    },
    /// The log ends before `at`, which it reaches or not.
    Turn {
        log: usize,
        at: Seq,
        reached: bool,
    },
    /// `None`: all logs of the task.
    Remove(Option<usize>),
    Note(u64),
}

/// One run in the place of those that make up exactly the range, some of its entries hollow.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NewRun {
    pub(crate) log: usize,
    pub(crate) range: SeqRange,
    pub(crate) hollow: Vec<Seq>,
}

/// One item of a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Step {
    Run(usize, SeqRange),
    Adopt(usize, Seq),
    Fill(usize, SeqRange),
}

impl Op {
    /// Does it; returns the arrival numbers a commit gave.
    pub(crate) async fn apply(
        &self,
        task: usize,
        store: &dyn Store,
        chains: &mut [Chain],
    ) -> StoreResult<Vec<Option<Arrival>>> {
        match self {
            Self::Commit(steps) => {
                let items = steps.iter().map(|step| step.item(chains));
                let items: Vec<_> = items.collect::<StoreResult<_>>()?;
                return Ok(store.commit(&items, &Meta::default()).await?.arrivals);
            }
            Self::Replace(new) => {
                let run = |new: &NewRun| chains[new.log].run(new.range, &new.hollow).map(|(run, _)| run);
                let runs: Option<Vec<_>> = new.iter().map(run).collect();
                store.replace(&runs.ok_or_else(nonsense)?).await?;
            }
            Self::Prune(floors) => {
                let floors: Vec<_> = floors.iter().map(|(log, floor)| (chains[*log].id, *floor)).collect();
                store.prune(&floors).await?;
            }
            Self::Isolate { log, at } => {
                if let Some(gap) = store.isolate(chains[*log].id, *at).await? {
                    let why = format!("{gap:?} was sound and is isolated");
                    return Err(StoreError::new(Fault::Corrupt, "hammering", why));
                }
            }
            Self::Turn { log, at, reached } => {
                let chain = &mut chains[*log];
                let first = reached.then(|| chain.hash(*at));
                store.turn(&chain.name.clone(), &Turn { at: *at, prev: chain.hash(*at - 1), first }).await?;
            }
            Self::Remove(log) => {
                let scope = log.map_or(Scope::Channel(channel(task)), |log| Scope::Log(chains[log].id));
                store.remove(&scope).await?;
            }
            Self::Note(value) => store.save_snapshot(&note_of(task), note(*value)).await?,
        }
        Ok(Vec::new())
    }
}

impl Step {
    fn item(&self, chains: &mut [Chain]) -> StoreResult<CommitItem> {
        Ok(match self {
            Self::Run(log, range) => {
                let (stored, end) = chains[*log].run(*range, &[]).ok_or_else(nonsense)?;
                CommitItem::Run { log: chains[*log].name.clone(), prev: stored.prev, run: stored.run, end }
            }
            Self::Fill(log, range) => {
                let (stored, end) = chains[*log].run(*range, &[]).ok_or_else(nonsense)?;
                CommitItem::Fill { log: chains[*log].name.clone(), prev: stored.prev, run: stored.run, end }
            }
            Self::Adopt(log, floor) => CommitItem::Adopt {
                log: chains[*log].name.clone(),
                floor: *floor,
                hash: chains[*log].hash(*floor),
                stamp: Chain::stamp(*floor),
                seal: None,
            },
        })
    }
}

/// Key of what a task notes.
pub(crate) fn note_of(task: usize) -> String {
    format!("note of {task}")
}

/// Long enough to be torn.
fn note(value: u64) -> Bytes {
    value.to_le_bytes().repeat(500).into()
}

fn nonsense() -> StoreError {
    StoreError::new(Fault::Rejected, "hammering", "the range is no run")
}
