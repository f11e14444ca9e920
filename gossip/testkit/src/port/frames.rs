//! Laws of frames.

use bytes::Bytes;
use gossip_core::PortError;
use gossip_core::proto::node::{Class, Frame, LinkId};

use super::probe::{exchange, open_linked};
use super::{PortHarness, delivers_all, keeps_order};

/// Bytes that differ at every place and from frame to frame.
fn pattern(len: usize, salt: usize) -> Bytes {
    (0..len).map(|at| (at.wrapping_mul(31) + (at >> 8) + salt) as u8).collect()
}

/// Frames of every kind of length, up to exactly the limit, arrive byte for byte, both ways.
pub async fn frames_arrive_unchanged_up_to_the_limit(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, limits) = open_linked(harness).await;
    if !delivers_all(harness, limits) {
        return;
    }
    let max = limits.max_frame;
    for (salt, len) in [1, 2, 3, 4, 5, 255, 256, max / 2, max - 1, max, 1].into_iter().enumerate() {
        let sent = pattern(len, salt);
        ann.send(to_bob, sent.clone()).await;
        let (link, got) = bob.frame().await;
        assert!(link == to_ann && got == sent, "a frame of {len} bytes was altered");
        bob.send(to_ann, sent.clone()).await;
        let (link, got) = ann.frame().await;
        assert!(link == to_bob && got == sent, "a frame of {len} bytes was altered");
    }
}

/// A frame over the limit and one of no bytes are refused, and the link lives on.
pub async fn frames_over_the_limit_and_empty_ones_are_refused(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, limits) = open_linked(harness).await;
    let (len, limit) = (limits.max_frame + 1, limits.max_frame);
    let half = Bytes::from(vec![0; len / 2]);
    let in_parts = Frame::from_parts(vec![half, Bytes::from(vec![0; len - len / 2])]);
    for frame in [Frame::from(vec![0; len]), in_parts] {
        let refused = ann.port.send(to_bob, frame, Class::Bulk).await;
        assert_eq!(refused, Err(PortError::FrameTooLarge { len, limit }));
    }
    for frame in [Frame::default(), Frame::from(Bytes::new()), Frame::from_parts(vec![Bytes::new(); 3])] {
        assert_eq!(ann.port.send(to_bob, frame, Class::Bulk).await, Err(PortError::EmptyFrame));
    }
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
}

/// Parts, empty ones among them, arrive as one frame.
pub async fn frames_of_several_parts_arrive_joined(harness: &dyn PortHarness) {
    let (ann, mut bob, to_bob, to_ann, limits) = open_linked(harness).await;
    if !delivers_all(harness, limits) {
        return;
    }
    let large = limits.max_frame / 2;
    for lens in [vec![1, 1], vec![0, 5, 0, 100], vec![large, 3, 100, large - 103], vec![1; 200]] {
        let parts: Vec<Bytes> = lens.iter().enumerate().map(|(n, len)| pattern(*len, n)).collect();
        let whole = Bytes::from(parts.concat());
        ann.port.send(to_bob, Frame::from_parts(parts), Class::Live).await.expect("the link takes a frame");
        assert!(bob.frame().await == (to_ann, whole), "parts {lens:?} arrived otherwise");
    }
}

/// A class is a hint for the order, not a way to lose frames.
pub async fn frames_of_every_class_arrive(harness: &dyn PortHarness) {
    let (ann, mut bob, to_bob, _, limits) = open_linked(harness).await;
    if !delivers_all(harness, limits) {
        return;
    }
    let classes = [Class::Bulk, Class::Live, Class::Urgent];
    for n in 0..90_u8 {
        let class = classes[usize::from(n) % 3];
        ann.port.send(to_bob, vec![n].into(), class).await.expect("the link takes a frame");
    }
    let mut got = Vec::new();
    for _ in 0..90 {
        got.push(bob.frame().await.1[0]);
    }
    got.sort_unstable();
    assert_eq!(got, (0..90).collect::<Vec<u8>>());
}

/// Frames of one class keep their order where the link promises it.
pub async fn order_is_kept_within_a_class(harness: &dyn PortHarness) {
    let (ann, mut bob, to_bob, _, limits) = open_linked(harness).await;
    if !delivers_all(harness, limits) || !keeps_order(harness, limits) {
        return;
    }
    for class in [Class::Urgent, Class::Live, Class::Bulk] {
        for n in 0..500_u32 {
            let mut bytes = n.to_be_bytes().to_vec();
            bytes.resize(4 + (n as usize * 37) % (limits.max_frame - 4).min(3000), 0);
            ann.port.send(to_bob, bytes.into(), class).await.expect("the link takes a frame");
        }
        for n in 0..500_u32 {
            assert_eq!(bob.frame().await.1[..4], n.to_be_bytes(), "{class:?}");
        }
    }
}

/// What is sent at once arrives in order, or comes back whole to be sent as usual.
pub async fn frames_sent_at_once_arrive_or_come_back(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, limits) = open_linked(harness).await;
    if !delivers_all(harness, limits) || !keeps_order(harness, limits) {
        return;
    }
    for n in 0..300_usize {
        let bytes = pattern(1 + (n * 37) % limits.max_frame.min(3000), n);
        if let Err(back) = ann.port.send_at_once(to_bob, bytes.clone().into(), Class::Live) {
            assert_eq!(back, Frame::from(bytes), "frame {n} was altered");
            ann.port.send(to_bob, back, Class::Live).await.expect("the link takes a frame");
        }
    }
    for n in 0..300_usize {
        let (link, got) = bob.frame().await;
        assert!(link == to_ann && got == pattern(1 + (n * 37) % limits.max_frame.min(3000), n), "frame {n}");
    }
    for (to, len) in [(LinkId(u64::MAX), 1), (to_bob, 0), (to_bob, limits.max_frame + 1)] {
        let refused = ann.port.send_at_once(to, vec![0; len].into(), Class::Live);
        assert_eq!(refused.map_err(|frame| frame.len()), Err(len), "`send` says why");
    }
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
}

/// Calls for a link that never was name it unknown or do nothing.
pub async fn unknown_links_are_refused(harness: &dyn PortHarness) {
    let (mut ann, mut bob, to_bob, to_ann, _) = open_linked(harness).await;
    let unknown = LinkId(u64::MAX);
    let refused = ann.port.send(unknown, vec![1].into(), Class::Live).await;
    assert_eq!(refused, Err(PortError::UnknownLink));
    ann.port.disconnect(unknown).await;
    assert_eq!(ann.port.pending(unknown), 0);
    exchange(&mut ann, to_bob, &mut bob, to_ann).await;
}
