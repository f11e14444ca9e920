//! Stores that do what no store should, and history that comes with holes.

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::tuned::Tuned;
use common::{Count, Joined, notes, on, soon};
use gossip_core::proto::{ChainHash, CommitItem, Epoch, LogName, Meta, NodeId, Payload, RunBuilder, Stamp};
use gossip_core::{Delivered, EntryRepository, Error, From};
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
    let adopt = CommitItem::Adopt { log: name.clone(), floor: 10, hash, stamp: Stamp::new(5, 0) };
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
