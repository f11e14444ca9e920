//! A transport that keeps every frame.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gossip::proto::node::{Class, Frame, LinkId};
use gossip::{LocalNode, MessagePort, PeerAddr, PortError, PortEvent, Transport};

/// Frames that passed a port.
#[derive(Clone, Default)]
pub(crate) struct Tap(Arc<Mutex<(Vec<Bytes>, Vec<Bytes>)>>);

impl Tap {
    pub(crate) fn received(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().0.clone()
    }

    /// The parts of all frames sent.
    pub(crate) fn sent(&self) -> Vec<Bytes> {
        self.0.lock().unwrap().1.clone()
    }
}

/// Whether the bytes lie in the memory of one of the buffers.
pub(crate) fn is_within(part: &Bytes, wholes: &[Bytes]) -> bool {
    let part = part.as_ptr_range();
    wholes
        .iter()
        .map(|whole| whole.as_ptr_range())
        .any(|whole| whole.start <= part.start && part.end <= whole.end)
}

/// A transport with a tap.
pub(crate) struct Tapped {
    inner: Arc<dyn Transport>,
    tap: Tap,
}

impl Tapped {
    pub(crate) fn new(inner: Arc<dyn Transport>, tap: Tap) -> Self {
        Self { inner, tap }
    }
}

#[async_trait]
impl Transport for Tapped {
    fn name(&self) -> &str {
        self.inner.name()
    }

    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        Ok(Arc::new(TappedPort { inner: self.inner.open(local).await?, tap: self.tap.clone() }))
    }
}

struct TappedPort {
    inner: Arc<dyn MessagePort>,
    tap: Tap,
}

#[async_trait]
impl MessagePort for TappedPort {
    async fn recv(&self) -> Result<PortEvent, PortError> {
        let event = self.inner.recv().await?;
        if let PortEvent::Frame { bytes, .. } = &event {
            self.tap.0.lock().unwrap().0.push(bytes.clone());
        }
        Ok(event)
    }

    async fn send(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), PortError> {
        self.tap.0.lock().unwrap().1.extend(frame.parts().iter().cloned());
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
