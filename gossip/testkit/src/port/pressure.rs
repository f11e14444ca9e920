//! Laws of many frames and slow receivers.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{MessagePort, PortEvent};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::probe::{exchange, link, open, open_linked};
use super::{PortHarness, delivers_all, keeps_order};

/// Sends numbered frames, at most as many ahead as there are permits.
async fn send_numbered(
    port: Arc<dyn MessagePort>,
    to: LinkId,
    count: u32,
    len: usize,
    ahead: Arc<Semaphore>,
) {
    for n in 0..count {
        ahead.acquire().await.expect("nobody closes it").forget();
        let mut bytes = n.to_be_bytes().to_vec();
        bytes.resize(len, 7);
        port.send(to, bytes.into(), Class::Live).await.expect("the link takes a frame");
    }
}

/// 10,000 frames of 100 bytes all arrive, in order where promised, however fast they are sent.
pub async fn many_small_frames_all_arrive(harness: &dyn PortHarness) {
    let (ann, mut bob, to_bob, _, limits) = open_linked(harness).await;
    if !delivers_all(harness, limits) {
        return;
    }
    // Only a reliable link slows its sender down by itself.
    let ahead = Arc::new(Semaphore::new(if limits.reliable { 10_000 } else { 500 }));
    let sender = tokio::spawn(send_numbered(ann.port.clone(), to_bob, 10_000, 100, ahead.clone()));
    let mut got = Vec::new();
    while got.len() < 10_000 {
        let (_, bytes) = bob.frame().await;
        assert_eq!(bytes.len(), 100);
        got.push(u32::from_be_bytes(bytes[..4].try_into().expect("four bytes")));
        ahead.add_permits(1);
    }
    sender.await.expect("the sender does not panic");
    if !keeps_order(harness, limits) {
        got.sort_unstable();
    }
    assert!(got.into_iter().eq(0..10_000), "frames are missing, doubled or out of order");
}

/// A `recv` that was dropped before it returned has taken nothing.
pub async fn cancelling_recv_loses_nothing(harness: &dyn PortHarness) {
    let (ann, mut bob, to_bob, _, limits) = open_linked(harness).await;
    if !delivers_all(harness, limits) {
        return;
    }
    let ahead = Arc::new(Semaphore::new(20));
    let sender =
        tokio::spawn(send_numbered(ann.port.clone(), to_bob, 1000, 300.min(limits.max_frame), ahead.clone()));
    let (mut frames, mut cancelled) = (0, 0);
    while frames < 1000 {
        let event = tokio::select! {
            biased;
            event = bob.port.recv() => event.expect("the port is open"),
            () = tokio::task::yield_now() => {
                cancelled += 1;
                continue;
            }
        };
        bob.check(&event);
        if matches!(event, PortEvent::Frame { .. }) {
            frames += 1;
            ahead.add_permits(1);
        }
    }
    assert!(cancelled > 0, "nothing was cancelled, so nothing was shown");
    sender.await.expect("the sender does not panic");
}

/// A port that does not receive neither makes its peer's memory grow nor holds up the peer's
/// other links; on a reliable link it gets everything in the end.
pub async fn a_slow_receiver_holds_up_nobody_else(harness: &dyn PortHarness) {
    let [mut ann, mut bob, mut cem] = open(harness).await;
    let (to_bob, _, limits) = link(&mut ann, &mut bob).await;
    let (to_cem, from_ann, _) = link(&mut ann, &mut cem).await;
    let frame = Bytes::from(vec![1; limits.max_frame.min(64 << 10)]);
    let mut accepted = 0;
    while accepted < 10_000 {
        let send = ann.port.send(to_bob, Frame::from(frame.clone()), Class::Bulk);
        match timeout(Duration::from_millis(500), send).await {
            Ok(sent) => sent.expect("the link takes a frame"),
            Err(_) => break,
        }
        accepted += 1;
        let pending = ann.port.pending(to_bob) * frame.len();
        assert!(pending <= harness.pending_bytes_bound(), "{pending} bytes wait for a slow receiver");
    }
    for _ in 0..100 {
        exchange(&mut ann, to_cem, &mut cem, from_ann).await;
    }
    if limits.reliable {
        for _ in 0..accepted {
            assert_eq!(bob.frame().await.1.len(), frame.len());
        }
    }
}
