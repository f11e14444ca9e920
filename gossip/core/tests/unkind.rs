//! Stores that do what no store should, and history that comes with holes.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::tuned::Tuned;
use common::{Count, Joined, notes, on, payloads, soon};
use gossip_core::proto::{ChainHash, CommitItem, Epoch, LogName, Meta, NodeId, Payload, RunBuilder, Stamp};
use gossip_core::{Delivered, EntryRepository, Error, From, PageQuery, Place, Retention};
use gossip_store_memory::MemoryStore;

#[tokio::test]
async fn a_store_that_panics_is_a_store_that_fails() {
    let hooks = Arc::new(Tuned::new());
    let node = on("ann", hooks.double()).await;
    let stream = notes(&node).await;
    hooks.panics.store(true, Ordering::SeqCst);
    assert!(matches!(soon("an answer", stream.append("x")).await, Err(Error::Command(_))));
    hooks.panics.store(false, Ordering::SeqCst);
    soon("the next append", stream.append("y")).await.unwrap();
    soon("the end", node.shutdown()).await.unwrap();
}

#[tokio::test]
async fn a_hole_shows_in_every_view_and_subscription() {
    let store = Arc::new(MemoryStore::new());
    let node = on("ann", store.clone()).await;
    let stream = notes(&node).await;
    let any = stream.view(Count).await.unwrap();
    let total = stream.view(Joined).await.unwrap();
    let mut now = stream.subscribe(From::Now).await.unwrap();
    // Ten entries of bob that nobody has any more, then one.
    let name = Arc::new(LogName {
        channel: stream.channel_id().clone(),
        stream: stream.id().clone(),
        author: NodeId::new("bob").unwrap(),
        epoch: Epoch::new(1, 0),
        branch: None,
    });
    let hash = ChainHash([7; 32]);
    let adopt = CommitItem::Adopt { log: name.clone(), floor: 10, hash, stamp: Stamp::new(5, 0), seal: None };
    let mut run = RunBuilder::new(name.id(), 11, hash);
    run.push(Stamp::new(6, 0), &Payload::Present("z".into())).unwrap();
    let (run, end) = run.finish(None).unwrap();
    let run = CommitItem::Run { log: name, prev: hash, run, end };
    store.commit(&[adopt, run], &Meta::default()).await.unwrap();
    stream.append("mine").await.unwrap();
    soon("both entries", any.wait_for(|n| *n == 2)).await.unwrap();
    soon("both entries", total.wait_for(|joined| joined.len() == 2)).await.unwrap();
    assert!(any.report().partial && total.report().partial);
    let first = soon("the hole", now.next_delivered()).await.unwrap().unwrap();
    assert!(matches!(first, Delivered::Gap { range, .. } if range.first == 1 && range.last == 10));
}

#[tokio::test]
async fn reading_ends_with_the_node() {
    let node = on("ann", Arc::new(MemoryStore::new())).await;
    let stream = notes(&node).await;
    stream.append("x").await.unwrap();
    let mut entries = stream.read_all().await.unwrap();
    node.shutdown().await.unwrap();
    assert!(matches!(entries.next().await, Err(Error::State { .. })));
}

/// A peer that pruned may not know how old the entry at its floor is.
#[tokio::test]
async fn what_lies_below_a_gap_of_unknown_age_is_young_still() {
    let store = Arc::new(MemoryStore::new());
    let node = common::on("ann", store.clone()).await;
    let stream = notes(&node).await;
    let name = Arc::new(LogName {
        channel: stream.channel_id().clone(),
        stream: stream.id().clone(),
        author: NodeId::new("bob").unwrap(),
        epoch: Epoch::new(1, 0),
        branch: None,
    });
    let now = u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap();
    let prev = name.hash().root();
    let mut run = RunBuilder::new(name.id(), 1, prev);
    for n in 1..=3 {
        run.push(Stamp::new(now - 1000, n), &Payload::Present("young".into())).unwrap();
    }
    let (run, end) = run.finish(None).unwrap();
    let held = CommitItem::Run { log: name.clone(), prev, run, end };
    let adopt =
        CommitItem::Adopt { log: name, floor: 9, hash: ChainHash([7; 32]), stamp: Stamp::ZERO, seal: None };
    store.commit(&[held, adopt], &Meta::default()).await.unwrap();
    let cut = stream.read_all().await.unwrap().next().await.unwrap().unwrap().key();
    let page = stream.page(PageQuery::forward(Place::AfterKey(cut))).await.unwrap();
    assert_eq!(page.entries.len(), 2, "a page from the middle shows what all of it shows");
    stream.set_retention(Retention::TimeBased(Duration::from_secs(3600))).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 0);
    assert_eq!(payloads(&stream).await.len(), 3);
}
