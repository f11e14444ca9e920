//! Laws of ends.

use gossip_core::PortError;
use gossip_core::proto::node::Class;
use tokio::time::timeout;

use super::PortHarness;
use super::probe::{PATIENCE, Probe, exchange, open, open_linked};

/// After `close` every call says so, and the other side sees the link go down.
pub async fn close_ends_everything(harness: &dyn PortHarness) {
    let (ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
    bob.send(to_ann, &b"nobody will read this"[..]).await;
    ann.port.close().await;
    ann.port.close().await;
    assert!(matches!(ann.port.recv().await, Err(PortError::Closed)));
    assert_eq!(ann.port.send(to_bob, vec![1].into(), Class::Live).await, Err(PortError::Closed));
    assert_eq!(ann.port.connect(&bob.address).await, Err(PortError::Closed));
    assert_eq!((ann.port.pending(to_bob), ann.port.local_addresses().len()), (0, 0));
    ann.port.forget(&bob.address).await;
    ann.port.disconnect(to_bob).await;
    bob.down(to_ann).await;
    assert_eq!(bob.port.send(to_ann, vec![1].into(), Class::Live).await, Err(PortError::UnknownLink));
}

/// A `recv` that waits ends when the port closes.
pub async fn close_wakes_a_waiting_receiver(harness: &dyn PortHarness) {
    let [ann] = open(harness).await;
    let port = ann.port.clone();
    let waiting = tokio::spawn(async move { port.recv().await });
    tokio::task::yield_now().await;
    ann.port.close().await;
    let ended = timeout(PATIENCE, waiting).await.expect("recv ends").expect("it does not panic");
    assert!(matches!(ended, Err(PortError::Closed)));
}

/// The same transport opens again at the same address right after `close`, as another instance,
/// and peers that connect find it.
pub async fn a_closed_port_can_be_opened_again(harness: &dyn PortHarness) {
    let places = harness.transports(2).await;
    let mut ann = Probe::open(&places[0], "ann", 1).await;
    ann.port.connect(&places[1].address).await.expect("the address is understood");
    for instance in 1..4 {
        let mut bob = Probe::open(&places[1], "bob", instance).await;
        let (to_bob, _) = ann.up(&bob.id).await;
        let (to_ann, _) = bob.up(&ann.id).await;
        exchange(&mut ann, to_bob, &mut bob, to_ann).await;
        bob.port.close().await;
        ann.down(to_bob).await;
    }
}
