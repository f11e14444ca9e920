//! Bad networks: small frames, loss, copies, disorder.

use std::time::Duration;

use gossip::memory_network::Faults;

use crate::world::{Disk, Wire, World, converge};

/// On which store, over a memory network with these faults.
macro_rules! in_weather {
    ($($test:ident: $faults:expr;)*) => { $(
        mod $test {
            #[tokio::test]
            async fn memory() { super::$test(super::world(super::Disk::Memory, $faults)).await }
            #[tokio::test]
            async fn redb() { super::$test(super::world(super::Disk::Redb, $faults)).await }
        }
    )* };
}

in_weather! {
    defect_b05_what_exceeds_a_frame_of_256_bytes_gets_through: super::frames_of(256);
    defect_b05_what_exceeds_a_frame_of_1_kib_gets_through: super::frames_of(1024);
    loss_copies_and_disorder_lose_nothing: super::storm();
    small_frames_in_a_storm_lose_nothing: super::Faults { max_frame: 512, ..super::storm() };
}

fn world(disk: Disk, faults: Faults) -> World {
    let world = World::new(Wire::Memory, disk);
    world.network.faults(faults);
    world
}

fn frames_of(max_frame: usize) -> Faults {
    Faults { max_frame, ..Faults::default() }
}

fn storm() -> Faults {
    let delay = Duration::ZERO..Duration::from_millis(5);
    Faults { loss: 200, duplicate: 200, reorder: 200, delay, ..Faults::default() }
}

async fn defect_b05_what_exceeds_a_frame_of_256_bytes_gets_through(world: World) {
    large_and_many(&world, 40_000).await;
}

async fn defect_b05_what_exceeds_a_frame_of_1_kib_gets_through(world: World) {
    large_and_many(&world, 200_000).await;
}

/// A payload of many frames, a history of many more, live entries, and more streams than an offer
/// in one frame could name.
async fn large_and_many(world: &World, size: usize) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let stream = ann.stream().await;
    stream.append(vec![7; size]).await.unwrap();
    stream.append_all((0..400).map(|n| format!("history {n}"))).await.unwrap();
    for n in 0..30 {
        let name = format!("one of many streams with a long name, number {n}");
        ann.stream_of("room", &name).await.append("x").await.unwrap();
    }
    world.link(&ann, &bob).await;
    bob.write(1).await;
    converge(&[&ann, &bob], 402).await;
    stream.append(vec![8; size / 2]).await.unwrap();
    converge(&[&ann, &bob], 403).await;
    let room = bob.node.channel("room").await.unwrap();
    crate::wait::eventually("all streams", async || {
        let streams = room.streams().await.unwrap();
        streams.len() == 31 && streams.iter().all(|stream| stream.height > 0)
    })
    .await;
}

async fn loss_copies_and_disorder_lose_nothing(world: World) {
    through_the_storm(&world).await;
}

async fn small_frames_in_a_storm_lose_nothing(world: World) {
    through_the_storm(&world).await;
}

async fn through_the_storm(world: &World) {
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    world.ring(&[&ann, &bob, &cat]).await;
    for device in [&ann, &bob, &cat] {
        device.stream().await;
    }
    tokio::join!(ann.write(20), bob.write(20), cat.write(20));
    ann.stream().await.append(vec![1; 20_000]).await.unwrap();
    converge(&[&ann, &bob, &cat], 61).await;
    let stats = world.network.stats();
    assert!(stats.dropped_by_fault.frames > 0 && stats.duplicated.frames > 0, "no storm: {stats:?}");
}

#[tokio::test]
async fn a_network_in_one_direction_only_is_survived() {
    let world = World::new(Wire::Memory, Disk::Memory);
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
    world.network.partition_one_way(&["ann"], &["bob"]);
    bob.write(5).await;
    ann.write(5).await;
    // What bob says arrives, what ann says does not.
    crate::world::holds(&ann.stream().await, 11).await;
    assert_eq!(bob.records().await.len(), 6);
    world.network.heal();
    converge(&[&ann, &bob], 11).await;
}
