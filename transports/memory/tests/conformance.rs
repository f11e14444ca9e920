//! The laws every transport keeps.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::sync::Arc;

use gossip_testkit::port::{PortHarness, Reachable};
use gossip_transport_memory::MemoryNetwork;

struct Memory;

#[async_trait::async_trait]
impl PortHarness for Memory {
    async fn transports(&self, count: usize) -> Vec<Reachable> {
        let network = MemoryNetwork::new(1);
        let at = |n: usize| Reachable {
            transport: Arc::new(network.transport(&format!("p{n}"))),
            address: format!("memory:p{n}").parse().unwrap(),
        };
        (0..count).map(at).collect()
    }

    fn malformed(&self) -> Vec<&'static str> {
        vec!["memory:", "memory: "]
    }

    fn perfect_when_calm(&self) -> bool {
        true
    }
}

gossip_testkit::port_conformance!(Memory);
