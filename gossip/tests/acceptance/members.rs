//! A group: who joins one joins all, and everybody is told who comes, goes, and dozes.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::proto::wire::Message;
use gossip::{Config, Event, Events, MemberInfo, MemberState, NodeId, PeerStatus};

use crate::tap::carries_runs;
use crate::wait::{event, eventually};
use crate::world::{Device, Disk, Wire, World, converge, holds};

on_every_wire! {
    who_joins_one_joins_all,
    who_stops_has_left_and_comes_back_as_somebody_newer,
    all_know_who_dozes,
    who_keeps_to_its_own_peers_is_linked_to_nobody_else,
    behaviour_38_beats_overtake_bulk,
}

const NAMES: [&str; 5] = ["ann", "bob", "cid", "dan", "eve"];

/// Devices that take part in one channel, each linked to the first, as they begin.
async fn group<const N: usize>(world: &World, names: [&str; N], config: &Config) -> [Device; N] {
    let mut devices = Vec::new();
    for name in names {
        let device = world.device_with(name, |builder| builder.config(config.clone())).await;
        device.stream().await;
        devices.push(device);
    }
    let devices: [Device; N] = devices.try_into().ok().unwrap();
    world.star(&devices.each_ref()).await;
    devices
}

impl Device {
    /// What it knows of another one.
    async fn knows(&self, other: &Device) -> Option<MemberInfo> {
        let members = self.node.members().await.unwrap();
        members.into_iter().find(|member| member.id == *other.node.id())
    }

    async fn alive(&self) -> BTreeSet<NodeId> {
        let members = self.node.members().await.unwrap();
        members
            .into_iter()
            .filter(|member| member.state == MemberState::Live)
            .map(|member| member.id)
            .collect()
    }

    async fn linked(&self) -> BTreeSet<NodeId> {
        let peers = self.node.peers().await.unwrap();
        peers.into_iter().filter(|peer| !peer.links.is_empty()).map(|peer| peer.id).collect()
    }
}

fn ids<'a>(devices: impl IntoIterator<Item = &'a Device>) -> BTreeSet<NodeId> {
    devices.into_iter().map(|device| device.node.id().clone()).collect()
}

async fn all_know_all(devices: &[Device]) {
    for device in devices {
        let what = format!("{} knows everybody", device.name);
        eventually(&what, async || device.alive().await == ids(devices)).await;
    }
}

async fn who_joins_one_joins_all(world: World) {
    let devices = group(&world, NAMES, &Config::default()).await;
    all_know_all(&devices).await;
    for device in &devices {
        let others = ids(devices.iter().filter(|other| other.name != device.name));
        let what = format!("{} has a link to everybody", device.name);
        eventually(&what, async || device.linked().await == others).await;
        let addresses: Vec<String> = device.node.local_addresses().iter().map(ToString::to_string).collect();
        let told = devices[0].knows(device).await.unwrap();
        assert_eq!((told.addresses, told.incarnation > 0), (addresses, true));
        device.write(2).await;
    }
    converge(&devices.each_ref(), 10).await;
    // Without the one all of them joined they go on.
    devices[0].node.stop().await.unwrap();
    devices[1].write(1).await;
    converge(&devices[1..].iter().collect::<Vec<_>>(), 11).await;
}

async fn who_stops_has_left_and_comes_back_as_somebody_newer(world: World) {
    let devices = group(&world, NAMES, &Config::default()).await;
    all_know_all(&devices).await;
    let [ann, bob, ..] = &devices;
    let before = ann.knows(bob).await.unwrap().incarnation;
    bob.node.stop().await.unwrap();
    for other in devices.iter().filter(|device| device.name != "bob") {
        let what = format!("{} knows that bob has left", other.name);
        eventually(&what, async || other.knows(bob).await.is_some_and(|bob| bob.state == MemberState::Left))
            .await;
    }
    world.start(bob).await;
    all_know_all(&devices).await;
    assert!(ann.knows(bob).await.unwrap().incarnation > before);
}

async fn all_know_who_dozes(world: World) {
    let devices = group(&world, ["ann", "bob", "cid"], &Config::default()).await;
    all_know_all(&devices).await;
    let [ann, bob, cid] = &devices;
    bob.node.doze(Duration::from_secs(3_000)).await.unwrap();
    for other in [ann, cid] {
        let what = format!("{} knows that bob dozes", other.name);
        eventually(&what, async || other.knows(bob).await.unwrap().dozes > Duration::from_secs(2_900)).await;
    }
    bob.node.wake().await.unwrap();
    for other in [ann, cid] {
        let what = format!("{} knows that bob is awake", other.name);
        eventually(&what, async || other.knows(bob).await.unwrap().dozes.is_zero()).await;
    }
}

async fn who_keeps_to_its_own_peers_is_linked_to_nobody_else(world: World) {
    let devices = group(&world, ["ann", "bob", "cid"], &crate::world::keeping_to_itself()).await;
    devices[1].write(1).await;
    converge(&devices.each_ref(), 1).await;
    for device in &devices[1..] {
        assert_eq!(device.linked().await, ids([&devices[0]]));
        assert_eq!(device.alive().await, ids([&devices[0], device]));
    }
}

/// What is told of a device, up to and with this.
async fn told_of(events: &mut Events, id: &NodeId, last: PeerStatus) -> Vec<PeerStatus> {
    let mut told = Vec::new();
    while told.last() != Some(&last) {
        let of_it = |event: &Event| match event {
            Event::PeerStatusChanged(peer, status) if peer == id => Some(*status),
            _ => None,
        };
        told.push(event(events, &format!("{id} is {last:?}"), of_it).await);
    }
    told
}

/// Links of one of five stay up, but nothing comes over them: it never says goodbye. All the others are told once, and
/// again when it starts anew.
#[tokio::test]
async fn who_falls_silent_is_unreachable_and_comes_back_as_somebody_newer() {
    let world = World::new(Wire::Memory, Disk::Memory);
    let config = Config::default();
    let [ann, bob, cid, dan, eve] = group(&world, NAMES, &config).await;
    let others = [ann, bob, cid, dan];
    for other in &others {
        other.reaches(&eve).await;
    }
    let (id, before) = (eve.node.id().clone(), others[0].knows(&eve).await.unwrap().incarnation);
    let mut events = others.each_ref().map(Device::events);
    world.network.partition(&NAMES[4..], &NAMES[..4]);
    for events in &mut events {
        // Whether somebody suspects it first depends on when the others hear of it.
        let told = told_of(events, &id, PeerStatus::Unreachable).await;
        assert!(told.len() <= 2, "{told:?}");
    }
    // It ends while nobody hears it.
    let eve = world.revive(eve, |builder| builder.config(config)).await;
    world.network.heal();
    for (other, events) in others.iter().zip(&mut events) {
        assert_eq!(told_of(events, &id, PeerStatus::Reachable).await, [PeerStatus::Reachable]);
        assert!(other.knows(&eve).await.unwrap().incarnation > before);
    }
    eve.write(1).await;
    converge(&[&others[3], &eve], 1).await;
}

/// A link takes nothing for a while, and megabytes wait for it: what answers for the node goes first then.
async fn behaviour_38_beats_overtake_bulk(world: World) {
    let [ann, bob] = world.devices(["ann", "bob"]).await;
    world.link(&ann, &bob).await;
    let (stream, theirs) = (ann.stream().await, bob.stream().await);
    stream.append("before").await.unwrap();
    holds(&theirs, 1).await;
    ann.tap.block(Some(bob.node.id().clone()));
    for _ in 0..60 {
        stream.append(vec![7; 30_000]).await.unwrap();
    }
    // It asks, and what answers it waits behind all that.
    let misses = async || bob.peer(&ann).await.is_some_and(|ann| ann.status != PeerStatus::Reachable);
    eventually("bob misses ann", misses).await;
    let usage = ann.node.resource_usage().await.unwrap();
    assert!(usage.outbox_bytes > 1 << 20, "{usage:?}");
    ann.tap.clear();
    ann.tap.block(None);
    bob.reaches(&ann).await;
    holds(&theirs, 61).await;
    let sent = ann.tap.sent();
    let first = sent.iter().position(|message| matches!(message, Message::Beat(_))).unwrap();
    let runs = |messages: &[Message]| messages.iter().filter(|message| carries_runs(message)).count();
    // One was in the hands of the transport.
    assert!(runs(&sent[..first]) <= 1, "{} messages with entries went before", runs(&sent[..first]));
    assert!(runs(&sent[first..]) >= 30);
}
