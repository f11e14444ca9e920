//! Ports and their links: names for the node, an outbox and a pump for each.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use gossip_proto::NodeId;
use gossip_proto::node::{Class, Frame, LinkId, LinkLimits};
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::outbox::Outbox;
use crate::events::Notice;
use crate::handle::Shared;
use crate::{MessagePort, PortError, PortEvent};

/// A port that was opened, with a name that is never used again.
pub(super) struct OpenPort {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) port: Arc<dyn MessagePort>,
}

/// How long a closing link may take for its last frames.
pub(super) const FAREWELL: Duration = Duration::from_millis(500);

/// To more links the pumps write beside each other, and the driver goes on meanwhile.
const FEW_LINKS: usize = 8;

/// Something from a port; `None` when it has ended.
pub(super) type FromPort = (Arc<OpenPort>, Option<PortEvent>);

/// Reads a port until it is closed.
pub(super) async fn read(port: Arc<OpenPort>, to: mpsc::Sender<FromPort>, shared: Arc<Shared>) {
    loop {
        match port.port.recv().await {
            Ok(PortEvent::Trouble { detail }) => {
                tracing::info!(transport = port.name, detail, "transport trouble");
                shared.listeners.tell(Notice::Trouble { transport: port.name.clone(), detail });
            }
            Ok(event) => {
                if to.send((port.clone(), Some(event))).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                if error != PortError::Closed {
                    tracing::warn!(transport = port.name, %error, "a transport ended");
                    let (transport, detail) = (port.name.clone(), error.to_string());
                    shared.listeners.tell(Notice::Trouble { transport, detail });
                }
                // The driver may have ended before.
                let _ = to.send((port, None)).await;
                return;
            }
        }
    }
}

struct Link {
    port: Arc<OpenPort>,
    local: LinkId,
    outbox: Arc<Outbox>,
    pump: JoinHandle<()>,
}

/// All links, by the names the node knows them by.
pub(super) struct Links {
    shared: Arc<Shared>,
    links: BTreeMap<LinkId, Link>,
    names: HashMap<(u64, LinkId), LinkId>,
    congested: BTreeSet<LinkId>,
    relieved: Arc<Notify>,
    linked: Arc<Notify>,
    next: u64,
}

impl Links {
    pub(super) fn new(shared: Arc<Shared>, relieved: Arc<Notify>, linked: Arc<Notify>) -> Self {
        Self {
            shared,
            links: BTreeMap::new(),
            names: HashMap::new(),
            congested: BTreeSet::new(),
            relieved,
            linked,
            next: 1,
        }
    }

    /// Names a new link and starts its pump.
    pub(super) fn up(
        &mut self,
        port: &Arc<OpenPort>,
        local: LinkId,
        peer: &NodeId,
        limits: LinkLimits,
    ) -> LinkId {
        let name = LinkId(self.next);
        self.next += 1;
        tracing::debug!(transport = port.name, %peer, link = name.0, ?limits, "link up");
        let outbox = Arc::new(Outbox::new(self.shared.clone(), self.relieved.clone()));
        let pump = tokio::spawn(pump(port.clone(), local, outbox.clone(), self.shared.clone()));
        self.links.insert(name, Link { port: port.clone(), local, outbox, pump });
        self.names.insert((port.id, local), name);
        self.linked.notify_one();
        name
    }

    /// The node's name for a port's link.
    pub(super) fn name(&self, port: &OpenPort, local: LinkId) -> Option<LinkId> {
        self.names.get(&(port.id, local)).copied()
    }

    /// Forgets a link that is down.
    pub(super) fn down(&mut self, name: LinkId) {
        if let Some(link) = self.links.remove(&name) {
            tracing::debug!(link = name.0, "link down");
            self.names.remove(&(link.port.id, link.local));
            self.congested.remove(&name);
            link.pump.abort();
        }
    }

    /// Links of a port that has ended.
    pub(super) fn of_port(&self, port: &OpenPort) -> Vec<LinkId> {
        self.links.iter().filter(|(_, link)| link.port.id == port.id).map(|(name, _)| *name).collect()
    }

    /// Sends a frame, or queues it where it would have to wait; `true` when the link has just become
    /// congested.
    pub(super) fn send(&mut self, name: LinkId, mut frame: Frame, class: Class) -> bool {
        let are_few = self.links.len() <= FEW_LINKS;
        let Some(link) = self.links.get(&name) else { return false };
        // Nothing else fills an outbox: one that is idle stays so meanwhile.
        if are_few && link.outbox.is_idle() {
            match link.port.port.send_at_once(link.local, frame, class) {
                Ok(()) => return false,
                Err(back) => frame = back,
            }
        }
        let newly = link.outbox.push(frame, class);
        if newly {
            self.congested.insert(name);
        }
        newly
    }

    /// Links that were congested and have drained.
    pub(super) fn relieved(&mut self) -> Vec<LinkId> {
        let drained = |name: &LinkId| self.links.get(name).is_none_or(|link| !link.outbox.is_congested());
        let relieved: Vec<_> = self.congested.iter().copied().filter(drained).collect();
        for name in &relieved {
            self.congested.remove(name);
        }
        relieved
    }

    /// Closes a link once its outbox is empty; its `LinkDown` follows.
    pub(super) fn close(&self, name: LinkId) {
        if let Some(link) = self.links.get(&name) {
            link.outbox.finish();
        }
    }

    /// Has its port try another way beside a link.
    pub(super) fn renew(&self, name: LinkId) {
        if let Some(link) = self.links.get(&name) {
            link.port.port.renew(link.local);
        }
    }

    /// Closes all links once their outboxes are empty.
    pub(super) fn close_all(&self) {
        for link in self.links.values() {
            link.outbox.finish();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }
}

impl Drop for Links {
    fn drop(&mut self) {
        for link in self.links.values() {
            link.pump.abort();
        }
    }
}

/// Hands the frames of one outbox to the port, then closes the link.
async fn pump(port: Arc<OpenPort>, local: LinkId, outbox: Arc<Outbox>, shared: Arc<Shared>) {
    let hurry = async {
        outbox.finishing().await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        () = drain(&port, local, &outbox, &shared) => {}
        // A peer that takes nothing must not keep its link open.
        () = hurry => {}
    }
    port.port.disconnect(local).await;
}

async fn drain(port: &OpenPort, local: LinkId, outbox: &Outbox, shared: &Shared) {
    while let Some((frame, class)) = outbox.next().await {
        match port.port.send(local, frame, class).await {
            Ok(()) => {}
            // The link's end is told by the port.
            Err(PortError::UnknownLink | PortError::Closed) => return,
            Err(error) => {
                tracing::warn!(transport = port.name, %error, "frame dropped");
                shared.meters.outbox_dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}
