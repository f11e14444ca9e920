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

/// Rows in short: arrival, log, first and last sequence, joined where they may be.
pub(super) async fn short_rows(store: &dyn Store, scope: &Scope, after: u64) -> Vec<(u64, LogId, Seq, Seq)> {
    let mut short: Vec<(u64, LogId, Seq, Seq)> = Vec::new();
    for (arrival, log, sequence) in numbered(store, scope, after).await {
        match short.last_mut() {
            Some((first, of, from, to))
                if *of == log && *to + 1 == sequence && *first + (sequence - *from) == arrival =>
            {
                *to = sequence;
            }
            _ => short.push((arrival, log, sequence, sequence)),
        }
    }
    short
}

/// The arrival order entry by entry, however rows are cut or joined: arrival, log, sequence.
pub(super) async fn numbered(store: &dyn Store, scope: &Scope, after: u64) -> Vec<(u64, LogId, Seq)> {
    rows(store, scope, after).await.iter().flat_map(numbers).collect()
}

/// The entries of one row; checks that its runs are of its log, in order, and about its range.
pub(super) fn numbers(row: &Arrived) -> Vec<(u64, LogId, Seq)> {
    let Arrived { arrival, log, range, runs, .. } = row;
    assert!(
        runs.iter().all(|stored| stored.run.log() == *log && range.overlap(&stored.run.range()).is_some())
    );
    assert!(runs.windows(2).all(|pair| pair[0].run.last() < pair[1].run.first()), "in order");
    (range.first..=range.last).zip(arrival.0..).map(|(sequence, number)| (number, *log, sequence)).collect()
}

/// The runs of a scope's rows, each once and in the order of their rows.
pub(super) async fn arrived_runs(store: &dyn Store, scope: &Scope, after: u64) -> Vec<StoredRun> {
    let mut runs: Vec<StoredRun> = Vec::new();
    for run in rows(store, scope, after).await.into_iter().flat_map(|row| row.runs) {
        if !runs.contains(&run) {
            runs.push(run);
        }
    }
    runs
}

/// All a store says about entries: heads, runs, the arrival order and its newest number.
pub(super) type Everything = (Vec<LogHead>, Vec<Vec<StoredRun>>, Vec<(u64, LogId, Seq)>, Arrival);

/// All a store says about entries, to compare two moments; checks that what can be read has
/// arrived with the same runs.
pub(super) async fn everything(store: &dyn Store) -> Everything {
    let heads = store.heads(&Scope::All, None, 10_000).await.unwrap().items;
    let mut runs = Vec::new();
    for head in &heads {
        let (log, held) = (head.name.id(), read_all(store, head.name.id()).await);
        let mut arrived = arrived_runs(store, &Scope::Log(log), 0).await;
        arrived.sort_by_key(|stored| stored.run.first());
        assert_eq!(arrived, held, "rows carry the runs held");
        runs.push(held);
    }
    (heads, runs, numbered(store, &Scope::All, 0).await, store.last_arrival().await.unwrap())
}
