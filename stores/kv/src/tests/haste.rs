//! Commits made where they are asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::FutureExt;
use gossip_core::EntryRepository;
use gossip_core::proto::{Arrival, CommitItem, Durability, Fault, Meta};
use gossip_testkit::fixture::LogWriter;

use super::engine::{Ground, Tiny};
use super::store;
use crate::KvStore;

/// A store of which the writer knows a log, and the log.
async fn begun(durability: Durability) -> (KvStore<Tiny>, Arc<Ground>, LogWriter) {
    let ((store, ground), mut log) = (store(durability), LogWriter::new("c", "s", "ann"));
    ground.swift.store(true, Relaxed);
    commit(&store, log.run(1)).await.unwrap();
    assert_eq!(ground.at_once.load(Relaxed), 0, "the first has to read");
    (store, ground, log)
}

async fn commit(store: &KvStore<Tiny>, item: CommitItem) -> Result<Option<Arrival>, Fault> {
    let committed = store.commit(&[item], &Meta::default()).await.map_err(|error| error.fault)?;
    Ok(committed.arrivals[0])
}

#[tokio::test(start_paused = true)]
async fn a_small_one_that_reads_nothing_needs_no_thread() {
    let (store, ground, mut log) = begun(Durability::Buffered).await;
    let reads = ground.reads.load(Relaxed);
    for arrival in 2..6 {
        let done = commit(&store, log.run(1)).now_or_never();
        assert_eq!(done, Some(Ok(Some(Arrival(arrival)))));
    }
    assert_eq!((ground.at_once.load(Relaxed), ground.reads.load(Relaxed)), (4, reads));
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(5));
    assert!(store.host.unsynced.load(Relaxed), "they are to be synced yet");
}

#[tokio::test(start_paused = true)]
async fn large_ones_synced_ones_and_those_of_other_logs_get_a_thread() {
    let (store, ground, mut log) = begun(Durability::Buffered).await;
    commit(&store, log.run_of(&[vec![7; 20_000].into()])).await.unwrap();
    let mut other = LogWriter::new("c", "s", "bob");
    commit(&store, other.run(1)).await.unwrap();
    assert_eq!(ground.at_once.load(Relaxed), 0);
    let (store, ground, mut log) = begun(Durability::Sync).await;
    commit(&store, log.run(1)).await.unwrap();
    assert_eq!(ground.at_once.load(Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn what_the_engine_would_have_to_wait_for_is_written_once_by_a_thread() {
    let (store, ground, mut log) = begun(Durability::Buffered).await;
    ground.swift.store(false, Relaxed);
    assert_eq!(commit(&store, log.run(1)).await, Ok(Some(Arrival(2))));
    ground.swift.store(true, Relaxed);
    assert_eq!(commit(&store, log.run(1)).now_or_never(), Some(Ok(Some(Arrival(3)))));
}

#[tokio::test(start_paused = true)]
async fn refused_ones_change_nothing() {
    let (store, _ground, mut log) = begun(Durability::Buffered).await;
    let (second, third) = (log.run(1), log.run(1));
    assert_eq!(commit(&store, third.clone()).await, Err(Fault::Rejected), "one is missing before it");
    assert_eq!(commit(&store, second).now_or_never(), Some(Ok(Some(Arrival(2)))));
    assert_eq!(commit(&store, third).now_or_never(), Some(Ok(Some(Arrival(3)))));
}

#[tokio::test(start_paused = true)]
async fn after_a_failure_of_the_engine_or_a_panic_it_is_opened_again() {
    for (trouble, opened) in [(1, 2), (2, 2)] {
        let (store, ground, mut log) = begun(Durability::Buffered).await;
        let item = log.run(1);
        ground.trouble.store(trouble, Relaxed);
        assert_eq!(commit(&store, item.clone()).now_or_never(), Some(Err(Fault::Unknown)));
        ground.trouble.store(0, Relaxed);
        assert_eq!(commit(&store, item).await, Ok(Some(Arrival(2))), "nothing is remembered wrongly");
        assert_eq!(ground.opened.load(Relaxed), opened);
        assert_eq!(commit(&store, log.run(1)).now_or_never(), Some(Ok(Some(Arrival(3)))));
    }
}
