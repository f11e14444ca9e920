//! What peers and strangers send that they should not.

use std::sync::Arc;

use bytes::Bytes;
use gossip::proto::node::{Class, DropReason, Frame, LinkId};
use gossip::proto::wire::{self, Message};
use gossip::{Event, LocalNode, MessagePort, PeerAddr, PortEvent};
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use crate::tap::{Spoil, carries_runs};
use crate::wait::{PATIENCE, event, eventually};
use crate::world::{Device, Disk, Wire, World, converge, holds, in_sync};

on_every_wire! {
    behaviour_27_bad_frames_are_counted_and_stop_nothing,
    behaviour_27_spoilt_deltas_are_counted_and_fetched_again,
    behaviour_27_after_failed_sends_the_next_round_runs,
    defect_b16_strangers_and_garbage_grow_nothing,
}

on_every_pair! {
    defect_b04_a_hole_is_never_hidden,
}

/// A port without a node behind it, linked to a device.
pub(crate) struct Mallory {
    pub(crate) port: Arc<dyn MessagePort>,
    link: LinkId,
}

impl Mallory {
    pub(crate) async fn meets(world: &World, victim: &Device, name: &str) -> Self {
        let local = LocalNode { id: name.parse().unwrap(), instance: 1 };
        let port = world.transport(name).open(local).await.unwrap();
        let address: PeerAddr = victim.node.local_addresses()[0].clone();
        port.connect(&address).await.unwrap();
        let up = async {
            loop {
                if let PortEvent::LinkUp { link, .. } = port.recv().await.unwrap() {
                    return link;
                }
            }
        };
        let link = timeout(PATIENCE, up).await.expect("no link");
        Self { port, link }
    }

    pub(crate) async fn says(&self, bytes: impl Into<Frame>) {
        self.port.send(self.link, bytes.into(), Class::Live).await.unwrap();
    }
}

/// Frames that are wrong, and what they are wrong in.
fn bad_frames() -> Vec<(DropReason, Vec<u8>)> {
    let good = wire::write(&Message::Ping(7, true), 1).into_bytes().to_vec();
    let version = 9 << 4 | good[0] & 0x0f;
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let mut longer = good.clone();
    longer.push(0);
    vec![
        (DropReason::Version, with(0, version)),
        (DropReason::Malformed, with(0, good[0] | 0x0f)),
        (DropReason::Malformed, with(1, 0xee)),
        (DropReason::Malformed, good[..good.len() - 1].to_vec()),
        (DropReason::Malformed, good[..1].to_vec()),
        (DropReason::Malformed, longer),
        (DropReason::Malformed, vec![good[0], 10, 0xff, 0xff, 0xff, 0xff]),
        (DropReason::Malformed, [&good[..1], &[8][..], &[0x9b; 200][..]].concat()),
        (DropReason::Version, vec![0xff; 100_000]),
    ]
}

async fn behaviour_27_bad_frames_are_counted_and_stop_nothing(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let mut events = ann.events();
    let mallory = Mallory::meets(&world, &ann, "mallory").await;
    let bad = bad_frames();
    for (reason, bytes) in &bad {
        mallory.says(bytes.clone()).await;
        let dropped = |event: &Event| match event {
            Event::Dropped(drop) => Some(drop.clone()),
            _ => None,
        };
        let drop = event(&mut events, "the drop", dropped).await;
        assert_eq!((drop.reason, drop.peer.as_ref().map(|peer| peer.as_str())), (*reason, Some("mallory")));
        assert!(!drop.detail.is_empty());
    }
    assert_eq!(ann.node.health().await.unwrap().dropped, bad.len() as u64, "each counted once");
    if world.wire == Wire::Tcp {
        let address = ann.node.local_addresses()[0].rest().to_owned();
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        socket.write_all(b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
    }
    tokio::join!(ann.write(3), bob.write(3));
    converge(&[&ann, &bob], 6).await;
    mallory.port.close().await;
}

async fn behaviour_27_spoilt_deltas_are_counted_and_fetched_again(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    bob.stream().await;
    let mut events = bob.events();
    ann.tap.spoil(Spoil::Truncate);
    ann.write(3).await;
    let malformed = |event: &Event| {
        matches!(event, Event::Dropped(drop) if drop.reason == DropReason::Malformed).then_some(())
    };
    event(&mut events, "the drop", malformed).await;
    assert!(bob.records().await.is_empty(), "part of a bad frame was taken");
    ann.tap.spoil(Spoil::Nothing);
    converge(&[&ann, &bob], 3).await;
}

async fn behaviour_27_after_failed_sends_the_next_round_runs(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
    ann.tap.spoil(Spoil::Fail);
    ann.write(5).await;
    bob.write(1).await;
    holds(&ann.stream().await, 7).await;
    assert_eq!(bob.records().await.len(), 2, "sends did not fail");
    ann.tap.spoil(Spoil::Nothing);
    converge(&[&ann, &bob], 7).await;
}

async fn defect_b16_strangers_and_garbage_grow_nothing(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
    let before = ann.node.resource_usage().await.unwrap();
    let strangers = if world.wire == Wire::Memory { 1_100 } else { 50 };
    for n in 0..strangers {
        let stranger = Mallory::meets(&world, &ann, &format!("stranger-{n}")).await;
        stranger.says(vec![0xff; 30]).await;
        stranger.port.close().await;
    }
    let mallory = Mallory::meets(&world, &ann, "mallory").await;
    for n in 0..2_000_u32 {
        mallory.says(Bytes::copy_from_slice(&n.to_be_bytes())).await;
    }
    mallory.says(wire::write(&Message::Ping(7, true), 1)).await;
    eventually("all was read", async || ann.node.health().await.unwrap().dropped >= 2_000).await;
    let after = ann.node.resource_usage().await.unwrap();
    assert!(after.peers <= 1_030, "{} strangers are remembered", after.peers);
    assert_eq!((after.channels, after.streams, after.logs, after.entries), (1, 1, 1, 1));
    assert!(after.outbox_frames < 100 && after.outbox_bytes < before.outbox_bytes + (64 << 10), "{after:?}");
    tokio::join!(ann.write(3), bob.write(3));
    converge(&[&ann, &bob], 7).await;
}

/// Runs are lost at random places for a while, new ones come behind them.
async fn defect_b04_a_hole_is_never_hidden(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let theirs = bob.stream().await;
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
    for round in 0..5 {
        ann.tap.clear();
        ann.tap.spoil(Spoil::Mute);
        ann.write(3).await;
        eventually("runs are lost", async || ann.tap.count(carries_runs) > 0).await;
        ann.tap.spoil(Spoil::Nothing);
        ann.write(1).await;
        let entries = theirs.read_all().await.unwrap().collect().await.unwrap();
        let sequences: Vec<_> = entries.iter().map(gossip::LogEntry::sequence).collect();
        assert_eq!(sequences, (1..=sequences.len() as u64).collect::<Vec<_>>(), "a hole in round {round}");
        let version = theirs.version().await.unwrap();
        assert!(version.iter().all(|(_, height)| height >= sequences.len() as u64));
        assert!(theirs.usage().await.unwrap().entries >= version.iter().map(|(_, height)| height).sum());
    }
    converge(&[&ann, &bob], 21).await;
    in_sync(&ann, &bob).await;
}

#[tokio::test]
async fn frames_over_the_limit_of_a_link_never_reach_the_node() {
    let world = World::new(Wire::Tcp, Disk::Memory);
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let mallory = Mallory::meets(&world, &ann, "mallory").await;
    let huge = Bytes::from(vec![0; 8 << 20]);
    let refused = mallory.port.send(mallory.link, huge.into(), Class::Live).await;
    assert!(matches!(refused, Err(gossip::PortError::FrameTooLarge { .. })), "{refused:?}");
    ann.write(1).await;
    converge(&[&ann, &bob], 1).await;
}
