//! A transport around a transport.

use std::sync::Arc;

use async_trait::async_trait;
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{LocalNode, MessagePort, PeerAddr, PortError, PortEvent, Transport};

/// What a test does between a node and its port. Without overrides everything passes.
#[async_trait]
pub trait PortHooks: Send + Sync + 'static {
    /// Sees an event before the node does.
    fn received(&self, _event: &PortEvent) {}

    /// Decides what becomes of a frame on its way out: the frame to send, `None` when it vanishes
    /// unnoticed, or an error for the node. While it waits the link takes nothing. Cancelled with
    /// the send; what it did until then stays.
    async fn sending(&self, _to: LinkId, frame: Frame) -> Result<Option<Frame>, PortError> {
        Ok(Some(frame))
    }

    /// Says where the port can be reached.
    fn addresses(&self, known: Vec<PeerAddr>) -> Vec<PeerAddr> {
        known
    }
}

/// A transport that opens the ports of another, with hooks on each.
pub struct TransportDouble {
    inner: Arc<dyn Transport>,
    hooks: Arc<dyn PortHooks>,
}

impl TransportDouble {
    /// A double of a transport; the test keeps its own clone of the hooks.
    pub fn new(inner: Arc<dyn Transport>, hooks: Arc<dyn PortHooks>) -> Self {
        Self { inner, hooks }
    }
}

#[async_trait]
impl Transport for TransportDouble {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        Ok(Arc::new(PortDouble { inner: self.inner.open(local).await?, hooks: self.hooks.clone() }))
    }
}

struct PortDouble {
    inner: Arc<dyn MessagePort>,
    hooks: Arc<dyn PortHooks>,
}

#[async_trait]
impl MessagePort for PortDouble {
    async fn recv(&self) -> Result<PortEvent, PortError> {
        let event = self.inner.recv().await?;
        self.hooks.received(&event);
        Ok(event)
    }

    async fn send(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), PortError> {
        match self.hooks.sending(to, frame).await? {
            Some(frame) => self.inner.send(to, frame, class).await,
            None => Ok(()),
        }
    }

    async fn connect(&self, to: &PeerAddr) -> Result<(), PortError> {
        self.inner.connect(to).await
    }

    fn hurry(&self) {
        self.inner.hurry();
    }

    fn renew(&self, link: LinkId) {
        self.inner.renew(link);
    }

    async fn forget(&self, address: &PeerAddr) {
        self.inner.forget(address).await;
    }

    async fn disconnect(&self, link: LinkId) {
        self.inner.disconnect(link).await;
    }

    fn local_addresses(&self) -> Vec<PeerAddr> {
        self.hooks.addresses(self.inner.local_addresses())
    }

    fn pending(&self, to: LinkId) -> usize {
        self.inner.pending(to)
    }

    fn accepts(&self, address: &PeerAddr) -> bool {
        self.inner.accepts(address)
    }

    async fn close(&self) {
        self.inner.close().await;
    }
}
