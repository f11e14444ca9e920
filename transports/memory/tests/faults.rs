//! What each fault does, and that every frame is accounted for.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{LocalNode, MessagePort, PortError, PortEvent, Transport};
use gossip_transport_memory::{Faults, MemoryNetwork};
use tokio::time::{Instant, timeout};

async fn open(network: &MemoryNetwork, name: &str) -> Arc<dyn MessagePort> {
    let local = LocalNode { id: name.parse().unwrap(), instance: 1 };
    network.transport(name).open(local).await.unwrap()
}

async fn up(port: &dyn MessagePort) -> LinkId {
    loop {
        if let PortEvent::LinkUp { link, .. } = next(port).await {
            return link;
        }
    }
}

async fn next(port: &dyn MessagePort) -> PortEvent {
    timeout(Duration::from_secs(60), port.recv()).await.expect("no event").unwrap()
}

async fn frames_until_quiet(port: &dyn MessagePort) -> Vec<Bytes> {
    let mut frames = Vec::new();
    while let Ok(event) = timeout(Duration::from_secs(5), port.recv()).await {
        match event.unwrap() {
            PortEvent::Frame { bytes, .. } => frames.push(bytes),
            event => panic!("unexpected {event:?}"),
        }
    }
    frames
}

/// Two linked ports and each one's link.
async fn pair(network: &MemoryNetwork) -> (Arc<dyn MessagePort>, LinkId, Arc<dyn MessagePort>, LinkId) {
    let (ann, bob) = (open(network, "ann").await, open(network, "bob").await);
    ann.connect(&"memory:bob".parse().unwrap()).await.unwrap();
    let (to_bob, to_ann) = (up(&*ann).await, up(&*bob).await);
    (ann, to_bob, bob, to_ann)
}

async fn send_numbered(port: &dyn MessagePort, link: LinkId, count: u32) {
    for n in 0..count {
        port.send(link, Frame::from(n.to_be_bytes().to_vec()), Class::Live).await.unwrap();
    }
}

fn numbers(frames: &[Bytes]) -> Vec<u32> {
    frames.iter().map(|frame| u32::from_be_bytes(frame[..].try_into().unwrap())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_perfect_network_delivers_the_same_bytes_in_order_without_time_passing() {
    let network = MemoryNetwork::new(1);
    let (ann, to_bob, bob, _) = pair(&network).await;
    let start = Instant::now();
    let sent = Bytes::from(vec![7; 5000]);
    ann.send(to_bob, sent.clone().into(), Class::Live).await.unwrap();
    let PortEvent::Frame { bytes, .. } = next(&*bob).await else { panic!("no frame") };
    assert_eq!(bytes.as_ptr(), sent.as_ptr(), "the payload was copied");
    send_numbered(&*ann, to_bob, 100).await;
    for n in 0..100u32 {
        let PortEvent::Frame { bytes, .. } = next(&*bob).await else { panic!("no frame") };
        assert_eq!(bytes[..], n.to_be_bytes());
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn loss_duplication_and_reordering_happen_as_often_as_asked_and_repeat_with_the_seed() {
    let mut runs = Vec::new();
    for seed in [3, 3, 4] {
        let network = MemoryNetwork::new(seed);
        let (ann, to_bob, bob, _) = pair(&network).await;
        network.faults(Faults { loss: 300, duplicate: 200, reorder: 200, ..Faults::default() });
        send_numbered(&*ann, to_bob, 2000).await;
        let got = numbers(&frames_until_quiet(&*bob).await);
        let stats = network.stats();
        assert!((450..750).contains(&stats.dropped_by_fault.frames), "{stats:?}");
        assert!((200..360).contains(&stats.duplicated.frames), "{stats:?}");
        assert_eq!(
            stats.sent.frames + stats.duplicated.frames,
            stats.delivered.frames + stats.dropped_by_fault.frames
        );
        assert_eq!(stats.delivered.frames, got.len() as u64);
        assert!(got.windows(2).any(|two| two[0] > two[1]), "nothing was reordered");
        runs.push(got);
    }
    // Travel times depend on the seed alone, not on when frames were sent: time stands still here.
    assert_eq!(runs[0], runs[1]);
    assert_ne!(runs[0], runs[2]);
}

#[tokio::test(start_paused = true)]
async fn delay_keeps_order_and_takes_its_time() {
    let network = MemoryNetwork::new(1);
    let (ann, to_bob, bob, _) = pair(&network).await;
    network.faults_between(
        "ann",
        "bob",
        Faults { delay: Duration::from_millis(20)..Duration::from_millis(60), ..Faults::default() },
    );
    let start = Instant::now();
    send_numbered(&*ann, to_bob, 50).await;
    assert_eq!(ann.pending(to_bob), 50);
    next(&*bob).await;
    assert!(start.elapsed() >= Duration::from_millis(20));
    network.faults(Faults::default());
    send_numbered(&*ann, to_bob, 1).await;
    let rest = numbers(&frames_until_quiet(&*bob).await);
    assert_eq!(rest, (1..50).chain([0]).collect::<Vec<_>>(), "a frame without delay overtook");
}

#[tokio::test(start_paused = true)]
async fn partitions_are_silent_and_heal() {
    let network = MemoryNetwork::new(1);
    let (ann, to_bob, bob, to_ann) = pair(&network).await;
    network.partition_one_way(&["ann"], &["bob"]);
    send_numbered(&*ann, to_bob, 3).await;
    send_numbered(&*bob, to_ann, 3).await;
    assert_eq!(frames_until_quiet(&*bob).await.len(), 0);
    assert_eq!(frames_until_quiet(&*ann).await.len(), 3);
    network.partition(&["bob"], &["ann"]);
    send_numbered(&*bob, to_ann, 3).await;
    assert_eq!(frames_until_quiet(&*ann).await.len(), 0);
    network.heal();
    send_numbered(&*ann, to_bob, 3).await;
    assert_eq!(numbers(&frames_until_quiet(&*bob).await), [0, 1, 2]);
    assert_eq!(network.stats().dropped_by_fault.frames, 6);
}

#[tokio::test(start_paused = true)]
async fn cut_links_go_down_and_come_back_when_restored() {
    let network = MemoryNetwork::new(1);
    let (ann, to_bob, bob, to_ann) = pair(&network).await;
    network.cut_links("bob", "ann");
    assert!(matches!(next(&*ann).await, PortEvent::LinkDown { link } if link == to_bob));
    assert!(matches!(next(&*bob).await, PortEvent::LinkDown { link } if link == to_ann));
    assert!(timeout(Duration::from_secs(100), ann.recv()).await.is_err(), "a link came up over a cut");
    assert_eq!(ann.send(to_bob, vec![1].into(), Class::Live).await, Err(PortError::UnknownLink));
    network.restore_links("ann", "bob");
    assert_ne!(up(&*ann).await, to_bob);
    assert_ne!(up(&*bob).await, to_ann);
}

#[tokio::test]
async fn a_full_queue_drops_and_counts() {
    let network = MemoryNetwork::new(1);
    let (ann, to_bob, bob, _) = pair(&network).await;
    let frame = Bytes::from(vec![0; 1 << 20]);
    for _ in 0..20 {
        ann.send(to_bob, frame.clone().into(), Class::Bulk).await.unwrap();
    }
    assert_eq!(ann.pending(to_bob), 16);
    assert_eq!(network.stats().dropped_by_full_queue.frames, 4);
    bob.close().await;
    assert_eq!(network.stats().dropped_by_link_down.bytes, 16 << 20);
}

#[tokio::test]
async fn links_that_come_and_go_unread_leave_nothing_behind() {
    let network = MemoryNetwork::new(1);
    let (ann, _, bob, _) = pair(&network).await;
    for _ in 0..1000 {
        network.cut_links("ann", "bob");
        network.restore_links("ann", "bob");
    }
    assert!(matches!(next(&*bob).await, PortEvent::LinkDown { .. }));
    let last = up(&*bob).await;
    bob.send(last, vec![9].into(), Class::Live).await.unwrap();
    assert!(matches!(next(&*ann).await, PortEvent::LinkDown { .. }));
    up(&*ann).await;
    assert!(matches!(next(&*ann).await, PortEvent::Frame { .. }));
}

#[tokio::test]
async fn one_name_is_open_once_and_one_id_is_never_linked_with_itself() {
    let network = MemoryNetwork::new(1);
    let ann = open(&network, "ann").await;
    let twice = network.transport("ann").open(LocalNode { id: "x".parse().unwrap(), instance: 1 }).await;
    assert!(matches!(twice.err(), Some(PortError::Listen { .. })));
    let clone =
        network.transport("b").open(LocalNode { id: "ann".parse().unwrap(), instance: 2 }).await.unwrap();
    clone.connect(&"memory:ann".parse().unwrap()).await.unwrap();
    for port in [&ann, &clone] {
        assert!(
            matches!(next(&**port).await, PortEvent::Trouble { detail } if detail.contains("both claim"))
        );
    }
    ann.connect(&"memory:ann".parse().unwrap()).await.unwrap();
    assert!(matches!(next(&*ann).await, PortEvent::Trouble { detail } if detail.contains("itself")));
    drop(ann);
    open(&network, "ann").await;
}

#[tokio::test]
async fn a_configuration_finds_its_network_by_name_and_unknown_options_are_errors() {
    use gossip_core::registry::{Options, build_transport};
    let text = |text: &str| Options::Text(text.to_owned());
    let options = |key: &str| Options::Map(vec![(text("name"), text("ann")), (text(key), text("blue"))]);
    build_transport("memory", &options("network"))
        .unwrap()
        .open(LocalNode { id: "ann".parse().unwrap(), instance: 1 })
        .await
        .unwrap();
    let error = build_transport("memory", &options("netwrok")).err().unwrap().to_string();
    assert!(error.contains("netwrok") && error.contains("network"), "{error}");
    open(&MemoryNetwork::named("blue"), "ann").await;
}
