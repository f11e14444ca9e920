//! The recipe.

use std::sync::Arc;

use async_trait::async_trait;
use gossip_core::{LocalNode, MessagePort, PeerAddr, PortError, Transport};

use crate::MemoryNetwork;
use crate::port::MemoryPort;

/// One place in a [`MemoryNetwork`]; made by [`MemoryNetwork::transport`].
#[derive(Debug, Clone)]
pub struct MemoryTransport {
    network: MemoryNetwork,
    name: String,
}

impl MemoryTransport {
    pub(crate) fn new(network: MemoryNetwork, name: &str) -> Self {
        Self { network, name: name.to_owned() }
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    fn name(&self) -> &str {
        "memory"
    }

    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        let text = format!("memory:{}", self.name);
        let wrong = || PortError::Option { option: "name", detail: "is not usable in an address".into() };
        let address: PeerAddr = text.parse().map_err(|_| wrong())?;
        if address.rest() != self.name || self.name.trim().is_empty() {
            return Err(wrong());
        }
        let opened = self.network.lock().open(&self.name, local);
        let Some((serial, wake)) = opened else {
            return Err(PortError::Listen { address: text, detail: "another port has this name".into() });
        };
        Ok(Arc::new(MemoryPort { network: self.network.clone(), address, serial, wake }))
    }
}
