//! Who wrote what: authors whose ids are keys, beside others.

use std::collections::BTreeMap;

use gossip::{Identity, NodeId, Retention};

use crate::device::Device;
use crate::wait::eventually;
use crate::world::{World, converge};

on_every_pair! {
    entries_of_keys_are_verified_and_those_of_names_are_not,
    a_lost_store_begins_anew_under_the_same_identity,
    a_channel_file_carries_seals,
    what_is_restored_of_a_pruned_log_is_given_on,
}

/// Of each author, whether all entries a device shows are verified.
async fn verified(device: &Device) -> BTreeMap<NodeId, bool> {
    let mut all = BTreeMap::new();
    for entry in device.stream().await.read_all().await.unwrap().collect().await.unwrap() {
        *all.entry(entry.author().clone()).or_insert(true) &= entry.verified();
    }
    all
}

async fn entries_of_keys_are_verified_and_those_of_names_are_not(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let carl = world.device_with("carl", |builder| builder.node_id("carl")).await;
    world.chain(&[&ann, &carl, &bob]).await;
    // The two that sign meet only through the one that does not.
    for device in [&ann, &bob, &carl] {
        device.write(20).await;
    }
    converge(&[&ann, &bob, &carl], 60).await;
    let bob = world.restart(bob).await;
    let expected: BTreeMap<NodeId, bool> =
        [&ann, &bob, &carl].map(|device| (device.node.id().clone(), device.node.id().is_key())).into();
    assert_eq!(expected.values().filter(|key| **key).count(), 2);
    for device in [&ann, &bob, &carl] {
        assert_eq!(verified(device).await, expected, "{}", device.name);
    }
}

async fn a_lost_store_begins_anew_under_the_same_identity(world: World) {
    let world = world.only_linked();
    let identity = || Identity::from_seed([9; 32]);
    let bob = world.device("bob").await;
    let ann = world.device_with("ann", |builder| builder.identity(identity())).await;
    world.link(&ann, &bob).await;
    ann.write(3).await;
    converge(&[&ann, &bob], 3).await;
    ann.node.shutdown().await.unwrap();
    drop(ann);
    let ann = world.device_on("ann", world.shelf("wiped"), |builder| builder.identity(identity())).await;
    assert_eq!(ann.node.id(), &identity().node_id());
    ann.write(2).await;
    world.link(&ann, &bob).await;
    let records = converge(&[&ann, &bob], 5).await;
    let logs: std::collections::BTreeSet<_> = records.iter().map(|record| record.0.log).collect();
    assert_eq!(logs.len(), 2, "what is written after the loss is a new epoch");
    assert_eq!(verified(&bob).await, [(identity().node_id(), true)].into());
}

async fn a_channel_file_carries_seals(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    ann.write(30).await;
    let room = ann.node.channel("room").await.unwrap();
    let (_, file) = room.export(Vec::new()).await.unwrap();
    bob.node.import(std::io::Cursor::new(file)).await.unwrap();
    converge(&[&ann, &bob], 30).await;
    assert_eq!(verified(&bob).await, [(ann.node.id().clone(), true)].into());
}

/// Nothing but the height is left of ann's log: the file says who vouches for it.
async fn what_is_restored_of_a_pruned_log_is_given_on(world: World) {
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    ann.write(30).await;
    ann.stream().await.set_retention(Retention::CountBased(0)).await.unwrap();
    ann.stream().await.compact().await.unwrap();
    assert_eq!(ann.records().await, []);
    let room = ann.node.channel("room").await.unwrap();
    let (_, file) = room.export(Vec::new()).await.unwrap();
    ann.node.shutdown().await.unwrap();
    bob.node.import(std::io::Cursor::new(file)).await.unwrap();
    let version = bob.stream().await.version().await.unwrap();
    assert_eq!(version.iter().map(|(_, height)| height).collect::<Vec<_>>(), [30]);
    cat.stream().await;
    world.link(&bob, &cat).await;
    eventually("cat knows of it", async || cat.stream().await.version().await.unwrap() == version).await;
}
