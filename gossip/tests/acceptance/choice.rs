//! What is exchanged is chosen: by peer, by what a link costs, by channel and stream; also while running.

use gossip::{StreamId, Streams, SyncChoice, SyncRule};

use crate::world::{Device, World, holds, texts};

on_every_wire! {
    a_phone_takes_two_streams_over_an_expensive_link_and_all_over_a_cheap_one,
    what_is_chosen_while_running_counts_at_once_and_what_comes_back_is_compared,
    a_channel_left_out_for_one_peer_reaches_it_through_another,
    streams_left_out_stay_where_they_are,
}

const STREAMS: [&str; 3] = ["messages", "calls", "photos"];

fn named(streams: &[&str]) -> std::collections::BTreeSet<StreamId> {
    streams.iter().map(|name| StreamId::new(name).unwrap()).collect()
}

fn choice(rules: impl Into<Vec<SyncRule>>) -> SyncChoice {
    SyncChoice { rules: rules.into() }
}

/// For links that cost at least so much.
fn from_cost(least: u8, streams: Streams) -> SyncRule {
    SyncRule { min_cost: Some(least), streams, ..SyncRule::default() }
}

async fn write(device: &Device, stream: &str, text: &str) {
    device.stream_of("family", stream).await.append(text.to_owned()).await.unwrap();
}

/// Waits until the digests of both agree about everything that is exchanged.
async fn agree(device: &Device) {
    device.node.channel("family").await.unwrap().wait_synced().await.unwrap();
}

async fn streams(device: &Device) -> Vec<String> {
    let streams = device.node.channel("family").await.unwrap().streams().await.unwrap();
    streams.iter().map(|stream| stream.id.to_string()).collect()
}

async fn a_phone_takes_two_streams_over_an_expensive_link_and_all_over_a_cheap_one(world: World) {
    let urgent = || Streams::Only(named(&["messages", "calls"]));
    for (least, expected) in [(1, 2), (11, 3)] {
        let names = [format!("home{least}"), format!("phone{least}")];
        let home = world.device(&names[0]).await;
        let rules = [from_cost(least, urgent())];
        let phone = world.device_with(&names[1], |builder| builder.sync(choice(rules))).await;
        phone.node.channel("family").await.unwrap();
        for stream in STREAMS {
            write(&home, stream, "old").await;
        }
        world.link(&phone, &home).await;
        agree(&phone).await;
        for stream in STREAMS {
            write(&home, stream, "new").await;
        }
        holds(&phone.stream_of("family", "calls").await, 2).await;
        agree(&phone).await;
        // Links over memory cost 1, over TCP 10.
        assert_eq!(streams(&phone).await.len(), expected, "{:?}", streams(&phone).await);
        assert_eq!(texts(&phone.stream_of("family", "messages").await).await, ["old", "new"]);
        let status = &phone.node.sync_status().await.unwrap()[0];
        assert!(status.in_sync && status.to_get.entries == 0);
    }
}

async fn what_is_chosen_while_running_counts_at_once_and_what_comes_back_is_compared(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    for device in [&ann, &bob] {
        for stream in STREAMS {
            write(device, stream, &device.name).await;
        }
    }
    world.link(&ann, &bob).await;
    agree(&ann).await;
    bob.node.set_sync(choice([from_cost(0, Streams::Except(named(&["photos"])))])).await.unwrap();
    for device in [&ann, &bob] {
        write(device, "photos", "left out").await;
        write(device, "calls", "told").await;
    }
    for device in [&ann, &bob] {
        holds(&device.stream_of("family", "calls").await, 4).await;
        agree(device).await;
        assert_eq!(texts(&device.stream_of("family", "photos").await).await.len(), 3, "{}", device.name);
    }
    bob.node.set_sync(SyncChoice::default()).await.unwrap();
    for device in [&ann, &bob] {
        holds(&device.stream_of("family", "photos").await, 4).await;
        agree(device).await;
    }
}

async fn a_channel_left_out_for_one_peer_reaches_it_through_another(world: World) {
    let world = world.only_linked();
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    let rule = SyncRule {
        peer: Some(bob.node.id().clone()),
        channel: Some("family".parse().unwrap()),
        streams: Streams::None,
        ..SyncRule::default()
    };
    ann.node.set_sync(choice([rule])).await.unwrap();
    for device in [&ann, &bob, &cat] {
        device.stream_of("family", "calls").await;
        device.stream_of("work", "calls").await;
    }
    world.link(&ann, &bob).await;
    write(&ann, "calls", "for cat").await;
    ann.stream_of("work", "calls").await.append("for both").await.unwrap();
    holds(&bob.stream_of("work", "calls").await, 1).await;
    assert!(texts(&bob.stream_of("family", "calls").await).await.is_empty());
    let channels = ann.node.sync_status().await.unwrap().into_iter().map(|status| status.channel.to_string());
    assert_eq!(channels.collect::<Vec<_>>(), ["work"]);
    world.link(&ann, &cat).await;
    world.link(&cat, &bob).await;
    holds(&bob.stream_of("family", "calls").await, 1).await;
}

async fn streams_left_out_stay_where_they_are(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    write(&ann, "calls", "1").await;
    write(&ann, "photos", "1").await;
    world.link(&ann, &bob).await;
    bob.node.channel("family").await.unwrap();
    agree(&bob).await;
    holds(&bob.stream_of("family", "photos").await, 1).await;
    ann.node.set_sync(choice([from_cost(0, Streams::Only(named(&["calls"])))])).await.unwrap();
    write(&ann, "photos", "2").await;
    write(&ann, "calls", "2").await;
    holds(&bob.stream_of("family", "calls").await, 2).await;
    agree(&bob).await;
    assert_eq!(texts(&bob.stream_of("family", "photos").await).await, ["1"]);
    // Too much to choose from changes nothing.
    let many = vec![SyncRule::default(); SyncChoice::MAX_RULES + 1];
    assert!(ann.node.set_sync(choice(many)).await.is_err());
    write(&ann, "photos", "3").await;
    write(&ann, "calls", "3").await;
    holds(&bob.stream_of("family", "calls").await, 3).await;
    agree(&bob).await;
    assert_eq!(texts(&bob.stream_of("family", "photos").await).await, ["1"]);
}
