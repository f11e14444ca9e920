//! Who is asked for what, how often, and what slow or silent peers do to the others.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::proto::wire::Message;
use gossip::{Config, LogId};

use crate::tap::{Spoil, Tap, carries_runs};
use crate::wait::eventually;
use crate::world::{World, converge, holds, in_sync};

on_every_pair! {
    behaviour_24_only_what_a_peer_has_more_of_is_asked_for,
    behaviour_25_a_log_is_asked_for_once_until_answered_or_given_up,
    defect_b17_a_silent_peer_blocks_nobody,
}

on_every_wire! {
    behaviour_28_a_congested_peer_is_skipped_and_served_later,
    defect_b25_traffic_is_counted_once,
}

/// Beginnings of the ids of the logs that were asked for.
fn asked(tap: &Tap) -> Vec<[u8; 5]> {
    let asks = tap.sent().into_iter().filter_map(|message| match message {
        Message::Ask(ask) => Some(ask.logs.into_iter().map(|(key, _)| key)),
        _ => None,
    });
    asks.flatten().collect()
}

/// Logs of which runs were sent.
fn given(tap: &Tap) -> BTreeSet<LogId> {
    let runs = tap.sent().into_iter().flat_map(|message| match message {
        Message::Push(push) => push.runs,
        Message::Runs(runs) => runs.runs.into_iter().map(|run| run.run).collect(),
        _ => Vec::new(),
    });
    runs.map(|run| run.log()).collect()
}

async fn behaviour_24_only_what_a_peer_has_more_of_is_asked_for(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let streams = [("one", "a"), ("one", "b"), ("two", "a"), ("two", "b")];
    for (channel, stream) in streams {
        let theirs = bob.stream_of(channel, stream).await;
        theirs.append("bob's").await.unwrap();
        let mine = ann.stream_of(channel, stream).await;
        mine.append("ann's").await.unwrap();
        holds(&mine, 2).await;
        holds(&theirs, 2).await;
    }
    in_sync(&ann, &bob).await;
    world.cut(&ann, &bob).await;
    let mut ahead = BTreeSet::new();
    for (channel, stream) in [streams[0], streams[3]] {
        ahead.insert(ann.stream_of(channel, stream).await.append("news").await.unwrap().log);
    }
    ann.tap.clear();
    bob.tap.clear();
    world.mend(&ann, &bob).await;
    for (channel, stream) in [streams[0], streams[3]] {
        holds(&bob.stream_of(channel, stream).await, 3).await;
    }
    in_sync(&ann, &bob).await;
    assert_eq!(given(&ann.tap), ahead, "asked for or not, only what bob lacks is sent");
    assert_eq!(given(&bob.tap), BTreeSet::new(), "ann was ahead or equal everywhere");
    assert_eq!(asked(&ann.tap), [] as [[u8; 5]; 0]);
}

async fn behaviour_25_a_log_is_asked_for_once_until_answered_or_given_up(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    let stream = ann.stream().await;
    stream.append_all(vec!["history"; 300]).await.unwrap();
    bob.stream().await;
    ann.tap.spoil(Spoil::Mute);
    world.link(&ann, &bob).await;
    // Entries too large to be pushed are offered: many offers of the log while the answer is awaited.
    for _ in 0..20 {
        stream.append(vec![7; 70_000]).await.unwrap();
    }
    let offer = |message: &Message| matches!(message, Message::Offer(_));
    eventually("all were offered", async || ann.tap.count(offer) >= 20).await;
    let times = || asked(&bob.tap).len();
    eventually("bob asks again", async || times() >= 2).await;
    assert!(times() < 10, "asked {} times while one was pending", times());
    ann.tap.spoil(Spoil::Nothing);
    holds(&bob.stream().await, 320).await;
    in_sync(&ann, &bob).await;
}

async fn defect_b17_a_silent_peer_blocks_nobody(world: World) {
    let world = world.only_linked();
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    let [stream, _] = [ann.stream().await, bob.stream().await];
    stream.append_all(vec!["history"; 50]).await.unwrap();
    world.link(&ann, &bob).await;
    converge(&[&ann, &bob], 50).await;
    // Ann gives nothing of what she has; cat turns to her first, and then to bob.
    ann.tap.spoil(Spoil::Mute);
    cat.stream().await;
    world.link(&cat, &ann).await;
    eventually("ann would give", async || ann.tap.count(carries_runs) > 0).await;
    world.link(&cat, &bob).await;
    holds(&cat.stream().await, 50).await;
    bob.write(1).await;
    holds(&cat.stream().await, 51).await;
}

async fn behaviour_28_a_congested_peer_is_skipped_and_served_later(world: World) {
    let world = world.only_linked();
    let config = Config { outbox_frames: 8, outbox_bytes: 128 << 10, ..world.config() };
    let hub = world.device_with("hub", |builder| builder.config(config)).await;
    let [fast, slow] = world.devices(["fast", "slow"]).await;
    world.star(&[&hub, &fast, &slow]).await;
    for device in [&hub, &fast, &slow] {
        device.stream().await;
    }
    let stream = hub.stream().await;
    stream.append("all are there").await.unwrap();
    converge(&[&hub, &fast, &slow], 1).await;
    // Its link takes nothing any more, so what it should hear piles up at the hub.
    hub.tap.block(Some(slow.node.id().clone()));
    for _ in 0..60 {
        stream.append(vec![7; 30_000]).await.unwrap();
    }
    holds(&fast.stream().await, 61).await;
    fast.write(1).await;
    holds(&stream, 62).await;
    let usage = hub.node.resource_usage().await.unwrap();
    assert!(usage.outbox_bytes <= 2 * (128 << 10) + (64 << 10), "{usage:?}");
    assert_eq!(slow.records().await.len(), 1, "the link was not blocked");
    hub.tap.block(None);
    converge(&[&hub, &fast, &slow], 62).await;
}

async fn defect_b25_traffic_is_counted_once(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(50).await;
    converge(&[&ann, &bob], 50).await;
    in_sync(&ann, &bob).await;
    eventually("both count the same", async || {
        let (a, b) = (ann.node.health().await.unwrap(), bob.node.health().await.unwrap());
        let there = (a.traffic.frames_sent, a.traffic.bytes_sent);
        let back = (b.traffic.frames_sent, b.traffic.bytes_sent);
        there == (b.traffic.frames_received, b.traffic.bytes_received)
            && back == (a.traffic.frames_received, a.traffic.bytes_received)
    })
    .await;
    let health = ann.node.health().await.unwrap();
    let link = &ann.peer(&bob).await.unwrap().links[0];
    assert_eq!(link.traffic, health.traffic, "one link: all traffic went over it");
    assert!(link.rtt.is_some_and(|rtt| rtt < Duration::from_secs(5)));
    assert_eq!((health.peers, health.reachable, health.channels, health.logs), (1, 1, 1, 1));
    assert_eq!((health.dropped, health.store_failures), (0, 0));
    let usage = ann.node.resource_usage().await.unwrap();
    assert_eq!((usage.peers, usage.channels, usage.streams, usage.entries), (1, 1, 1, 50));
}
