//! Payloads are sliced, not copied, on their way from a received frame to the application.
//!
//! Every frame a port hands over is kept, so no other buffer can take its place in memory; the
//! bytes a store is given, a subscription delivers and a view folds must lie inside one of them.

#![cfg(all(feature = "memory", feature = "tcp"))]
// Helpers of tests are not tests to the lints.
#![allow(clippy::unwrap_used)]

mod tap;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip::{
    Coordinator, EventStream, FoldError, FoldOrder, From, LogEntry, MemoryNetwork, MemoryStore,
    StateMaterializer, TcpTransport, Transport,
};
use gossip_testkit::double::{StoreDouble, TransportDouble};
use tokio::time::timeout;

use crate::tap::{Tap, is_within};

/// Payloads as large as these go in one frame; an empty one has no address.
const SIZES: [usize; 6] = [1, 100, 1_000, 30_000, 32_000, 500_000];

/// Nothing here takes long, unless it never ends.
const PATIENCE: Duration = Duration::from_secs(60);

struct Party {
    node: Coordinator,
    stream: EventStream,
    tap: Arc<Tap>,
}

impl Party {
    async fn new(name: &str, transport: impl Transport) -> Self {
        let tap = Arc::new(Tap::default());
        let node = Coordinator::builder()
            .node_id(name)
            .store(StoreDouble::new(MemoryStore::new(), tap.clone()))
            .transport(TransportDouble::new(Arc::new(transport), tap.clone()))
            .build()
            .await
            .unwrap();
        node.start().await.unwrap();
        let stream = node.channel("c").await.unwrap().stream("s").await.unwrap();
        Self { node, stream, tap }
    }

    async fn meet(&self, other: &Self) {
        let address = other.node.local_addresses().remove(0);
        self.node.connect(address.as_str()).await.unwrap();
    }
}

/// Two nodes in one process, and two on TCP.
async fn pairs() -> [(Party, Party); 2] {
    let network = MemoryNetwork::new(1);
    let memory = (
        Party::new("ann", network.transport("ann")).await,
        Party::new("bob", network.transport("bob")).await,
    );
    let listen = || TcpTransport::listen("127.0.0.1:0");
    [memory, (Party::new("ann", listen()).await, Party::new("bob", listen()).await)]
}

fn payloads() -> Vec<Bytes> {
    SIZES.iter().zip(1..).map(|(size, fill)| Bytes::from(vec![fill; *size])).collect()
}

/// Keeps what it folds.
struct Keep<const ANY: bool>;

impl<const ANY: bool> StateMaterializer for Keep<ANY> {
    type State = Vec<Bytes>;

    const ORDER: FoldOrder = if ANY { FoldOrder::Any } else { FoldOrder::Total };

    fn initial(&self) -> Vec<Bytes> {
        Vec::new()
    }

    fn fold(&self, state: &mut Vec<Bytes>, entry: &LogEntry) -> Result<(), FoldError> {
        state.extend(entry.bytes().cloned());
        Ok(())
    }
}

fn all_within(parts: &[Bytes], wholes: &[Bytes], what: &str) {
    assert_eq!(parts.len(), SIZES.len(), "{what}");
    for part in parts {
        assert!(is_within(part, wholes), "{what}: a payload of {} bytes was copied", part.len());
    }
}

async fn delivered(stream: &EventStream) -> Vec<Bytes> {
    let mut entries = stream.subscribe(From::Start).await.unwrap();
    let mut found = Vec::new();
    while found.len() < SIZES.len() {
        let entry = timeout(PATIENCE, entries.next()).await.expect("in time").unwrap().unwrap();
        found.push(entry.bytes().unwrap().clone());
    }
    found
}

/// Waits until everything came, then looks at every place it passed.
async fn check(bob: &Party) {
    let (any, total) =
        (bob.stream.view(Keep::<true>).await.unwrap(), bob.stream.view(Keep::<false>).await.unwrap());
    let delivered = delivered(&bob.stream).await;
    let full = |state: &Vec<Bytes>| state.len() == SIZES.len();
    timeout(PATIENCE, any.wait_for(full)).await.expect("in time").unwrap();
    timeout(PATIENCE, total.wait_for(full)).await.expect("in time").unwrap();
    let frames = bob.tap.received();
    all_within(&bob.tap.stored(), &frames, "given to the store");
    all_within(&delivered, &frames, "delivered to a subscription");
    all_within(&any.get(), &frames, "folded on arrival");
    all_within(&total.get(), &frames, "folded in order");
}

#[tokio::test]
async fn live_payloads_are_slices_of_received_frames() {
    for (ann, bob) in pairs().await {
        ann.meet(&bob).await;
        ann.stream.append("in touch").await.unwrap();
        let mut live = bob.stream.subscribe(From::Start).await.unwrap();
        timeout(PATIENCE, live.next()).await.expect("in time").unwrap().unwrap();
        // From here on everything is pushed.
        for payload in payloads() {
            ann.stream.append(payload).await.unwrap();
            let entry = timeout(PATIENCE, live.next()).await.expect("in time").unwrap().unwrap();
            assert!(is_within(entry.bytes().unwrap(), &bob.tap.received()), "delivered live");
        }
    }
}

#[tokio::test]
async fn history_is_slices_of_received_frames() {
    for (ann, bob) in pairs().await {
        for payload in payloads() {
            ann.stream.append(payload).await.unwrap();
        }
        ann.meet(&bob).await;
        check(&bob).await;
    }
}

#[tokio::test]
async fn views_and_subscriptions_opened_before_get_slices_too() {
    for (ann, bob) in pairs().await {
        ann.meet(&bob).await;
        let (writes, checks) = (ann.stream.clone(), check(&bob));
        let appends = async move {
            for payload in payloads() {
                writes.append(payload).await.unwrap();
            }
        };
        tokio::join!(checks, appends);
    }
}

/// A run is encoded once: what the store was given is what is sent.
#[tokio::test]
async fn runs_are_sent_as_stored() {
    for (ann, bob) in pairs().await {
        ann.meet(&bob).await;
        // What is there before they know each other is sent as history, small runs joined.
        ann.node.channel("c").await.unwrap().wait_synced().await.unwrap();
        for payload in payloads() {
            ann.stream.append(payload).await.unwrap();
        }
        check(&bob).await;
        all_within(&ann.tap.stored(), &ann.tap.sent(), "sent");
    }
}

#[test]
fn a_copy_is_noticed() {
    let frame = Bytes::from(vec![7; 100]);
    assert!(is_within(&frame.slice(3..9), std::slice::from_ref(&frame)));
    assert!(!is_within(&Bytes::copy_from_slice(&frame[3..9]), &[frame]));
}
