//! Nodes over the memory network: convergence, peers, payloads that are never copied.

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use common::{eventually, linked, notes, payloads, soon, with_transport};
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{
    Error, Event, FoldError, FoldOrder, From, LocalNode, LogEntry, MessagePort, Peer, PeerAddr, PeerStatus,
    PortError, PortEvent, StateMaterializer, Transport,
};
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

/// Notes every frame that is received.
struct Tap {
    inner: gossip_transport_memory::MemoryTransport,
    frames: Arc<Mutex<Vec<Bytes>>>,
}

struct TapPort {
    inner: Arc<dyn MessagePort>,
    frames: Arc<Mutex<Vec<Bytes>>>,
}

#[async_trait]
impl Transport for Tap {
    fn name(&self) -> &str {
        "tap"
    }
    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        let inner = self.inner.open(local).await?;
        Ok(Arc::new(TapPort { inner, frames: self.frames.clone() }))
    }
}

#[async_trait]
impl MessagePort for TapPort {
    async fn recv(&self) -> Result<PortEvent, PortError> {
        let event = self.inner.recv().await?;
        if let PortEvent::Frame { bytes, .. } = &event {
            self.frames.lock().unwrap().push(bytes.clone());
        }
        Ok(event)
    }
    async fn send(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), PortError> {
        self.inner.send(to, frame, class).await
    }
    async fn connect(&self, to: &PeerAddr) -> Result<(), PortError> {
        self.inner.connect(to).await
    }
    async fn forget(&self, address: &PeerAddr) {
        self.inner.forget(address).await;
    }
    async fn disconnect(&self, link: LinkId) {
        self.inner.disconnect(link).await;
    }
    fn local_addresses(&self) -> Vec<PeerAddr> {
        self.inner.local_addresses()
    }
    fn pending(&self, to: LinkId) -> usize {
        self.inner.pending(to)
    }
    fn accepts(&self, address: &PeerAddr) -> bool {
        self.inner.accepts(address)
    }
    async fn close(&self) {
        self.inner.close().await;
    }
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
    let frames = Arc::new(Mutex::new(Vec::new()));
    let bob = with_transport("bob", Tap { inner: network.transport("bob"), frames: frames.clone() }).await;
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    let view = b.view(Keep).await.unwrap();
    ann.connect("memory:bob").await.unwrap();
    // Once as history, once live.
    for n in 1..=2 {
        let id = a.append(vec![n as u8; 500]).await.unwrap();
        let kept = soon("view", view.wait_for(|kept| kept.len() == n)).await.unwrap();
        let read = b.get(id).await.unwrap().unwrap();
        let frames = frames.lock().unwrap();
        for payload in [&kept[n - 1], read.bytes().unwrap()] {
            let inside = |frame: &Bytes| frame.as_ptr_range().contains(&payload.as_ptr());
            assert!(frames.iter().any(inside), "the payload was copied");
        }
    }
}
