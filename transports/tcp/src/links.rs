//! The links of a port: at most one per peer.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_core::PortError;
use gossip_core::proto::NodeId;
use gossip_core::proto::node::{LinkId, LinkLimits};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::watch;

use crate::link::Link;
use crate::outbox::Outbox;
use crate::rivalry::Connection;

#[derive(Debug)]
pub(crate) struct Links {
    table: Mutex<Table>,
    changed: watch::Sender<()>,
    max: usize,
}

#[derive(Debug, Default)]
struct Table {
    by_id: HashMap<LinkId, Arc<Link>>,
    by_peer: HashMap<NodeId, LinkId>,
    last_id: u64,
    closed: bool,
}

/// Why a connection does not become a link.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum NotAdmitted {
    /// There is a better one to the same peer.
    Duplicate,
    /// There are as many links as allowed.
    Full,
    /// The port is closing.
    Closed,
}

/// One look at the table on behalf of a new connection.
enum Look {
    Admitted(Arc<Link>),
    /// It replaces this one, which has to end first.
    After(Arc<Link>),
    Not(NotAdmitted),
}

impl Links {
    pub(crate) fn new(max: u32) -> Self {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Self { table: Mutex::default(), changed: watch::Sender::new(()), max }
    }

    /// Makes a connection the link to its peer, once the one that it replaces has ended.
    pub(crate) async fn admit(
        &self,
        peer: &NodeId,
        connection: &Connection,
        limits: LinkLimits,
        target: Option<&str>,
        socket: OwnedWriteHalf,
    ) -> Result<Arc<Link>, NotAdmitted> {
        let mut socket = Some(socket);
        loop {
            let make = |id| {
                let outbox = Outbox::new(socket.take()?);
                let target = target.map(str::to_owned);
                Some(Arc::new(Link::new(id, peer.clone(), connection.clone(), limits, target, outbox)))
            };
            match self.look(peer, connection, make) {
                Look::Admitted(link) => return Ok(link),
                Look::After(old) => {
                    old.stop();
                    self.until(|table| !table.by_id.contains_key(&old.id)).await;
                }
                Look::Not(reason) => return Err(reason),
            }
        }
    }

    fn look(
        &self,
        peer: &NodeId,
        connection: &Connection,
        make: impl FnOnce(LinkId) -> Option<Arc<Link>>,
    ) -> Look {
        let mut table = self.lock();
        if table.closed {
            return Look::Not(NotAdmitted::Closed);
        }
        if let Some(old) = table.by_peer.get(peer).and_then(|id| table.by_id.get(id)) {
            let wins = connection.replaces(&old.connection);
            return if wins { Look::After(old.clone()) } else { Look::Not(NotAdmitted::Duplicate) };
        }
        if table.by_id.len() >= self.max {
            return Look::Not(NotAdmitted::Full);
        }
        table.last_id += 1;
        let Some(link) = make(LinkId(table.last_id)) else { return Look::Not(NotAdmitted::Closed) };
        table.by_id.insert(link.id, link.clone());
        table.by_peer.insert(peer.clone(), link.id);
        Look::Admitted(link)
    }

    pub(crate) fn find(&self, id: LinkId) -> Result<Arc<Link>, PortError> {
        self.lock().by_id.get(&id).cloned().ok_or(PortError::UnknownLink)
    }

    /// Addresses of this machine that links lead from.
    pub(crate) fn ends(&self) -> Vec<IpAddr> {
        self.lock().by_id.values().filter_map(|link| link.outbox.end()).collect()
    }

    pub(crate) fn remove(&self, link: &Link) {
        let mut table = self.lock();
        table.by_id.remove(&link.id);
        table.by_peer.remove(&link.peer);
        drop(table);
        self.changed.send_replace(());
    }

    /// Ends all links and admits no more.
    pub(crate) async fn close(&self) {
        {
            let mut table = self.lock();
            table.closed = true;
            table.by_id.values().for_each(|link| link.stop());
        }
        self.until(|table| table.by_id.is_empty()).await;
    }

    /// Waits until there is no link to a peer.
    pub(crate) async fn until_unlinked(&self, peer: &NodeId) {
        self.until(|table| !table.by_peer.contains_key(peer)).await;
    }

    async fn until(&self, condition: impl Fn(&Table) -> bool) {
        let mut changes = self.changed.subscribe();
        while !condition(&self.lock()) {
            // The sender is part of `self`, so this cannot fail.
            let _ = changes.changed().await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
