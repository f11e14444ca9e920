//! A port whose every event is checked against the contract as it arrives.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use gossip_core::proto::NodeId;
use gossip_core::proto::node::{Class, Frame, LinkId, LinkLimits};
use gossip_core::{LocalNode, MessagePort, PeerAddr, PortEvent};
use tokio::time::timeout;

use super::{PortHarness, Reachable};

/// Nothing that a law waits for takes this long, even on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// An open port under test.
pub struct Probe {
    /// The port itself.
    pub port: Arc<dyn MessagePort>,
    /// Where others reach it.
    pub address: PeerAddr,
    /// Who opened it.
    pub id: NodeId,
    live: BTreeMap<LinkId, (NodeId, LinkLimits)>,
    used: BTreeSet<LinkId>,
}

/// Names of the nodes, in order.
const NAMES: [&str; 3] = ["ann", "bob", "cem"];

/// Opens as many ports as asked for, at most three.
pub(crate) async fn open<const N: usize>(harness: &dyn PortHarness) -> [Probe; N] {
    let mut probes = Vec::new();
    for (n, reachable) in harness.transports(N).await.into_iter().enumerate() {
        probes.push(Probe::open(&reachable, NAMES[n], 1).await);
    }
    probes.try_into().ok().expect("the harness gives as many transports as asked for")
}

/// Two ports, the link of each, and that link's limits.
pub(crate) async fn open_linked(harness: &dyn PortHarness) -> (Probe, Probe, LinkId, LinkId, LinkLimits) {
    let [mut ann, mut bob] = open(harness).await;
    let (to_bob, to_ann, limits) = link(&mut ann, &mut bob).await;
    (ann, bob, to_bob, to_ann, limits)
}

/// Links two ports that are not linked yet.
pub(crate) async fn link(ann: &mut Probe, bob: &mut Probe) -> (LinkId, LinkId, LinkLimits) {
    ann.connect(bob).await;
    let (to_bob, limits) = ann.up(&bob.id).await;
    let (to_ann, same) = bob.up(&ann.id).await;
    assert_eq!(limits.max_frame, same.max_frame, "the two ends of a link disagree");
    (to_bob, to_ann, limits)
}

impl Probe {
    /// Opens a port; panics when that fails.
    pub async fn open(at: &Reachable, name: &str, instance: u64) -> Self {
        let id: NodeId = name.parse().expect("names of probes are ids");
        let port = at.transport.open(LocalNode { id: id.clone(), instance }).await.expect("the port opens");
        Self { port, address: at.address.clone(), id, live: BTreeMap::new(), used: BTreeSet::new() }
    }

    /// Connects to another probe.
    pub async fn connect(&self, to: &Self) {
        self.port.connect(&to.address).await.expect("the address is understood");
    }

    /// The next event within the patience of all laws, checked.
    pub async fn next(&mut self) -> PortEvent {
        let event = timeout(PATIENCE, self.port.recv()).await;
        let event = event.unwrap_or_else(|_| panic!("{} waits for an event in vain", self.id));
        let event = event.expect("the port is open");
        self.check(&event);
        event
    }

    /// Checks an event that was received by other means.
    pub fn check(&mut self, event: &PortEvent) {
        match event {
            PortEvent::LinkUp { peer, link, limits } => {
                assert!(self.used.insert(*link), "{link:?} was used before");
                assert!(self.live.values().all(|(other, _)| other != peer), "a second link to {peer}");
                assert!(limits.max_frame >= LinkLimits::MIN_FRAME, "frames of {limits:?} are too small");
                self.live.insert(*link, (peer.clone(), *limits));
            }
            PortEvent::LinkDown { link } => {
                assert!(self.live.remove(link).is_some(), "{link:?} went down without being up");
            }
            PortEvent::Frame { link, bytes } => {
                let (_, limits) = self.live.get(link).expect("frames come over links that are up");
                assert!(!bytes.is_empty() && bytes.len() <= limits.max_frame, "{} bytes", bytes.len());
            }
            _ => {}
        }
    }

    /// Waits for a link to this peer; other events than frames and troubles are wrong.
    pub async fn up(&mut self, peer: &NodeId) -> (LinkId, LinkLimits) {
        loop {
            match self.next().await {
                PortEvent::LinkUp { peer: got, link, limits } => {
                    assert_eq!(got, *peer);
                    return (link, limits);
                }
                PortEvent::LinkDown { link } => panic!("{link:?} went down instead of a link coming up"),
                _ => {}
            }
        }
    }

    /// Waits for a link to go down, past whatever else happens.
    pub async fn down(&mut self, link: LinkId) {
        while self.live.contains_key(&link) {
            self.next().await;
        }
    }

    /// Waits for a frame; links must not change meanwhile.
    pub async fn frame(&mut self) -> (LinkId, Bytes) {
        loop {
            match self.next().await {
                PortEvent::Frame { link, bytes } => return (link, bytes),
                PortEvent::Trouble { .. } => {}
                event => panic!("{event:?} instead of a frame"),
            }
        }
    }

    /// Sends bytes over a link that is up.
    pub async fn send(&self, to: LinkId, bytes: impl Into<Bytes>) {
        let frame = Frame::from(bytes.into());
        let sent = timeout(PATIENCE, self.port.send(to, frame, Class::Live)).await;
        sent.expect("send ends").expect("the link takes a frame");
    }

    /// The link to a peer, as far as events told.
    #[must_use]
    pub fn link_to(&self, peer: &NodeId) -> Option<LinkId> {
        self.live.iter().find(|(_, (of, _))| of == peer).map(|(link, _)| *link)
    }
}

/// Sends one frame each way and waits for it.
pub(crate) async fn exchange(ann: &mut Probe, to_bob: LinkId, bob: &mut Probe, to_ann: LinkId) {
    ann.send(to_bob, &b"from ann"[..]).await;
    assert_eq!(bob.frame().await, (to_ann, Bytes::from_static(b"from ann")));
    bob.send(to_ann, &b"from bob"[..]).await;
    assert_eq!(ann.frame().await, (to_bob, Bytes::from_static(b"from bob")));
}

/// Waits until a link between two ports that may still come and go carries frames both ways.
pub(crate) async fn settle(ann: &mut Probe, bob: &mut Probe) -> (LinkId, LinkId) {
    let settling = async {
        let (mut heard_by_ann, mut heard_by_bob) = (None, None);
        loop {
            if let (Some(one), Some(other)) = (ann.link_to(&bob.id), bob.link_to(&ann.id))
                && (heard_by_ann, heard_by_bob) == (Some(one), Some(other))
            {
                return (one, other);
            }
            // Again and again, since a frame may have gone into a link that was about to go down.
            for (from, to) in [(&*ann, &*bob), (&*bob, &*ann)] {
                if let Some(link) = from.link_to(&to.id) {
                    let _ = from.port.send(link, vec![0].into(), Class::Urgent).await;
                }
            }
            tokio::select! {
                event = ann.next() => note(&mut heard_by_ann, event),
                event = bob.next() => note(&mut heard_by_bob, event),
            }
        }
    };
    timeout(PATIENCE, settling).await.expect("the ports settle on one link")
}

fn note(heard: &mut Option<LinkId>, event: PortEvent) {
    match event {
        PortEvent::Frame { link, .. } => *heard = Some(link),
        PortEvent::LinkDown { .. } => *heard = None,
        _ => {}
    }
}
