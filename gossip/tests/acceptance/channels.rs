//! Channels and streams: made, removed, made again, each on its own.

use gossip::{CommandError, Error, Event};

use crate::wait::{events_until, eventually};
use crate::world::{World, converge, holds, in_sync, merged, records, texts};

on_every_pair! {
    behaviour_11_channels_and_streams_do_not_touch_each_other,
    behaviour_12_a_removed_channel_is_gone_and_told_once,
    behaviour_26_a_channel_goes_only_to_who_takes_part,
    defect_b02_leaving_and_rejoining_uses_no_sequence_again,
    defect_b02_a_lost_store_uses_no_sequence_again,
    defect_b14_channels_made_or_removed_while_paused_count_after_resume,
    defect_b23_streams_made_elsewhere_appear_empty_ones_included,
}

on_every_disk! {
    defect_b10_what_does_not_exist_is_a_typed_error,
    defect_b11_creating_again_wipes_nothing,
}

async fn behaviour_11_channels_and_streams_do_not_touch_each_other(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    for (channel, stream) in [("one", "a"), ("one", "b"), ("two", "a")] {
        let name = format!("{channel} {stream}");
        let id = ann.stream_of(channel, stream).await.append(name).await.unwrap();
        assert_eq!(id.sequence, 1, "each stream counts for itself");
    }
    for (channel, stream) in [("one", "a"), ("one", "b"), ("two", "a")] {
        let theirs = bob.stream_of(channel, stream).await;
        holds(&theirs, 1).await;
        assert_eq!(texts(&theirs).await, [format!("{channel} {stream}")]);
    }
    let room = bob.node.channel("one").await.unwrap();
    assert!(room.remove_stream("a").await.unwrap());
    ann.stream_of("one", "a").await.append("not for bob").await.unwrap();
    ann.stream_of("one", "b").await.append("fence").await.unwrap();
    holds(&bob.stream_of("one", "b").await, 2).await;
    assert!(room.open_stream("a").await.unwrap().is_none(), "a removed stream does not come back");
    assert_eq!(texts(&bob.stream_of("two", "a").await).await, ["two a"]);
    assert_eq!(texts(&ann.stream_of("one", "a").await).await.len(), 2, "peers keep theirs");
    // Made again, it is wanted again.
    holds(&room.stream("a").await.unwrap(), 2).await;
}

async fn behaviour_12_a_removed_channel_is_gone_and_told_once(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(3).await;
    converge(&[&ann, &bob], 3).await;
    let old = bob.stream().await;
    let mut events = bob.events();
    assert!(bob.node.remove_channel("room").await.unwrap());
    assert!(!bob.node.remove_channel("room").await.unwrap());
    assert!(!bob.node.remove_channel("never there").await.unwrap());
    assert_eq!(bob.node.resource_usage().await.unwrap().entries, 0);
    ann.write(1).await;
    bob.stream_of("fence", "log").await;
    ann.stream_of("fence", "log").await.append("fence").await.unwrap();
    holds(&bob.stream_of("fence", "log").await, 1).await;
    assert_eq!(bob.node.resource_usage().await.unwrap().entries, 1, "sync went on");
    let gone = old.append("nowhere").await;
    assert!(matches!(gone, Err(Error::Command(CommandError::UnknownChannel(_)))), "{gone:?}");
    let told = events_until(&mut events, |event| matches!(event, Event::EntriesMerged { .. })).await;
    let removed = told.iter().filter(|event| matches!(event, Event::ChannelRemoved(_)));
    assert_eq!(removed.count(), 1);
    assert_eq!(ann.records().await.len(), 4, "peers keep theirs");
}

async fn behaviour_26_a_channel_goes_only_to_who_takes_part(world: World) {
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    world.mesh(&[&ann, &bob, &cat]).await;
    cat.stream_of("other", "log").await;
    bob.stream().await;
    ann.write(5).await;
    converge(&[&ann, &bob], 5).await;
    ann.stream_of("other", "log").await.append("fence").await.unwrap();
    holds(&cat.stream_of("other", "log").await, 1).await;
    assert_eq!(cat.node.channels().await.unwrap().len(), 1, "cat knows only its own channel");
    assert_eq!(cat.node.resource_usage().await.unwrap().entries, 1);
    // The list of members of an open channel is a note, not a lock.
    let room = ann.node.channel("room").await.unwrap();
    let member = bob.node.id().clone();
    assert!(room.add_member(member.clone()).await.unwrap());
    assert_eq!(ann.node.channels_for_peer(member.clone()).await.unwrap(), [room.id().clone()]);
    assert!(room.remove_member(member.clone()).await.unwrap());
    assert!(!room.remove_member(member).await.unwrap());
    let myself = room.remove_member(ann.node.id().clone()).await;
    assert!(matches!(myself, Err(Error::Command(CommandError::LocalNode))), "{myself:?}");
    ann.write(1).await;
    converge(&[&ann, &bob], 6).await;
}

async fn defect_b02_leaving_and_rejoining_uses_no_sequence_again(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let before = ann.stream().await.append("before").await.unwrap();
    converge(&[&ann, &bob], 1).await;
    in_sync(&ann, &bob).await;
    world.cut(&ann, &bob).await;
    ann.node.remove_channel("room").await.unwrap();
    let after = ann.stream().await.append("after").await.unwrap();
    assert_ne!(before, after, "one id for two entries");
    world.mend(&ann, &bob).await;
    let records = converge(&[&ann, &bob], 2).await;
    let payloads: Vec<_> = records.iter().map(|record| &record.2[..]).collect();
    assert_eq!(payloads, [&b"before"[..], b"after"], "what was written before came back");
    // Once more while linked.
    ann.node.remove_channel("room").await.unwrap();
    ann.stream().await.append("and again").await.unwrap();
    converge(&[&ann, &bob], 3).await;
}

async fn defect_b02_a_lost_store_uses_no_sequence_again(world: World) {
    let world = world.only_linked();
    let bob = world.device("bob").await;
    let ann = world.device_with("ann", |builder| builder.node_id("ann")).await;
    world.link(&ann, &bob).await;
    ann.write(3).await;
    converge(&[&ann, &bob], 3).await;
    ann.node.shutdown().await.unwrap();
    drop(ann);
    let wiped = world.shelf("wiped");
    let ann = world.device_on("ann", wiped, |builder| builder.node_id("ann")).await;
    ann.write(2).await;
    world.link(&ann, &bob).await;
    let records = converge(&[&ann, &bob], 5).await;
    let ids: std::collections::BTreeSet<_> = records.iter().map(|record| record.0).collect();
    assert_eq!(ids.len(), 5);
}

async fn defect_b14_channels_made_or_removed_while_paused_count_after_resume(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    for name in ["made", "removed"] {
        ann.stream_of(name, "log").await.append(name).await.unwrap();
    }
    holds(&bob.stream_of("removed", "log").await, 1).await;
    bob.node.pause().await.unwrap();
    bob.node.remove_channel("removed").await.unwrap();
    let made = bob.stream_of("made", "log").await;
    bob.node.resume().await.unwrap();
    holds(&made, 1).await;
    ann.stream_of("removed", "log").await.append("more").await.unwrap();
    ann.stream_of("made", "log").await.append("fence").await.unwrap();
    holds(&made, 2).await;
    assert_eq!(bob.node.channels().await.unwrap().len(), 1);
    assert_eq!(bob.node.resource_usage().await.unwrap().entries, 2, "a removed channel was filled again");
}

async fn defect_b23_streams_made_elsewhere_appear_empty_ones_included(world: World) {
    let world = world.only_linked();
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    world.chain(&[&ann, &bob, &cat]).await;
    for device in [&ann, &bob, &cat] {
        device.node.channel("room").await.unwrap();
    }
    let mut events = cat.events();
    ann.stream_of("room", "empty").await;
    ann.stream_of("room", "written").await.append("hello").await.unwrap();
    let room = cat.node.channel("room").await.unwrap();
    eventually("both streams are there", async || room.streams().await.unwrap().len() == 2).await;
    let written = room.open_stream("written").await.unwrap().unwrap();
    holds(&written, 1).await;
    assert_eq!(texts(&written).await, ["hello"]);
    assert!(records(&room.open_stream("empty").await.unwrap().unwrap()).await.is_empty());
    assert_eq!(cat.node.resource_usage().await.unwrap().streams, 2);
    merged(&mut events).await;
    let again = cat.stream_of("room", "empty").await;
    again.append("by cat").await.unwrap();
    holds(&ann.stream_of("room", "empty").await, 1).await;
}

async fn defect_b10_what_does_not_exist_is_a_typed_error(world: World) {
    let ann = world.device("ann").await;
    let room = ann.node.channel("room").await.unwrap();
    let stream = room.stream("log").await.unwrap();
    assert!(ann.node.open_channel("none").await.unwrap().is_none());
    assert!(room.open_stream("none").await.unwrap().is_none());
    room.remove_stream("log").await.unwrap();
    let unknown = |what: &str, error: Error| match error {
        Error::Command(CommandError::UnknownStream(..) | CommandError::UnknownChannel(_)) => {}
        other => panic!("{what}: {other:?}"),
    };
    unknown("append", stream.append("nowhere").await.unwrap_err());
    unknown("version", stream.version().await.unwrap_err());
    unknown("retention", stream.retention().await.unwrap_err());
    unknown("compact", stream.compact().await.unwrap_err());
    unknown("subscribe", stream.subscribe(gossip::From::Start).await.unwrap_err());
    unknown("view", stream.view(gossip::PnCounter).await.unwrap_err());
    ann.node.remove_channel("room").await.unwrap();
    unknown("stream", room.stream("log").await.unwrap_err());
    unknown("streams", room.streams().await.unwrap_err());
    unknown("members", room.members().await.unwrap_err());
    unknown("add a member", room.add_member("bob").await.unwrap_err());
    unknown("append", stream.append("nowhere").await.unwrap_err());
    assert_eq!(ann.node.resource_usage().await.unwrap().entries, 0);
}

async fn defect_b11_creating_again_wipes_nothing(world: World) {
    let ann = world.device("ann").await;
    ann.write(2).await;
    let room = ann.node.channel("room").await.unwrap();
    room.add_member("bob").await.unwrap();
    let view = ann.stream().await.view(gossip::PnCounter).await.unwrap();
    let mut events = ann.events();
    let options = gossip::ChannelOptions { payload_limit: Some(1) };
    let again = ann.node.create_channel("room", options).await.unwrap();
    let stream = again.stream_with("log", gossip::Retention::CountBased(1)).await.unwrap();
    stream.append("over the limit that was not taken").await.unwrap();
    stream.append(gossip::PnCounter::add(1)).await.unwrap();
    assert_eq!(*view.wait_for(|n| *n == 1).await.unwrap(), 1, "views go on");
    assert_eq!(stream.compact().await.unwrap().entries, 0);
    assert_eq!(records(&stream).await.len(), 4);
    assert_eq!(again.members().await.unwrap().len(), 2);
    let told = events_until(&mut events, |event| matches!(event, Event::EntriesAppended { .. })).await;
    assert_eq!(told.len(), 1, "nothing was created: {told:?}");
}
