//! A memory transport that shows what is received and can be made to take nothing.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{LocalNode, MessagePort, PeerAddr, PortError, PortEvent, Transport};
use gossip_transport_memory::MemoryTransport;
use tokio::sync::watch;

/// See the fields.
pub(crate) struct Tap {
    pub(crate) inner: MemoryTransport,
    /// Every frame received.
    pub(crate) frames: Arc<Mutex<Vec<Bytes>>>,
    /// While true, `send` waits.
    pub(crate) stuck: watch::Receiver<bool>,
}

impl Tap {
    pub(crate) fn new(inner: MemoryTransport) -> Self {
        Self { inner, frames: Arc::default(), stuck: watch::channel(false).1 }
    }
}

struct TapPort {
    inner: Arc<dyn MessagePort>,
    frames: Arc<Mutex<Vec<Bytes>>>,
    stuck: watch::Receiver<bool>,
}

#[async_trait]
impl Transport for Tap {
    fn name(&self) -> &str {
        "tap"
    }
    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        let inner = self.inner.open(local).await?;
        Ok(Arc::new(TapPort { inner, frames: self.frames.clone(), stuck: self.stuck.clone() }))
    }
}

#[async_trait]
impl MessagePort for TapPort {
    async fn recv(&self) -> Result<PortEvent, PortError> {
        let event = self.inner.recv().await?;
        if let PortEvent::Frame { bytes, .. } = &event {
            self.frames.lock().expect("frames").push(bytes.clone());
        }
        Ok(event)
    }
    async fn send(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), PortError> {
        let mut stuck = self.stuck.clone();
        // A sender that is gone leaves it as it is.
        let _ = stuck.wait_for(|stuck| !*stuck).await;
        self.inner.send(to, frame, class).await
    }
    async fn connect(&self, to: &PeerAddr) -> Result<(), PortError> {
        self.inner.connect(to).await
    }
    async fn forget(&self, address: &PeerAddr) {
        self.inner.forget(address).await;
    }
    async fn disconnect(&self, link: LinkId) {
        self.inner.disconnect(link).await;
    }
    fn local_addresses(&self) -> Vec<PeerAddr> {
        self.inner.local_addresses()
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
