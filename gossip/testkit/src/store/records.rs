//! Laws of channel, stream, peer and snapshot records.

use std::time::Duration;

use bytes::Bytes;
use gossip_proto::{
    ChannelId, ChannelRecord, Epoch, Erasure, LogId, NodeId, PeerRecord, Retention, SeqRange, StreamId,
    StreamRecord,
};

use super::StoreHarness;

fn channel(id: &str) -> ChannelRecord {
    let members = ["ann", "bob"].map(|id| NodeId::new(id).unwrap()).into();
    ChannelRecord { id: ChannelId::new(id).unwrap(), members, payload_limit: 1 << 20 }
}

fn stream(id: &str) -> StreamRecord {
    StreamRecord::new(StreamId::new(id).unwrap())
}

fn peer(id: &str) -> PeerRecord {
    let addresses = vec!["tcp://127.0.0.1:7400".to_owned(), "tcp://[::1]:7400".to_owned()];
    PeerRecord { id: NodeId::new(id).unwrap(), display_name: format!("{id}'s phone"), addresses }
}

fn erasure(first: u64, last: u64, by: &str) -> Erasure {
    Erasure { log: LogId([first as u8; 16]), range: SeqRange { first, last }, by: NodeId::new(by).unwrap() }
}

/// Channels are written, changed, listed in order and removed with their streams.
pub async fn channels_come_and_go<H: StoreHarness>(place: H) {
    let store = place.open().await;
    for id in ["b", "ab", "a"] {
        store.save_channel(&channel(id)).await.unwrap();
    }
    let changed = ChannelRecord { payload_limit: 7, members: [].into(), ..channel("ab") };
    store.save_channel(&changed).await.unwrap();
    let page = store.channels(None, 10).await.unwrap();
    assert_eq!((page.items, page.next), (vec![channel("a"), changed.clone(), channel("b")], None));
    for owner in [&channel("a").id, &changed.id] {
        store.save_stream(owner, &stream("s")).await.unwrap();
    }
    store.delete_channel(&channel("a").id).await.unwrap();
    store.delete_channel(&channel("unknown").id).await.unwrap();
    assert_eq!(store.channels(None, 10).await.unwrap().items, [changed.clone(), channel("b")]);
    assert!(store.streams(&channel("a").id, None, 10).await.unwrap().items.is_empty());
    assert_eq!(store.streams(&changed.id, None, 10).await.unwrap().items, [stream("s")]);
}

/// Streams belong to their channel, keep every setting, and similar names stay apart.
pub async fn streams_belong_to_their_channel<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let full = StreamRecord {
        retention: Retention::Composite(vec![
            Retention::CountBased(9),
            Retention::TimeBased(Duration::from_millis(86_400_001)),
            Retention::KeepAll,
        ]),
        refused: true,
        writer: Some(Epoch::new(3, 99)),
        erased: vec![erasure(1, 4, "ann"), erasure(9, u64::MAX >> 1, "bob")],
        ..stream("c")
    };
    store.save_stream(&channel("ab").id, &full).await.unwrap();
    store.save_stream(&channel("a").id, &stream("bc")).await.unwrap();
    store.save_stream(&channel("a").id, &stream("b")).await.unwrap();
    assert_eq!(store.streams(&channel("ab").id, None, 10).await.unwrap().items, [full]);
    let of_a = store.streams(&channel("a").id, None, 10).await.unwrap();
    assert_eq!((of_a.items, of_a.next), (vec![stream("b"), stream("bc")], None));
    assert!(store.streams(&channel("abc").id, None, 10).await.unwrap().items.is_empty());
}

/// Peers are written, changed, listed in order and removed.
pub async fn peers_come_and_go<H: StoreHarness>(place: H) {
    let store = place.open().await;
    for id in ["zoe", "ann", "mia"] {
        store.save_peer(&peer(id)).await.unwrap();
    }
    let moved = PeerRecord { addresses: vec![], ..peer("mia") };
    store.save_peer(&moved).await.unwrap();
    store.delete_peer(&peer("ann").id).await.unwrap();
    store.delete_peer(&peer("nobody").id).await.unwrap();
    let page = store.peers(None, 10).await.unwrap();
    assert_eq!((page.items, page.next), (vec![moved, peer("zoe")], None));
}

/// Snapshots are written, replaced, read and removed; an empty value is not an absent one.
pub async fn snapshots_come_and_go<H: StoreHarness>(place: H) {
    let store = place.open().await;
    assert_eq!(store.load_snapshot("view").await.unwrap(), None);
    store.save_snapshot("view", Bytes::from(vec![1; 100_000])).await.unwrap();
    store.save_snapshot("view", Bytes::from_static(b"two")).await.unwrap();
    store.save_snapshot("vie", Bytes::new()).await.unwrap();
    assert_eq!(store.load_snapshot("view").await.unwrap(), Some(Bytes::from_static(b"two")));
    assert_eq!(store.load_snapshot("vie").await.unwrap(), Some(Bytes::new()));
    store.delete_snapshot("view").await.unwrap();
    store.delete_snapshot("view").await.unwrap();
    assert_eq!(store.load_snapshot("view").await.unwrap(), None);
}

/// Any text is a key; keys that look alike or begin alike stay apart, also after reopening.
pub async fn snapshot_keys_are_any_text<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let long = "x".repeat(2000);
    let longer = format!("{long}y");
    let keys = [
        "",
        " ",
        "\0",
        "\0\0",
        "a",
        "a\0",
        "a/b",
        "a/",
        "/",
        "..",
        "ä",
        "a\u{308}",
        "A",
        "\n",
        "\u{10ffff}",
        "%61",
        &long,
        &longer,
    ];
    for (key, value) in keys.iter().zip(0_u8..) {
        store.save_snapshot(key, Bytes::from(vec![value; value as usize])).await.unwrap();
    }
    drop(store);
    let store = place.open().await;
    for (key, value) in keys.iter().zip(0_u8..) {
        let expected = Bytes::from(vec![value; value as usize]);
        assert_eq!(store.load_snapshot(key).await.unwrap(), Some(expected), "{key:?}");
        store.delete_snapshot(key).await.unwrap();
        assert_eq!(store.load_snapshot(key).await.unwrap(), None, "{key:?}");
    }
}

/// Saving the same again, and deleting what is gone, is accepted and changes nothing.
pub async fn writes_are_idempotent<H: StoreHarness>(place: H) {
    let store = place.open().await;
    for _ in 0..2 {
        store.save_channel(&channel("c")).await.unwrap();
        store.save_channel(&channel("d")).await.unwrap();
        store.save_stream(&channel("c").id, &stream("s")).await.unwrap();
        store.save_peer(&peer("ann")).await.unwrap();
        store.save_peer(&peer("bob")).await.unwrap();
    }
    for _ in 0..2 {
        store.delete_channel(&channel("d").id).await.unwrap();
        store.delete_peer(&peer("bob").id).await.unwrap();
    }
    drop(store);
    let store = place.open().await;
    assert_eq!(store.channels(None, 9).await.unwrap().items, [channel("c")]);
    assert_eq!(store.streams(&channel("c").id, None, 9).await.unwrap().items, [stream("s")]);
    assert_eq!(store.peers(None, 9).await.unwrap().items, [peer("ann")]);
}

/// Listings come in pages that join to the whole.
pub async fn listings_come_in_pages<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let ids: Vec<_> = (0..7).map(|n| format!("id {n}")).collect();
    let owner = channel("owner").id;
    for id in &ids {
        store.save_channel(&channel(id)).await.unwrap();
        store.save_stream(&owner, &stream(id)).await.unwrap();
        store.save_peer(&peer(id)).await.unwrap();
    }
    let (mut channels, mut streams, mut peers) = (vec![], vec![], vec![]);
    let (mut next_channel, mut next_stream, mut next_peer) = (None, None, None);
    for last in [false, false, false, true] {
        let page = store.channels(next_channel.as_ref(), 2).await.unwrap();
        next_channel = page.next;
        channels.extend(page.items.iter().map(|record| record.id.to_string()));
        let page = store.streams(&owner, next_stream.as_ref(), 2).await.unwrap();
        next_stream = page.next;
        streams.extend(page.items.iter().map(|record| record.id.to_string()));
        let page = store.peers(next_peer.as_ref(), 2).await.unwrap();
        next_peer = page.next;
        peers.extend(page.items.iter().map(|record| record.id.to_string()));
        let ended = [next_channel.is_none(), next_stream.is_none(), next_peer.is_none()];
        assert_eq!(ended, [last; 3]);
    }
    assert_eq!([channels, streams, peers], [ids.clone(), ids.clone(), ids]);
}
