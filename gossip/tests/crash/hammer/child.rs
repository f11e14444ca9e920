//! The child that works on a store until it is killed.

use std::sync::Arc;

use gossip::Store;
use gossip::proto::Rng;
use tokio::task::JoinSet;

use super::TASKS;
use super::chain::Chain;
use super::plan::Planner;
use crate::Outcome;
use crate::kinds::open_store;
use crate::program::print;

/// Prints what each task is about to do and what was done. `marked`: an earlier life marked the
/// store open.
pub(crate) async fn hammer(config: &str, seed: &str, marked: bool) -> Outcome {
    let store = open_store(config)?;
    if !store.mark_open().await? && marked {
        return Err("the store forgot that it was not closed".into());
    }
    let mut rng = Rng::new(seed.parse()?);
    let mut tasks = JoinSet::new();
    for task in 0..TASKS {
        tasks.spawn(work(store.clone(), task, Rng::new(rng.next_u64())));
    }
    match tasks.join_next().await {
        Some(ended) => ended?,
        None => Ok(()),
    }
}

async fn work(store: Arc<dyn Store>, task: usize, mut rng: Rng) -> Outcome {
    let mut chains = Chain::all(task);
    loop {
        let mut planner = Planner { store: &*store, chains: &mut chains, rng: &mut rng };
        let op = planner.next().await?;
        print(&format!("try {task} {}", serde_json::to_string(&op)?))?;
        let arrivals = op.apply(task, &*store, &mut chains).await;
        let arrivals = arrivals.map_err(|error| format!("task {task}: {op:?}: {error}"))?;
        let arrivals: Vec<_> = arrivals.into_iter().map(|arrival| arrival.map(|it| it.0)).collect();
        print(&format!("ack {task} {}", serde_json::to_string(&arrivals)?))?;
    }
}
