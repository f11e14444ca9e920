//! Logs: sequences, bytes, order, heights.

use std::collections::{BTreeMap, BTreeSet};

use gossip::{CommandError, Error, Event};

use crate::wait::{event, eventually};
use crate::world::{World, converge, in_sync, merged, records};

on_every_disk! {
    behaviour_07_sequences_have_no_hole_in_any_stream,
    defect_b01_concurrent_appends_lose_nothing,
    defect_b30_what_callers_hold_is_not_what_is_stored,
}

on_every_pair! {
    behaviour_08_an_entry_received_many_times_is_stored_once,
    behaviour_09_order_stamps_and_bytes_are_the_same_everywhere,
    behaviour_10_what_is_missing_is_what_is_merged,
    behaviour_29_a_merge_tells_stream_entries_and_version_once,
}

async fn behaviour_07_sequences_have_no_hole_in_any_stream(world: World) {
    let ann = world.device("ann").await;
    for (channel, stream, count) in [("a", "x", 3), ("a", "y", 40), ("b", "x", 5)] {
        let stream = ann.stream_of(channel, stream).await;
        let mut ids = vec![stream.append("first").await.unwrap()];
        ids.extend(stream.append_all(vec!["more"; count - 1]).await.unwrap());
        let sequences: Vec<_> = ids.iter().map(|id| id.sequence).collect();
        assert_eq!(sequences, (1..=count as u64).collect::<Vec<_>>());
        assert_eq!(records(&stream).await.iter().map(|record| record.0).collect::<Vec<_>>(), ids);
    }
}

async fn defect_b01_concurrent_appends_lose_nothing(world: World) {
    let ann = world.device("ann").await;
    let stream = ann.stream().await;
    let appends = (0..300).map(|n| {
        let stream = stream.clone();
        tokio::spawn(async move { (stream.append(n.to_string()).await.unwrap(), n.to_string()) })
    });
    let mut acknowledged = BTreeMap::new();
    for append in appends.collect::<Vec<_>>() {
        let (id, text) = append.await.unwrap();
        assert_eq!(acknowledged.insert(id.sequence, text), None, "a sequence was used twice");
    }
    assert!(acknowledged.keys().copied().eq(1..=300), "a hole");
    let stored = records(&stream).await.into_iter();
    let stored: BTreeMap<_, _> =
        stored.map(|(id, _, bytes)| (id.sequence, String::from_utf8(bytes).unwrap())).collect();
    assert_eq!(stored, acknowledged);
}

async fn defect_b30_what_callers_hold_is_not_what_is_stored(world: World) {
    let ann = world.device("ann").await;
    let stream = ann.stream().await;
    let mut mine = b"as written".to_vec();
    let id = stream.append(mine.clone()).await.unwrap();
    mine.fill(0);
    let mut version = stream.version().await.unwrap();
    version.raise(id.log, 99);
    let mut read = stream.read_all().await.unwrap().collect().await.unwrap();
    read.clear();
    let entry = stream.get(id).await.unwrap().unwrap();
    assert_eq!(entry.payload(), b"as written");
    assert_eq!(stream.version().await.unwrap().height(&id.log), 1, "a version is a value of its own");
}

async fn behaviour_08_an_entry_received_many_times_is_stored_once(world: World) {
    world.network.faults(gossip::memory_network::Faults { duplicate: 500, ..Default::default() });
    let devices = world.devices(["ann", "bob", "cat", "dan"]).await;
    let [a, b, c, d] = devices.each_ref();
    let mut events = d.events();
    world.mesh(&[a, b, c, d]).await;
    tokio::join!(a.write(10), b.write(10), c.write(10));
    converge(&[a, b, c, d], 30).await;
    d.stream_of("fence", "fence").await;
    let mut told = BTreeSet::new();
    loop {
        match events.next_event().await.unwrap() {
            Event::EntriesMerged { entries, .. } => {
                for (log, range) in entries {
                    for sequence in range.first..=range.last {
                        assert!(told.insert((log, sequence)), "{log} {sequence} was merged twice");
                    }
                }
            }
            Event::ChannelCreated(channel) if channel.as_str() == "fence" => break,
            _ => {}
        }
    }
    assert_eq!(told.len(), 30);
    for device in &devices {
        assert_eq!(device.stream().await.usage().await.unwrap().entries, 30);
    }
}

async fn behaviour_09_order_stamps_and_bytes_are_the_same_everywhere(world: World) {
    let world = world.only_linked();
    let [ann, bob, cat] = world.devices(["ann", "bob", "cat"]).await;
    world.chain(&[&ann, &bob, &cat]).await;
    let sizes = [0, 1 << 10, 30 << 10, 32_000, 1 << 20];
    let bytes = |fill: u8, size: usize| (0..size).map(|at| fill ^ (at % 251) as u8).collect::<Vec<_>>();
    for size in sizes {
        tokio::join!(async { ann.stream().await.append(bytes(1, size)).await.unwrap() }, async {
            cat.stream().await.append(bytes(2, size)).await.unwrap()
        },);
    }
    let records = converge(&[&ann, &bob, &cat], 2 * sizes.len()).await;
    for size in sizes {
        for fill in [1, 2] {
            let wanted = bytes(fill, size);
            let found = records.iter().filter(|record| record.2 == wanted).count();
            assert_eq!(found, if size == 0 { 2 } else { 1 }, "{size} bytes of {fill}");
        }
    }
}

#[tokio::test]
async fn a_payload_over_the_limit_is_a_typed_error_and_leaves_nothing() {
    let world = World::new(crate::world::Wire::Memory, crate::world::Disk::Memory);
    let ann = world.device("ann").await;
    let stream = ann.stream().await;
    let refused = |result: Result<_, Error>, wanted: u64| match result {
        Err(Error::Command(CommandError::PayloadTooLarge { len, limit })) => {
            assert_eq!((len, limit), (wanted + 1, wanted));
        }
        other => panic!("{other:?}"),
    };
    refused(stream.append(vec![0; (1 << 20) + 1]).await.map(|_| ()), 1 << 20);
    let options = gossip::ChannelOptions { payload_limit: Some(11) };
    let small = ann.node.create_channel("small", options).await.unwrap().stream("log").await.unwrap();
    refused(small.append_all(["fits", "one too many"]).await.map(|_| ()), 11);
    small.append("just enough").await.unwrap();
    assert_eq!(records(&small).await.len(), 1, "all or nothing");
    assert!(records(&stream).await.is_empty());
    let empty = stream.append_all(Vec::<&str>::new()).await;
    assert!(matches!(empty, Err(Error::Command(CommandError::BatchSize { .. }))), "{empty:?}");
}

async fn behaviour_10_what_is_missing_is_what_is_merged(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    tokio::join!(ann.write(3), bob.write(3));
    converge(&[&ann, &bob], 6).await;
    in_sync(&ann, &bob).await;
    world.cut(&ann, &bob).await;
    ann.write(4).await;
    let (ours, theirs) =
        (ann.stream().await.version().await.unwrap(), bob.stream().await.version().await.unwrap());
    assert!(ours.dominates(&theirs) && !theirs.dominates(&ours));
    let missing: Vec<_> = theirs.missing(&ours).collect();
    assert_eq!(missing.len(), 1);
    assert_eq!((missing[0].1.first, missing[0].1.last), (4, 7));
    let mut events = bob.events();
    world.mend(&ann, &bob).await;
    converge(&[&ann, &bob], 10).await;
    let Event::EntriesMerged { entries, .. } = merged(&mut events).await else { unreachable!() };
    assert_eq!(entries, missing);
    eventually("equal versions", async || {
        bob.stream().await.version().await.unwrap() == ours && ours.dominates(&theirs)
    })
    .await;
}

async fn behaviour_29_a_merge_tells_stream_entries_and_version_once(world: World) {
    let world = world.only_linked();
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let theirs = bob.stream().await;
    let mut events = bob.events();
    let id = ann.stream().await.append("one").await.unwrap();
    let Event::EntriesMerged { channel, stream, from, entries, version } = merged(&mut events).await else {
        unreachable!()
    };
    assert_eq!((channel.as_str(), stream.as_str(), &from), ("room", "log", ann.node.id()));
    assert_eq!(entries, [(id.log, gossip::SeqRange { first: 1, last: 1 })]);
    assert_eq!(version.height(&id.log), 1);
    assert_eq!(records(&theirs).await.len(), 1, "told when it can be read");
    // Comparing again brings nothing, and nothing is told.
    in_sync(&ann, &bob).await;
    world.cut(&ann, &bob).await;
    world.mend(&ann, &bob).await;
    in_sync(&ann, &bob).await;
    bob.stream_of("fence", "fence").await;
    let fence = |event: &Event| match event {
        Event::EntriesMerged { .. } => Some(true),
        Event::ChannelCreated(_) => Some(false),
        _ => None,
    };
    assert!(!event(&mut events, "the fence", fence).await, "a merge of nothing was told");
}
