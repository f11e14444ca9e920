//! The live endpoint: every call is one visit to the network's state.

use std::sync::Arc;

use async_trait::async_trait;
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{MessagePort, PeerAddr, PortError, PortEvent};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::MemoryNetwork;
use crate::state::Step;

#[derive(Debug)]
pub(crate) struct MemoryPort {
    pub(crate) network: MemoryNetwork,
    pub(crate) address: PeerAddr,
    pub(crate) serial: u64,
    pub(crate) wake: Arc<Notify>,
}

impl MemoryPort {
    fn name(&self) -> &str {
        self.address.rest()
    }

    fn is_open(&self) -> bool {
        self.network.lock().port(self.name(), self.serial).is_some()
    }

    fn step(&self) -> Step {
        self.network.lock().step(self.name(), self.serial)
    }
}

#[async_trait]
impl MessagePort for MemoryPort {
    async fn recv(&self) -> Result<PortEvent, PortError> {
        loop {
            match self.step() {
                Step::Event(event) => return Ok(event),
                Step::Closed => {
                    // Whoever else waits shall see it too.
                    self.wake.notify_one();
                    return Err(PortError::Closed);
                }
                Step::Wait(None) => self.wake.notified().await,
                Step::Wait(Some(at)) => tokio::select! {
                    () = self.wake.notified() => {}
                    () = sleep_until(at) => {}
                },
            }
        }
    }

    async fn send(&self, to: LinkId, frame: Frame, _class: Class) -> Result<(), PortError> {
        self.network.lock().carry(self.name(), self.serial, to, frame)
    }

    async fn connect(&self, to: &PeerAddr) -> Result<(), PortError> {
        if !self.is_open() {
            return Err(PortError::Closed);
        }
        if !self.accepts(to) || to.rest().trim().is_empty() {
            return Err(PortError::Address { address: to.to_string() });
        }
        self.network.lock().connect(self.name(), to.rest());
        Ok(())
    }

    async fn forget(&self, address: &PeerAddr) {
        if self.is_open() {
            self.network.lock().forget(self.name(), address.rest());
        }
    }

    async fn disconnect(&self, link: LinkId) {
        if self.is_open() {
            self.network.lock().end_link(self.name(), link);
        }
    }

    fn local_addresses(&self) -> Vec<PeerAddr> {
        if self.is_open() { vec![self.address.clone()] } else { Vec::new() }
    }

    fn pending(&self, to: LinkId) -> usize {
        self.network.lock().pending(self.name(), self.serial, to)
    }

    fn accepts(&self, address: &PeerAddr) -> bool {
        address.scheme() == "memory"
    }

    async fn close(&self) {
        self.network.lock().close(self.name(), self.serial);
    }
}

impl Drop for MemoryPort {
    /// A port dropped without `close` must not keep its name for ever.
    fn drop(&mut self) {
        self.network.lock().close(self.name(), self.serial);
    }
}
