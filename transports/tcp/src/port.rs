//! The live endpoint.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{LocalNode, MessagePort, PeerAddr, PortError, PortEvent};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::timeout;

use crate::dial::{self, Haste};
use crate::inbox::{self, Receiver};
use crate::link::Link;
use crate::shared::Shared;
use crate::{TcpOptions, accept, address};

/// How long links may take to end when the port closes.
const CLOSE_WITHIN: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct TcpPort {
    shared: Arc<Shared>,
    receiver: Receiver,
    /// Where it listens.
    bound: Option<SocketAddr>,
    dials: Mutex<HashMap<String, Dial>>,
}

/// An address that is kept linked.
#[derive(Debug)]
struct Dial {
    task: AbortHandle,
    hurry: watch::Sender<Haste>,
}

impl TcpPort {
    pub(crate) fn start(local: LocalNode, options: TcpOptions, listener: Option<TcpListener>) -> Self {
        let (inbox, receiver) = inbox::channel();
        let shared = Arc::new(Shared::new(local, options, inbox));
        let bound = listener.as_ref().and_then(|listener| listener.local_addr().ok());
        if let Some(listener) = listener {
            shared.spawn(accept::accept(shared.clone(), listener));
        }
        Self { shared, receiver, bound, dials: Mutex::default() }
    }

    fn check_open(&self) -> Result<(), PortError> {
        if self.receiver.is_closed() { Err(PortError::Closed) } else { Ok(()) }
    }

    /// The link, if it may carry the frame.
    fn link_for(&self, to: LinkId, frame: &Frame) -> Result<Arc<Link>, PortError> {
        self.check_open()?;
        let link = self.shared.links.find(to)?;
        let (len, limit) = (frame.len(), link.limits.max_frame);
        match len {
            0 => Err(PortError::EmptyFrame),
            _ if len > limit => Err(PortError::FrameTooLarge { len, limit }),
            _ => Ok(link),
        }
    }

    fn dials(&self) -> MutexGuard<'_, HashMap<String, Dial>> {
        self.dials.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MessagePort for TcpPort {
    async fn recv(&self) -> Result<PortEvent, PortError> {
        self.receiver.next().await.ok_or(PortError::Closed)
    }

    async fn send(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), PortError> {
        self.link_for(to, &frame)?.outbox.send(frame, class).await
    }

    fn send_at_once(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), Frame> {
        match self.link_for(to, &frame) {
            Ok(link) => link.outbox.send_at_once(frame, class),
            Err(_) => Err(frame),
        }
    }

    async fn connect(&self, to: &PeerAddr) -> Result<(), PortError> {
        self.check_open()?;
        let target = address::target(to)?;
        let mut dials = self.dials();
        match dials.entry(target) {
            Entry::Occupied(occupied) => _ = occupied.get().hurry.send_replace(Haste::Once),
            Entry::Vacant(vacant) => {
                let (hurry, hurried) = watch::channel(Haste::Once);
                let task = dial::keep_linked(self.shared.clone(), vacant.key().clone(), hurried);
                let task = self.shared.spawn(task).ok_or(PortError::Closed)?;
                vacant.insert(Dial { task, hurry });
            }
        }
        Ok(())
    }

    fn hurry(&self) {
        self.dials().values().for_each(|dial| _ = dial.hurry.send_replace(Haste::Anew));
    }

    fn renew(&self, link: LinkId) {
        self.shared.links.find(link).into_iter().for_each(|link| link.renew(&self.shared));
    }

    async fn forget(&self, address: &PeerAddr) {
        if let Some(dial) = address::target(address).ok().and_then(|target| self.dials().remove(&target)) {
            dial.task.abort();
        }
    }

    async fn disconnect(&self, link: LinkId) {
        if let Ok(link) = self.shared.links.find(link) {
            link.stop();
        }
    }

    fn local_addresses(&self) -> Vec<PeerAddr> {
        match self.bound.filter(|_| !self.receiver.is_closed()) {
            Some(bound) => address::of_listener(bound, self.shared.links.ends()),
            None => Vec::new(),
        }
    }

    fn pending(&self, to: LinkId) -> usize {
        self.shared.links.find(to).map_or(0, |link| link.outbox.pending())
    }

    fn accepts(&self, address: &PeerAddr) -> bool {
        address.scheme() == address::SCHEME
    }

    async fn close(&self) {
        if !self.receiver.close().await {
            return;
        }
        let tasks = self.shared.take_tasks();
        self.dials().clear();
        let _ = timeout(CLOSE_WITHIN, self.shared.links.close()).await;
        if let Some(mut tasks) = tasks {
            tasks.shutdown().await;
        }
    }
}

impl Drop for TcpPort {
    /// Tasks hold what the port holds, so a port dropped without `close` has to end them itself.
    fn drop(&mut self) {
        drop(self.shared.take_tasks());
    }
}
