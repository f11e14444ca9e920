//! Apart and together again: partitions, long absences, restarts.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use gossip::{Coordinator, TcpTransport};

use crate::cable::Cable;
use crate::world::{World, converge, holds, keeping_to_itself};

on_every_pair! {
    behaviour_19_what_is_written_while_parted_or_stopped_arrives,
    behaviour_20_short_partitions_and_a_long_one_lose_nothing,
    behaviour_21_three_parts_merge_to_the_union,
    behaviour_22_restarts_of_one_and_of_all_keep_data_and_catch_up,
}

async fn behaviour_19_what_is_written_while_parted_or_stopped_arrives(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
    world.cut(&ann, &bob).await;
    ann.write(3).await;
    bob.write(4).await;
    assert_eq!((ann.records().await.len(), bob.records().await.len()), (4, 5), "they were not apart");
    world.mend(&ann, &bob).await;
    converge(&[&ann, &bob], 8).await;
    bob.node.stop().await.unwrap();
    ann.write(2).await;
    bob.write(2).await;
    world.start(&bob).await;
    bob.reaches(&ann).await;
    converge(&[&ann, &bob], 12).await;
    let bob = world.restart(bob).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 13).await;
}

async fn behaviour_20_short_partitions_and_a_long_one_lose_nothing(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    for _ in 0..5 {
        world.cut(&ann, &bob).await;
        tokio::join!(ann.write(1), bob.write(1));
        world.mend(&ann, &bob).await;
    }
    world.cut(&ann, &bob).await;
    tokio::join!(ann.write(30), bob.write(25));
    world.mend(&ann, &bob).await;
    converge(&[&ann, &bob], 65).await;
}

async fn behaviour_21_three_parts_merge_to_the_union(world: World) {
    let world = world.only_linked();
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    world.mesh(&[&ann, &bob, &cat]).await;
    bob.write(1).await;
    converge(&[&ann, &bob, &cat], 1).await;
    let pairs = [(&ann, &bob), (&bob, &cat), (&ann, &cat)];
    for (one, other) in pairs {
        world.cut(one, other).await;
    }
    tokio::join!(ann.write(4), bob.write(5), cat.write(6));
    assert_eq!(cat.records().await.len(), 7, "they were not apart");
    for (one, other) in pairs {
        world.mend(one, other).await;
    }
    converge(&[&ann, &bob, &cat], 16).await;
}

async fn behaviour_22_restarts_of_one_and_of_all_keep_data_and_catch_up(world: World) {
    let world = world.only_linked();
    let [mut ann, mut bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(3).await;
    for round in 1..=3 {
        ann.node.stop().await.unwrap();
        bob.write(1).await;
        world.start(&ann).await;
        converge(&[&ann, &bob], 3 + round).await;
    }
    // One after the other: the one that stays brings the other up to date.
    ann = world.restart(ann).await;
    bob.write(1).await;
    converge(&[&ann, &bob], 7).await;
    bob.node.shutdown().await.unwrap();
    ann.write(1).await;
    bob = world.restart(bob).await;
    // Bob's address may have changed: ann dials as an application would after a look-up.
    world.mend(&ann, &bob).await;
    converge(&[&ann, &bob], 8).await;
    // All at once.
    ann.node.shutdown().await.unwrap();
    bob.node.shutdown().await.unwrap();
    let (bob, ann) = (world.restart(bob).await, world.restart(ann).await);
    tokio::join!(ann.write(1), bob.write(1));
    let records = converge(&[&ann, &bob], 10).await;
    let logs: std::collections::BTreeSet<_> = records.iter().map(|(id, ..)| id.log).collect();
    assert_eq!(logs.len(), 2, "clean restarts go on with the same logs");
}

/// The transports themselves would notice after a minute and a half, and nothing else dials.
#[tokio::test]
async fn a_connection_that_hangs_is_replaced_when_its_member_is_missed() {
    let transport = || TcpTransport::listen("127.0.0.1:0").keepalive(Duration::from_secs(60));
    let mut streams = Vec::new();
    let mut nodes = Vec::new();
    for _ in 0..2 {
        let node = Coordinator::builder().transport(transport()).config(keeping_to_itself());
        let node = node.build().await.unwrap();
        node.start().await.unwrap();
        streams.push(node.channel("room").await.unwrap().stream("log").await.unwrap());
        nodes.push(node);
    }
    let far = nodes[1].local_addresses()[0].rest().parse().unwrap();
    let cable = Cable::lay(Arc::new(Mutex::new(Some(far)))).await;
    nodes[0].connect(&cable.near()).await.unwrap();
    streams[0].append("before").await.unwrap();
    holds(&streams[1], 1).await;
    cable.hang();
    streams[0].append("after").await.unwrap();
    holds(&streams[1], 2).await;
}
