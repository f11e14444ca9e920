//! Laws about many callers at once, and about callers who give up.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use gossip_core::Store;
use gossip_proto::{Arrival, LogId, Meta, Scope, StoredRun};

use super::StoreHarness;
use super::expect::{PLENTY, commit, find_head, head, numbered, numbers, read_all, rows, sequences};
use crate::fixture::LogWriter;

const COMMITS: u64 = 40;

/// Readers beside a writer see whole batches, in order, and heads never run ahead of entries.
pub async fn readers_see_a_prefix<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let log = ann.id();
    let writer = {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..COMMITS {
                commit(&*store, &[ann.run(2), ann.run(1)]).await;
            }
        })
    };
    let readers = [(); 2].map(|()| tokio::spawn(watch(store.clone(), log)));
    writer.await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
    assert_eq!(sequences(&*store, log).await.len() as u64, 3 * COMMITS);
}

async fn watch(store: Arc<dyn Store>, log: LogId) {
    let mut seen = 0;
    while seen < 3 * COMMITS {
        let height = find_head(&*store, log).await.map_or(0, |head| head.height);
        let held = sequences(&*store, log).await;
        assert!(held.iter().copied().eq(1..=held.len() as u64), "no hole");
        assert!(held.len() as u64 >= height, "what the head says is there");
        assert_eq!(held.len() % 3, 0, "batches are whole");
        assert!(held.len() as u64 >= seen, "nothing vanishes");
        let arrived: u64 = rows(&*store, &Scope::All, 0).await.iter().map(|row| row.range.count()).sum();
        assert!(arrived >= held.len() as u64, "what is read has arrived");
        seen = held.len() as u64;
        tokio::task::yield_now().await;
    }
}

/// One read of many logs beside a writer sees all of a batch or nothing of it.
pub async fn no_read_sees_a_torn_batch<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut logs = [("c", "s", "ann"), ("c", "s", "bob"), ("c", "t", "ann"), ("d", "s", "ann")]
        .map(|(channel, stream, author)| LogWriter::new(channel, stream, author));
    let readers = [(); 2].map(|()| tokio::spawn(watch_batches(store.clone())));
    for _ in 0..COMMITS {
        commit(&*store, &logs.each_mut().map(|log| log.run(2))).await;
    }
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn watch_batches(store: Arc<dyn Store>) {
    let mut height = 0;
    while height < 2 * COMMITS {
        let heads = store.heads(&Scope::All, None, 10).await.unwrap().items;
        assert!(heads.is_empty() || heads.len() == 4);
        assert!(heads.iter().all(|head| head.height == heads[0].height), "all heads of a batch or none");
        let page = store.arrivals(&Scope::All, Arrival(0), PLENTY).await.unwrap();
        let numbers: Vec<_> = page.items.iter().flat_map(numbers).map(|(number, ..)| number).collect();
        assert!(numbers.iter().copied().eq(1..=numbers.len() as u64), "no number is skipped");
        assert_eq!(numbers.len() % 8, 0, "all rows of a batch or none");
        height = heads.first().map_or(0, |head| head.height);
        assert!(numbers.len() as u64 >= 4 * height, "what the heads say has arrived");
        tokio::task::yield_now().await;
    }
}

/// Readers beside joins and prunes always see the same entries above a floor that only rises.
pub async fn readers_see_no_seam_of_an_edit<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let batch: Vec<_> = (0..COMMITS).map(|_| ann.run(2)).collect();
    commit(&*store, &batch).await;
    let readers = [(); 2].map(|()| tokio::spawn(watch_edits(store.clone(), ann.id())));
    while let [one, two, ..] = &read_all(&*store, ann.id()).await[..] {
        let joined = StoredRun::join(&[one, two]).unwrap();
        store.replace(std::slice::from_ref(&joined)).await.unwrap();
        store.prune(&[(ann.id(), joined.run.first() + 2)]).await.unwrap();
    }
    store.prune(&[(ann.id(), u64::MAX)]).await.unwrap();
    for reader in readers {
        reader.await.unwrap();
    }
}

async fn watch_edits(store: Arc<dyn Store>, log: LogId) {
    let mut floor = 0;
    while floor < 2 * COMMITS {
        let held = sequences(&*store, log).await;
        let first = held.first().copied().unwrap_or(2 * COMMITS + 1);
        assert!(held.iter().copied().eq(first..=2 * COMMITS), "no hole and nothing twice");
        assert!(first > floor, "what was pruned stays so");
        let arrived = numbered(&*store, &Scope::Log(log), 0).await;
        assert_eq!(arrived.len() as u64, 2 * COMMITS, "rows stay");
        floor = first - 1;
        tokio::task::yield_now().await;
    }
}

/// Commits to different logs from several tasks all land, each under its own numbers.
pub async fn writers_of_different_logs_all_land<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let writers: Vec<_> = (0..8)
        .map(|n| {
            let store = store.clone();
            tokio::spawn(async move {
                let mut log = LogWriter::new("c", "s", &format!("writer {n}"));
                for _ in 0..5 {
                    commit(&*store, &[log.run(2)]).await;
                }
                log.id()
            })
        })
        .collect();
    for writer in writers {
        let log = writer.await.unwrap();
        assert_eq!(head(&*store, log).await.height, 10);
        assert_eq!(sequences(&*store, log).await.len(), 10);
    }
    let mut next = 1;
    for row in rows(&*store, &Scope::All, 0).await {
        assert_eq!(row.arrival.0, next, "numbers are given once and without holes");
        next += row.range.count();
    }
    assert_eq!(store.last_arrival().await.unwrap().0, 80);
}

/// A commit whose future is dropped is whole or absent, and the store goes on.
pub async fn a_dropped_commit_is_whole_or_absent<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    for _ in 0..20 {
        let batch = [ann.run(2), ann.run(1)];
        {
            let meta = Meta::default();
            let mut given_up = pin!(store.commit(&batch, &meta));
            let _ = given_up.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        commit(&*store, &batch).await;
        assert_eq!(head(&*store, ann.id()).await.height, ann.height());
    }
    let numbered = numbered(&*store, &Scope::All, 0).await;
    assert_eq!(numbered.len(), 60, "nothing was numbered twice");
}
