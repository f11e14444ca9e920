//! Laws about many callers at once, and about callers who give up.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};

use gossip_core::Store;
use gossip_proto::{Meta, Scope};

use super::StoreHarness;
use super::expect::{commit, find_head, head, rows, sequences};
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

async fn watch(store: Arc<dyn Store>, log: gossip_proto::LogId) {
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
    let rows = rows(&*store, &Scope::All, 0).await;
    assert_eq!(rows.len(), 40, "nothing was numbered twice");
}
