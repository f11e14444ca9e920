//! Laws of the node record, the incarnation, the open mark, and of reopening.

use bytes::Bytes;
use gossip_core::StoreError;
use gossip_proto::{
    ChannelId, ChannelRecord, Durability, Fault, Meta, NodeId, NodeRecord, PeerRecord, StreamId, StreamRecord,
};

use super::StoreHarness;
use super::expect::everything;
use crate::fixture::LogWriter;

fn me() -> NodeRecord {
    NodeRecord {
        incarnation: 4,
        clock: LogWriter::stamp_at(5),
        ..NodeRecord::new(NodeId::new("me").unwrap())
    }
}

/// A new store knows no node, also after a commit.
pub async fn a_new_store_knows_no_node<H: StoreHarness>(place: H) {
    let store = place.open().await;
    assert_eq!(store.load_node().await.unwrap(), None);
    store.commit(&[], &Meta { clock: LogWriter::stamp_at(1) }).await.unwrap();
    assert_eq!(store.load_node().await.unwrap(), None);
    store.save_node(&me()).await.unwrap();
    assert_eq!(store.load_node().await.unwrap(), Some(me()));
}

/// The clock read is the later one of the newest save and the newest commit.
pub async fn the_clock_is_the_newest_of_save_and_commit<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    store.save_node(&me()).await.unwrap();
    let steps = [(3, 5), (8, 8), (6, 8)];
    for (committed, expected) in steps {
        let meta = Meta { clock: LogWriter::stamp_at(committed) };
        store.commit(&[ann.run(1)], &meta).await.unwrap();
        let node = store.load_node().await.unwrap().unwrap();
        assert_eq!(node, NodeRecord { clock: LogWriter::stamp_at(expected), ..me() });
    }
    store.save_node(&NodeRecord { incarnation: 5, clock: LogWriter::stamp_at(2), ..me() }).await.unwrap();
    let node = store.load_node().await.unwrap().unwrap();
    assert_eq!((node.incarnation, node.clock), (5, LogWriter::stamp_at(8)));
    store.save_node(&NodeRecord { clock: LogWriter::stamp_at(11), ..me() }).await.unwrap();
    assert_eq!(store.load_node().await.unwrap().unwrap().clock, LogWriter::stamp_at(11));
}

/// The incarnation stays over reopening; another store has another one.
pub async fn incarnation_stays_and_differs<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let incarnation = store.incarnation().await.unwrap();
    assert_eq!(store.incarnation().await.unwrap(), incarnation);
    drop(store);
    assert_eq!(place.open().await.incarnation().await.unwrap(), incarnation);
    let other = H::create();
    assert_ne!(other.open().await.incarnation().await.unwrap(), incarnation);
}

/// The open mark tells whether the last user closed the store.
pub async fn the_open_mark_tells_an_unclean_end<H: StoreHarness>(place: H) {
    let store = place.open().await;
    assert!(!store.mark_open().await.unwrap(), "a new store was never open");
    assert!(store.mark_open().await.unwrap());
    drop(store);
    let store = place.open().await;
    assert!(store.mark_open().await.unwrap(), "dropped is not closed");
    store.mark_closed().await.unwrap();
    drop(store);
    let store = place.open().await;
    assert!(!store.mark_open().await.unwrap());
    store.mark_closed().await.unwrap();
    store.mark_closed().await.unwrap();
    assert!(!store.mark_open().await.unwrap());
}

/// Closing makes everything durable and takes only the mark off.
pub async fn closing_keeps_everything<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    store.mark_open().await.unwrap();
    store.commit(&[ann.run(3)], &Meta { clock: LogWriter::stamp_at(3) }).await.unwrap();
    store.save_node(&me()).await.unwrap();
    let before = everything(&*store).await;
    store.mark_closed().await.unwrap();
    store.load_node().await.unwrap();
    assert_eq!(everything(&*store).await, before);
    drop(store);
    let store = place.open().await;
    assert_eq!(everything(&*store).await, before);
    assert_eq!(store.load_node().await.unwrap(), Some(me()));
    let other = H::create();
    store.mark_open().await.unwrap();
    assert!(!other.open().await.mark_open().await.unwrap(), "each place has a mark of its own");
}

/// Late calls find a closed store closed, or as it was if there was nothing to let go of; what starts
/// finds everything.
pub async fn only_a_start_goes_on_with_a_closed_store<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    assert!(!store.mark_open().await.unwrap());
    store.commit(&[ann.run(3)], &Meta::default()).await.unwrap();
    store.mark_closed().await.unwrap();
    let late = store.commit(&[ann.run(1)], &Meta::default()).await;
    let height = late.as_ref().map_or(3, |_| 4);
    let closed = |error: StoreError| assert_eq!(error.fault, Fault::Closed, "{error}");
    late.map_or_else(closed, drop);
    store.delete_snapshot("none").await.unwrap_or_else(closed);
    store.incarnation().await.map_or_else(closed, drop);
    store.load_node().await.unwrap();
    assert_eq!(store.last_arrival().await.unwrap().0, height);
    assert!(!store.mark_open().await.unwrap(), "nobody who came late marked it");
    store.mark_closed().await.unwrap();
    assert!(!store.mark_open().await.unwrap());
    assert_eq!(store.last_arrival().await.unwrap().0, height);
}

/// Entries, arrivals, records, clock: all is the same after reopening, and goes on.
pub async fn everything_survives_reopening<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
    let channel =
        ChannelRecord { id: ChannelId::new("c").unwrap(), members: [me().id].into(), payload_limit: 9 };
    let stream = StreamRecord::new(StreamId::new("s").unwrap());
    let peer = PeerRecord { id: me().id, display_name: "me".into(), addresses: vec![] };
    let meta = Meta { clock: LogWriter::stamp_at(7) };
    store.commit(&[ann.run(3), bob.run(2)], &meta).await.unwrap();
    store.prune(&[(ann.id(), 2)]).await.unwrap();
    store.save_node(&me()).await.unwrap();
    store.save_channel(&channel).await.unwrap();
    store.save_stream(&channel.id, &stream).await.unwrap();
    store.save_peer(&peer).await.unwrap();
    store.save_snapshot("key", Bytes::from_static(b"value")).await.unwrap();
    let before = everything(&*store).await;
    drop(store);

    let store = place.open().await;
    assert_eq!(everything(&*store).await, before);
    let node = store.load_node().await.unwrap().unwrap();
    assert_eq!(node, NodeRecord { clock: meta.clock, ..me() });
    assert_eq!(store.channels(None, 9).await.unwrap().items, std::slice::from_ref(&channel));
    assert_eq!(store.streams(&channel.id, None, 9).await.unwrap().items, [stream]);
    assert_eq!(store.peers(None, 9).await.unwrap().items, [peer]);
    assert_eq!(store.load_snapshot("key").await.unwrap().unwrap(), "value");
    let committed = store.commit(&[ann.run(1)], &meta).await.unwrap();
    assert_eq!(committed.arrivals[0].unwrap().0, 6);
}

/// A store that keeps nothing beyond the process says so, and only such a store does.
pub async fn durability_is_honest<H: StoreHarness>(place: H) {
    let store = place.open().await;
    assert_eq!(store.durability() != Durability::Volatile, H::DURABLE);
    assert!(!store.name().is_empty());
}
