//! The live endpoint: every call is one visit to the network's state.

use std::sync::Arc;

use async_trait::async_trait;
use gossip_core::proto::node::{Class, Frame, LinkId};
use gossip_core::{MessagePort, PeerAddr, PortError, PortEvent};
use tokio::sync::Notify;
use tokio::time::sleep_until;

use crate::MemoryNetwork;
use crate::state::{State, Step};

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

    /// Visits the state, unless this port was closed.
    fn visit<T>(&self, act: impl FnOnce(&mut State, &str) -> T) -> Result<T, PortError> {
        let mut state = self.network.lock();
        state.port(self.name(), self.serial).ok_or(PortError::Closed)?;
        Ok(act(&mut state, self.name()))
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
        let fits = self.accepts(to) && !to.rest().trim().is_empty();
        self.visit(|state, name| {
            if !fits {
                return Err(PortError::Address { address: to.to_string() });
            }
            state.connect(name, to.rest());
            Ok(())
        })?
    }

    fn hurry(&self) {
        // A closed port dials nobody.
        let _ = self.visit(|state, name| state.hurry(name));
    }

    async fn forget(&self, address: &PeerAddr) {
        // A closed port has nothing to forget.
        let _ = self.visit(|state, name| state.forget(name, address.rest()));
    }

    async fn disconnect(&self, link: LinkId) {
        // A closed port has no links.
        let _ = self.visit(|state, name| state.end_link(name, link));
    }

    fn local_addresses(&self) -> Vec<PeerAddr> {
        self.visit(|_, _| vec![self.address.clone()]).unwrap_or_default()
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
