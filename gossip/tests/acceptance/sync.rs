//! Entries flow: between two, through relays, from many writers, to late joiners.

use crate::world::{World, converge, holds, records};

on_every_pair! {
    behaviour_15_two_nodes_converge_one_way_and_both_ways,
    behaviour_16_chain_star_and_ring_converge_through_relays,
    behaviour_17_four_writers_at_once_converge,
    behaviour_17_eight_writers_at_once_converge,
    behaviour_17_a_hundred_entries_a_burst_and_ten_channels_arrive,
    behaviour_18_a_late_joiner_gets_all_history,
    behaviour_18_a_stream_created_later_gets_earlier_entries,
}

async fn behaviour_15_two_nodes_converge_one_way_and_both_ways(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(5).await;
    let records = converge(&[&bob, &ann], 5).await;
    let texts: Vec<_> = records.iter().map(|(_, _, bytes)| std::str::from_utf8(bytes).unwrap()).collect();
    assert_eq!(texts, ["ann 0", "ann 1", "ann 2", "ann 3", "ann 4"]);
    tokio::join!(ann.write(7), bob.write(8));
    converge(&[&ann, &bob], 20).await;
}

async fn behaviour_16_chain_star_and_ring_converge_through_relays(world: World) {
    let world = world.only_linked();
    let chain = world.devices(["ann", "bob", "cat"]).await;
    world.chain(&chain.each_ref()).await;
    let star = world.devices(["hub", "dan", "eve", "fay"]).await;
    world.star(&star.each_ref()).await;
    let ring = world.devices(["gus", "ida", "jim", "kay"]).await;
    world.ring(&ring.each_ref()).await;
    for devices in [&chain[..], &star[..], &ring[..]] {
        let all: Vec<_> = devices.iter().collect();
        for device in &all {
            device.write(3).await;
        }
        converge(&all, 3 * all.len()).await;
    }
}

async fn behaviour_17_four_writers_at_once_converge(world: World) {
    let devices = world.devices(["ann", "bob", "cat", "dan"]).await;
    let [a, b, c, d] = devices.each_ref();
    world.mesh(&[a, b, c, d]).await;
    tokio::join!(a.write(5), b.write(5), c.write(5), d.write(5));
    converge(&[a, b, c, d], 20).await;
}

async fn behaviour_17_eight_writers_at_once_converge(world: World) {
    let devices = world.devices(["ann", "bob", "cat", "dan", "eve", "fay", "gus", "ida"]).await;
    let [a, b, c, d, e, f, g, h] = devices.each_ref();
    world.star(&[a, b, c, d, e, f, g, h]).await;
    let first = async { tokio::join!(a.write(5), b.write(5), c.write(5), d.write(5)) };
    tokio::join!(first, e.write(5), f.write(5), g.write(5), h.write(5));
    converge(&[a, b, c, d, e, f, g, h], 40).await;
}

async fn behaviour_17_a_hundred_entries_a_burst_and_ten_channels_arrive(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(100).await;
    let burst = (0..50).map(|n| format!("burst {n}"));
    ann.stream().await.append_all(burst).await.unwrap();
    converge(&[&ann, &bob], 150).await;
    for n in 0..10 {
        let name = format!("channel {n}");
        bob.stream_of(&name, "log").await;
        ann.stream_of(&name, "log").await.append(name.clone()).await.unwrap();
    }
    for n in 0..10 {
        let name = format!("channel {n}");
        let (mine, theirs) = (ann.stream_of(&name, "log").await, bob.stream_of(&name, "log").await);
        holds(&theirs, 1).await;
        assert_eq!(records(&theirs).await, records(&mine).await);
    }
}

async fn behaviour_18_a_late_joiner_gets_all_history(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(20).await;
    bob.write(20).await;
    converge(&[&ann, &bob], 40).await;
    let cat = world.device("cat").await;
    world.link(&cat, &bob).await;
    converge(&[&ann, &bob, &cat], 40).await;
}

async fn behaviour_18_a_stream_created_later_gets_earlier_entries(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let early = ann.stream_of("room", "early").await;
    early.append("before bob knew the channel").await.unwrap();
    // The positive event behind which bob is known to hold nothing of it.
    bob.stream_of("other", "log").await;
    ann.stream_of("other", "log").await.append("fence").await.unwrap();
    holds(&bob.stream_of("other", "log").await, 1).await;
    assert_eq!(bob.node.resource_usage().await.unwrap().entries, 1);
    let late = bob.stream_of("room", "early").await;
    holds(&late, 1).await;
    assert_eq!(records(&late).await, records(&early).await);
}
