//! Nodes over the memory network: convergence, peers, payloads that are never copied.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::tap::Tap;
use common::{eventually, linked, notes, payloads, soon, with_transport};
use gossip_core::{
    Config, Coordinator, Error, Event, FoldError, FoldOrder, From, LogEntry, Peer, PeerAddr, PeerStatus,
    PortError, PortEvent, StateMaterializer,
};
use gossip_store_memory::MemoryStore;
use gossip_testkit::double::{PortHooks, TransportDouble};
use gossip_transport_memory::{Faults, MemoryNetwork};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_converge_through_a_cut_and_bad_weather() {
    let network = MemoryNetwork::new(3);
    let (ann, bob) = (linked(&network, "ann").await, linked(&network, "bob").await);
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    ann.connect("memory:bob").await.unwrap();
    for n in 0..50 {
        a.append(format!("a{n}")).await.unwrap();
        b.append(format!("b{n}")).await.unwrap();
    }
    eventually("linked convergence", || async {
        payloads(&a).await.len() == 100 && payloads(&b).await.len() == 100
    })
    .await;
    network.cut_links("ann", "bob");
    for n in 50..100 {
        a.append(format!("a{n}")).await.unwrap();
        b.append(format!("b{n}")).await.unwrap();
    }
    network.faults(Faults {
        loss: 100,
        duplicate: 100,
        reorder: 100,
        delay: Duration::ZERO..Duration::from_millis(2),
        ..Faults::default()
    });
    network.restore_links("ann", "bob");
    eventually("convergence after the cut", || async {
        payloads(&a).await.len() == 200 && payloads(&b).await.len() == 200
    })
    .await;
    assert_eq!(payloads(&a).await, payloads(&b).await);
    assert_eq!(a.version().await.unwrap(), b.version().await.unwrap());
    ann.shutdown().await.unwrap();
    bob.shutdown().await.unwrap();
}

#[tokio::test]
async fn who_appends_without_a_pause_keeps_nobody_else_waiting() {
    let network = MemoryNetwork::new(5);
    let (ann, bob) = (linked(&network, "ann").await, linked(&network, "bob").await);
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    ann.connect("memory:bob").await.unwrap();
    let busy = a.clone();
    let writer = tokio::spawn(async move { while busy.append("again").await.is_ok() {} });
    let id = b.append("from bob").await.unwrap();
    eventually("what a peer wrote", || async { a.version().await.unwrap().height(&id.log) >= id.sequence })
        .await;
    soon("stop", ann.stop()).await.unwrap();
    writer.abort();
}

#[tokio::test]
async fn a_live_subscription_and_events_see_what_a_peer_writes() {
    let network = MemoryNetwork::new(1);
    let (ann, bob) = (linked(&network, "ann").await, linked(&network, "bob").await);
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    let mut live = b.subscribe(From::Now).await.unwrap();
    let mut events = bob.events();
    ann.add_peer(Peer { addresses: vec!["memory:bob".into()], ..Peer::new("bob").unwrap() }).await.unwrap();
    let id = a.append("hello").await.unwrap();
    let entry = soon("entry", live.next()).await.unwrap().unwrap();
    assert_eq!((entry.id(), entry.author()), (id, ann.id()));
    soon("event", async {
        loop {
            match events.next_event().await.expect("events end too early") {
                Event::EntriesMerged { from, entries, .. } => {
                    assert_eq!((&from, entries[0].0), (ann.id(), id.log));
                    return;
                }
                _ => continue,
            }
        }
    })
    .await;
    let peers = bob.peers().await.unwrap();
    assert_eq!((peers[0].id.as_str(), peers[0].status), ("ann", PeerStatus::Reachable));
}

#[tokio::test]
async fn peers_are_remembered_named_and_forgotten() {
    let network = MemoryNetwork::new(1);
    let ann = linked(&network, "ann").await;
    let bob = linked(&network, "bob-the-builder").await;
    let peer =
        Peer { addresses: vec!["memory:bob-the-builder".into()], ..Peer::new("bob-the-builder").unwrap() };
    assert!(ann.add_peer(peer.clone()).await.unwrap());
    assert!(!ann.add_peer(peer).await.unwrap());
    let reachable = |node: gossip_core::Coordinator| async move {
        node.peers().await.unwrap().iter().any(|peer| peer.status == PeerStatus::Reachable)
    };
    eventually("reachable", || reachable(ann.clone())).await;
    let peers = ann.peers().await.unwrap();
    assert_eq!((peers[0].display_name.as_str(), peers[0].added), ("bob-the-", true));
    assert!(matches!(ann.add_peer(Peer::new("ann").unwrap()).await, Err(Error::Command(_))));
    let bad = Peer { addresses: vec!["nonsense".into()], ..Peer::new("x").unwrap() };
    assert!(matches!(ann.add_peer(bad).await, Err(Error::Port(PortError::Address { .. }))));
    assert!(ann.remove_peer("bob-the-builder").await.unwrap());
    assert!(!ann.remove_peer("bob-the-builder").await.unwrap());
    eventually("unlinked", || async { !reachable(bob.clone()).await }).await;
}

#[tokio::test]
async fn addresses_are_checked() {
    let network = MemoryNetwork::new(1);
    let ann = linked(&network, "ann").await;
    assert!(matches!(ann.connect("").await, Err(Error::Port(PortError::Address { .. }))));
    assert!(matches!(ann.connect("pigeon://loft").await, Err(Error::NoTransport { .. })));
    assert_eq!(ann.local_addresses(), ["memory:ann".parse::<PeerAddr>().unwrap()]);
    ann.connect("memory:nobody-yet").await.unwrap();
    ann.disconnect("memory:nobody-yet").await.unwrap();
}

/// Learns with the first link where it is reached.
#[derive(Default)]
struct Traveller {
    is_linked: AtomicBool,
}

#[async_trait]
impl PortHooks for Traveller {
    fn received(&self, event: &PortEvent) {
        self.is_linked.fetch_or(matches!(event, PortEvent::LinkUp { .. }), Ordering::Relaxed);
    }

    fn addresses(&self, known: Vec<PeerAddr>) -> Vec<PeerAddr> {
        if self.is_linked.load(Ordering::Relaxed) {
            vec!["memory:abroad".parse().expect("an address")]
        } else {
            known
        }
    }
}

#[tokio::test]
async fn others_are_told_where_a_node_is_once_it_knows() {
    let network = MemoryNetwork::new(1);
    let bob = linked(&network, "bob").await;
    let abroad = TransportDouble::new(Arc::new(network.transport("ann")), Arc::new(Traveller::default()));
    let ann = with_transport("ann", abroad).await;
    ann.connect("memory:bob").await.unwrap();
    let told = async || {
        let members = bob.members().await.unwrap();
        members.into_iter().find(|member| member.id.as_str() == "ann").map(|member| member.addresses)
    };
    eventually("bob knows where ann is", || async { told().await == Some(vec!["memory:abroad".into()]) })
        .await;
}

/// Keeps the payloads as they are given.
struct Keep;

impl StateMaterializer for Keep {
    type State = Vec<Bytes>;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> Vec<Bytes> {
        Vec::new()
    }

    fn fold(&self, state: &mut Vec<Bytes>, entry: &LogEntry) -> Result<(), FoldError> {
        state.extend(entry.bytes().cloned());
        Ok(())
    }
}

#[tokio::test]
async fn payloads_reach_views_and_readers_as_slices_of_the_received_frame() {
    let network = MemoryNetwork::new(1);
    let ann = linked(&network, "ann").await;
    let tap = Arc::new(Tap::default());
    let bob = with_transport("bob", tap.on(network.transport("bob"))).await;
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    let view = b.view(Keep).await.unwrap();
    ann.connect("memory:bob").await.unwrap();
    // Once as history, once live.
    for n in 1..=2 {
        let id = a.append(vec![n as u8; 500]).await.unwrap();
        let kept = soon("view", view.wait_for(|kept| kept.len() == n)).await.unwrap();
        let read = b.get(id).await.unwrap().unwrap();
        let frames = tap.frames.lock().unwrap();
        for payload in [&kept[n - 1], read.bytes().unwrap()] {
            let inside = |frame: &Bytes| frame.as_ptr_range().contains(&payload.as_ptr());
            assert!(frames.iter().any(inside), "the payload was copied");
        }
    }
}

#[tokio::test]
async fn a_stuck_link_is_bounded_and_holds_up_nobody() {
    let network = MemoryNetwork::new(1);
    let tap = Arc::new(Tap::default());
    let transport = tap.on(network.transport("ann"));
    let config = Config { outbox_frames: 8, outbox_bytes: 256 << 10, ..Config::default() };
    let ann =
        Coordinator::builder().store(MemoryStore::new()).transport(transport).node_id("ann").config(config);
    let ann = ann.build().await.unwrap();
    ann.start().await.unwrap();
    let bob = linked(&network, "bob").await;
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    ann.connect("memory:bob").await.unwrap();
    a.append("linked").await.unwrap();
    eventually("linked", || async { payloads(&b).await.len() == 1 }).await;
    tap.stuck.send_replace(true);
    for n in 0..100 {
        soon("append while the link is stuck", a.append(vec![n; 20_000])).await.unwrap();
        b.append(format!("{n}")).await.unwrap();
    }
    let usage = ann.resource_usage().await.unwrap();
    assert!(usage.outbox_frames <= 8 && usage.outbox_bytes <= 256 << 10, "{usage:?}");
    tap.stuck.send_replace(false);
    eventually("convergence", || async {
        payloads(&a).await.len() == 201 && payloads(&b).await.len() == 201
    })
    .await;
    eventually("drained", || async { ann.resource_usage().await.unwrap().outbox_bytes == 0 }).await;
    tap.stuck.send_replace(true);
    a.append("never sent").await.unwrap();
    soon("stop with a stuck link", ann.stop()).await.unwrap();
}
