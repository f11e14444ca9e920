//! Stores that fail, are copied, or are in use.

use std::sync::Arc;

use async_trait::async_trait;
use gossip::{
    BuildError, Builder, CommandError, Coordinator, EntryId, Error, Event, Fault, MemoryStore, RedbStore,
    StoreError, StoreResult,
};
use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};
use tokio::sync::watch;

use crate::device::Device;
use crate::wait::{event, eventually};
use crate::world::{Shelf, World, converge};

on_every_wire! {
    defect_b22_a_failing_store_is_reported_as_one_and_repaired,
    defect_b09_two_contents_under_one_id_are_noticed_and_wedge_nothing,
}

/// Hooks under which commits fail in this way, while there is one.
struct Failing(watch::Sender<Option<Fault>>);

#[async_trait]
impl StoreHooks for Failing {
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
        match (call, *self.0.borrow()) {
            (StoreCall::Commit(_), Some(fault)) => {
                Err(StoreError::new(fault, "committing entries", "as the test wishes"))
            }
            _ => Ok(()),
        }
    }
}

async fn defect_b22_a_failing_store_is_reported_as_one_and_repaired(world: World) {
    for fault in [Fault::Full, Fault::Transient, Fault::Unknown] {
        let name = |who: &str| format!("{who} {fault:?}");
        let failing = Arc::new(Failing(watch::Sender::new(None)));
        let given = StoreDouble::new(MemoryStore::new(), failing.clone());
        let ann = world.device(&name("ann")).await;
        let bob = world.device_with(&name("bob"), |builder| builder.store(given)).await;
        world.link(&ann, &bob).await;
        ann.write(1).await;
        converge(&[&ann, &bob], 1).await;
        let mut events = bob.events();
        failing.0.send_replace(Some(fault));
        ann.write(2).await;
        let fails = |event: &Event| match event {
            Event::StoreFailed(failure) => Some(failure.clone()),
            Event::Dropped(drop) => panic!("a failing store was taken for a bad peer: {drop:?}"),
            _ => None,
        };
        let failure = event(&mut events, "the failure", fails).await;
        assert_eq!((failure.fault, failure.detail.as_str()), (fault, "as the test wishes"));
        assert_eq!(bob.node.health().await.unwrap().dropped, 0);
        assert!(bob.node.health().await.unwrap().store_failures > 0);
        if fault != Fault::Unknown {
            match bob.stream().await.append("cannot be kept").await {
                Err(Error::Command(CommandError::Store(failure))) => assert_eq!(failure.fault, fault),
                other => panic!("{other:?}"),
            }
        }
        failing.0.send_replace(None);
        converge(&[&ann, &bob], 3).await;
        bob.write(1).await;
        let records = converge(&[&ann, &bob], 4).await;
        assert_eq!(records.last().unwrap().0.sequence, 1, "what was refused took no sequence");
    }
}

async fn defect_b09_two_contents_under_one_id_are_noticed_and_wedge_nothing(world: World) {
    // However many entries each of the two wrote, it is noticed.
    for (by_original, by_clone) in [(1, 1), (3, 1), (1, 3)] {
        restored_beside_the_original(&world, by_original, by_clone, |builder| builder).await;
    }
    // The same of an author who does not sign.
    restored_beside_the_original(&world, 2, 2, |builder| builder.node_id("ann")).await;
}

/// Two devices write under one id: a backup was restored beside the original.
async fn restored_beside_the_original(
    world: &World,
    by_original: usize,
    by_clone: usize,
    with: fn(Builder) -> Builder,
) {
    let directory = tempfile::tempdir().unwrap();
    let (original, copy) = (directory.path().join("original"), directory.path().join("copy"));
    let name = |who: &str| format!("{who} {by_original} {by_clone}");
    let bob = world.device(&name("bob")).await;
    let ann = world.device_on(&name("ann"), Shelf::Redb(original.clone()), with).await;
    world.link(&ann, &bob).await;
    ann.write(3).await;
    converge(&[&ann, &bob], 3).await;
    ann.node.shutdown().await.unwrap();
    std::fs::create_dir(&copy).unwrap();
    let file = gossip::redb::FILE_NAME;
    std::fs::copy(original.join(file), copy.join(file)).unwrap();
    let ann = world.device_on(&name("ann"), ann.shelf, with).await;
    ann.write(by_original).await;
    converge(&[&ann, &bob], 3 + by_original).await;
    let clone = world.device_on(&name("clone"), Shelf::Redb(copy), with).await;
    assert_eq!(clone.node.id(), ann.node.id());
    let lost = clone.stream().await.append("by the clone").await.unwrap();
    clone.write(by_clone - 1).await;
    ann.node.shutdown().await.unwrap();
    bob.loses(&ann).await;
    // Which of the two is told first is open.
    let (mut forks, mut closings) = (clone.events(), clone.events());
    world.link(&clone, &bob).await;
    let of_fork = |event: &Event| match event {
        Event::ForkDetected { log, .. } => Some(log.id()),
        _ => None,
    };
    assert_eq!(event(&mut forks, "the fork", of_fork).await, lost.log);
    let of_closing = |event: &Event| match event {
        Event::EpochRetired { log } => Some(log.id()),
        _ => None,
    };
    assert_eq!(event(&mut closings, "the log is closed", of_closing).await, lost.log);
    let next = clone.stream().await.append("in a new log").await.unwrap();
    assert_ne!(next.log, lost.log);
    let (here, there) = (clone.stream().await, bob.stream().await);
    eventually("the new log arrives", async || there.get(next).await.unwrap().is_some()).await;
    let back = there.append("by bob").await.unwrap();
    eventually("the clone goes on receiving", async || here.get(back).await.unwrap().is_some()).await;
    assert_eq!(here.get(lost).await.unwrap().unwrap().payload(), b"by the clone", "nothing was lost here");
    assert_ne!(there.get(lost).await.unwrap().unwrap().payload(), b"by the clone", "nor there");
    // Both histories come to both, each under a name of its own.
    let all = 3 + by_original + by_clone + 2;
    converge(&[&clone, &bob], all).await;
    // It has another id by now, and is known by the old one.
    let bobs = bob.node.id();
    eventually("bob has it", async || here.delivered_to(lost).await.unwrap().contains(bobs)).await;
    assert!(here.erase(lost).await.unwrap());
    let erased = here.get(lost).await.unwrap().unwrap();
    assert!(erased.bytes().is_none());
    restored_from_a_file(world, &bob, &name("dan"), (all, erased.id())).await;
}

/// Both histories come to whoever restores them from a file, too, without what was erased.
async fn restored_from_a_file(world: &World, bob: &Device, dan: &str, (all, erased): (usize, EntryId)) {
    let there = bob.stream().await;
    let is_gone = async || there.get(erased).await.unwrap().is_some_and(|entry| entry.bytes().is_none());
    eventually("bob hears of the erasure", is_gone).await;
    let (_, file) = bob.node.channel("room").await.unwrap().export(Vec::new()).await.unwrap();
    let dan = world.device(dan).await;
    dan.node.import(std::io::Cursor::new(file)).await.unwrap();
    converge(&[bob, &dan], all).await;
    let report = dan.node.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
}

#[tokio::test]
async fn a_store_in_use_or_in_a_place_that_is_none_is_a_typed_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("store");
    let first = RedbStore::open(&path).unwrap();
    let refused = |result: Result<RedbStore, gossip::StoreError>| {
        let error = result.expect_err("it must not open");
        assert_eq!(error.fault, Fault::Rejected, "{error}");
        assert!(!error.to_string().is_empty());
    };
    refused(RedbStore::open(&path));
    drop(first);
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").unwrap();
    refused(RedbStore::open(&file));
    refused(RedbStore::open(file.join("below")));
    let node = Coordinator::builder().store(RedbStore::open(&path).unwrap()).build().await.unwrap();
    node.shutdown().await.unwrap();
    let built = Coordinator::builder().store(RedbStore::open(&path).unwrap()).node_id("other").build().await;
    assert!(matches!(built, Err(BuildError::OtherNode { .. })), "{built:?}");
}
