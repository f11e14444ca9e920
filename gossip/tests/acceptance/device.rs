//! One node, what it stands on, and what two of them must agree on.

use gossip::{Coordinator, EntryId, Event, EventStream, Events, Peer, PeerInfo, PeerStatus, Stamp};

use crate::tap::Tap;
use crate::wait::{event, eventually};
use crate::world::Shelf;

/// One node and what it stands on.
pub(crate) struct Device {
    pub(crate) name: String,
    pub(crate) node: Coordinator,
    pub(crate) shelf: Shelf,
    pub(crate) tap: Tap,
}

/// What two replicas must agree on: names, stamps, bytes, and the order of it all.
pub(crate) type Record = (EntryId, Stamp, Vec<u8>);

impl Device {
    /// The stream most tests use.
    pub(crate) async fn stream(&self) -> EventStream {
        self.stream_of("room", "log").await
    }

    pub(crate) async fn stream_of(&self, channel: &str, stream: &str) -> EventStream {
        self.node.channel(channel).await.unwrap().stream(stream).await.unwrap()
    }

    pub(crate) fn events(&self) -> Events {
        self.node.events()
    }

    /// Appends so many entries, one after the other.
    pub(crate) async fn write(&self, count: usize) {
        let stream = self.stream().await;
        for n in 0..count {
            stream.append(format!("{} {n}", self.name)).await.unwrap();
        }
    }

    pub(crate) async fn records(&self) -> Vec<Record> {
        records(&self.stream().await).await
    }

    pub(crate) async fn peer(&self, other: &Device) -> Option<PeerInfo> {
        let peers = self.node.peers().await.unwrap();
        peers.into_iter().find(|peer| peer.id == *other.node.id())
    }

    /// Waits until the other is reachable.
    pub(crate) async fn reaches(&self, other: &Device) {
        let what = format!("{} reaches {}", self.name, other.name);
        eventually(&what, async || {
            let peer = self.peer(other).await;
            peer.is_some_and(|peer| peer.status == PeerStatus::Reachable)
        })
        .await;
    }

    /// Waits until the other has no link any more.
    pub(crate) async fn loses(&self, other: &Device) {
        let what = format!("{} loses {}", self.name, other.name);
        eventually(&what, async || self.peer(other).await.is_none_or(|peer| peer.links.is_empty())).await;
    }

    /// Remembers the other, with an address it has now.
    pub(crate) fn card(&self) -> Peer {
        let addresses = self.node.local_addresses().iter().map(ToString::to_string).collect();
        Peer { addresses, ..Peer::new(self.node.id().clone()).unwrap() }
    }
}

pub(crate) async fn records(stream: &EventStream) -> Vec<Record> {
    let entries = stream.read_all().await.unwrap().collect().await.unwrap();
    entries.iter().map(|entry| (entry.id(), entry.stamp(), entry.payload().to_vec())).collect()
}

/// Payloads as text.
pub(crate) async fn texts(stream: &EventStream) -> Vec<String> {
    let records = records(stream).await;
    records.into_iter().map(|(_, _, bytes)| String::from_utf8(bytes).unwrap()).collect()
}

/// Waits until a stream holds so many entries.
pub(crate) async fn holds(stream: &EventStream, count: usize) {
    let what = format!("{stream:?} holds {count} entries");
    eventually(&what, async || stream.usage().await.unwrap().entries as usize >= count).await;
}

/// Waits until all hold so many entries in the usual stream, then compares every one of them.
pub(crate) async fn converge(devices: &[&Device], count: usize) -> Vec<Record> {
    // All take part before any is waited for: some may be reached only through others.
    let mut streams = Vec::new();
    for device in devices {
        streams.push(device.stream().await);
    }
    for stream in &streams {
        holds(stream, count).await;
    }
    let first = devices[0].records().await;
    assert_eq!(first.len(), count, "on {}", devices[0].name);
    for device in &devices[1..] {
        assert_eq!(device.records().await, first, "{} differs from {}", device.name, devices[0].name);
    }
    first
}

/// Waits until two neighbours know that they hold the same.
pub(crate) async fn in_sync(a: &Device, b: &Device) {
    for (one, other) in [(a, b), (b, a)] {
        let what = format!("{} knows that {} holds the same", one.name, other.name);
        eventually(&what, async || {
            let peer = one.peer(other).await;
            peer.is_some_and(|peer| peer.channels > 0 && peer.channels == peer.in_sync)
        })
        .await;
    }
}

/// The first merge told of the usual stream.
pub(crate) async fn merged(events: &mut Events) -> Event {
    event(events, "a merge", |event| matches!(event, Event::EntriesMerged { .. }).then(|| event.clone()))
        .await
}
