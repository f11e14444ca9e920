//! What laws ask of a store again and again.

use std::fmt::Debug;

use gossip_core::{Store, StoreResult};
use gossip_proto::{
    Arrival, Arrived, CommitItem, Committed, Fault, LogHead, LogId, Meta, RunEntry, Scope, Seq, StoredRun,
};

/// A budget nothing in these laws exceeds.
pub(super) const PLENTY: usize = 64 << 20;

pub(super) async fn commit(store: &dyn Store, batch: &[CommitItem]) -> Committed {
    store.commit(batch, &Meta::default()).await.expect("the batch is accepted")
}

/// The batch is refused and nothing of it is written.
pub(super) async fn refuses(store: &dyn Store, batch: &[CommitItem]) {
    let before = everything(store).await;
    rejected(store.commit(batch, &Meta::default()).await);
    assert_eq!(everything(store).await, before, "a refusal writes nothing");
}

pub(super) fn rejected<T: Debug>(result: StoreResult<T>) {
    let error = result.expect_err("refused");
    assert_eq!(error.fault, Fault::Rejected, "{error}");
    assert!(!error.to_string().is_empty());
}

pub(super) async fn head(store: &dyn Store, log: LogId) -> LogHead {
    find_head(store, log).await.expect("the log is known")
}

pub(super) async fn find_head(store: &dyn Store, log: LogId) -> Option<LogHead> {
    let page = store.heads(&Scope::Log(log), None, 10).await.unwrap();
    assert!(page.items.len() <= 1 && page.next.is_none());
    page.items.into_iter().next()
}

pub(super) async fn read_all(store: &dyn Store, log: LogId) -> Vec<StoredRun> {
    store.read(log, 1, PLENTY).await.unwrap()
}

/// The entries of a log; checks that its runs follow each other and match their chain.
pub(super) async fn entries(store: &dyn Store, log: LogId) -> Vec<RunEntry> {
    let runs = read_all(store, log).await;
    for stored in &runs {
        stored.run.verify(stored.prev).expect("the run matches the chain it came with");
    }
    assert!(runs.windows(2).all(|pair| pair[0].run.last() < pair[1].run.first()), "in order");
    runs.iter().flat_map(|stored| stored.run.entries().collect::<Vec<_>>()).collect()
}

pub(super) async fn sequences(store: &dyn Store, log: LogId) -> Vec<Seq> {
    entries(store, log).await.iter().map(|entry| entry.sequence).collect()
}

pub(super) async fn rows(store: &dyn Store, scope: &Scope, after: u64) -> Vec<Arrived> {
    let page = store.arrivals(scope, Arrival(after), PLENTY).await.unwrap();
    assert_eq!(page.next, None, "the budget is large enough");
    page.items
}

/// Rows in short: arrival, log, first and last sequence.
pub(super) async fn short_rows(store: &dyn Store, scope: &Scope, after: u64) -> Vec<(u64, LogId, Seq, Seq)> {
    let rows = rows(store, scope, after).await;
    rows.iter().map(|row| (row.arrival.0, row.log, row.range.first, row.range.last)).collect()
}

/// All a store says about entries, to compare two moments.
pub(super) async fn everything(
    store: &dyn Store,
) -> (Vec<LogHead>, Vec<Vec<StoredRun>>, Vec<Arrived>, Arrival) {
    let heads = store.heads(&Scope::All, None, 10_000).await.unwrap().items;
    let mut runs = Vec::new();
    for head in &heads {
        runs.push(read_all(store, head.name.id()).await);
    }
    (heads, runs, rows(store, &Scope::All, 0).await, store.last_arrival().await.unwrap())
}
