//! A group: who joins one joins all, and everybody is told who comes, goes, and dozes.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip::proto::MemberRow;
use gossip::proto::wire::{self, Content, Hello, Message, Nonce, Row};
use gossip::{Config, Event, Events, MemberInfo, MemberState, NodeId, Notice, PeerStatus, PortEvent};

use crate::hostile::Mallory;
use crate::tap::carries_runs;
use crate::wait::{event, events_until, eventually};
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

/// Who is a member comes back, whatever the application forgets: each step is told once.
#[tokio::test]
async fn a_peer_that_is_removed_comes_back_if_it_is_a_member() {
    let world = World::new(Wire::Memory, Disk::Memory);
    let [ann, bob] = group(&world, ["ann", "bob"], &Config::default()).await;
    // Nobody but the group wants the link.
    bob.node.disconnect("memory:ann").await.unwrap();
    let (id, mut events) = (bob.node.id().clone(), ann.events());
    assert!(ann.node.remove_peer(id.clone()).await.unwrap());
    let back = Event::PeerStatusChanged(id.clone(), PeerStatus::Reachable);
    let told = events_until(&mut events, |event| *event == back).await;
    let is_about = |event: &Event| {
        matches!(event, Event::PeerAdded(_) | Event::PeerRemoved(_) | Event::PeerStatusChanged(..))
            || matches!(event, Event::LinkUp(_) | Event::LinkDown(_))
    };
    let told: Vec<Event> = told.into_iter().filter(is_about).collect();
    let lost = Event::PeerStatusChanged(id.clone(), PeerStatus::Unreachable);
    let [down, removed] = [Event::LinkDown(id.clone()), Event::PeerRemoved(id.clone())];
    let [added, up] = [Event::PeerAdded(id.clone()), Event::LinkUp(id.clone())];
    assert_eq!(told, [down, lost, removed, added, up, back]);
    let member = ann.node.member(id).await.unwrap();
    assert_eq!(member.map(|bob| bob.status), Some(PeerStatus::Reachable));
    assert_eq!(ann.node.member("nobody").await.unwrap(), None);
}

/// Says hello until the device does.
async fn greet(world: &World, device: &Device) -> Mallory {
    let mallory = Mallory::meets(world, device, "mallory").await;
    let hello = |echo| Hello {
        min_version: 1,
        max_version: 3,
        node: "mallory".parse().unwrap(),
        scheme: 0,
        nonce: Nonce([7; 16]),
        echo,
        complete: echo.is_some(),
        paused: false,
    };
    let mut theirs = None;
    while theirs.is_none() {
        let PortEvent::Frame { bytes, .. } = mallory.port.recv().await.unwrap() else { continue };
        if let Ok(Content::Whole(Message::Hello(hello))) = wire::read(&bytes) {
            theirs = Some(hello.nonce);
        }
    }
    mallory.says(wire::write(&Message::Hello(hello(theirs)), 1)).await;
    mallory
}

/// An application is busy while it joins a large group: what it is told then waits for it.
#[tokio::test(flavor = "current_thread")]
async fn who_joins_a_large_group_at_once_misses_nobody() {
    const GROUP: usize = 600;
    let world = World::new(Wire::Memory, Disk::Memory);
    let ann = world.device_with("ann", |builder| builder.config(Config::default())).await;
    ann.stream().await;
    let mut events = ann.events();
    let mallory = greet(&world, &ann).await;
    let name = |number| NodeId::new(format!("n{number}")).unwrap();
    let row = |number| Row::Live {
        row: MemberRow { id: name(number), incarnation: 1, instance: 1, addresses: Vec::new() },
        doze: 0,
    };
    let rows: Vec<Row> = (0..GROUP).map(row).collect();
    for rows in rows.chunks(60) {
        mallory.says(wire::write(&Message::News(rows.to_vec()), 3)).await;
    }
    eventually("all are known", async || ann.node.members().await.unwrap().len() > GROUP).await;
    let mut told = BTreeSet::new();
    while told.len() < GROUP {
        match events.next().await.unwrap() {
            Notice::Lagged(missed) => panic!("{missed} notices were lost"),
            Notice::Event(Event::PeerStatusChanged(id, PeerStatus::Reachable))
                if id.as_str() != "mallory" =>
            {
                assert!(told.insert(id));
            }
            _ => {}
        }
    }
}
