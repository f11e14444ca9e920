//! The laws every transport keeps.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use gossip_testkit::port::{PortHarness, Reachable};
use gossip_transport_tcp::TcpTransport;

struct Tcp;

/// A loopback address of this process and call alone, where the system has that many: a port that
/// is free on it stays free, since nobody else's connections begin there.
fn own_loopback() -> String {
    static CALLS: AtomicU32 = AtomicU32::new(1);
    if !cfg!(target_os = "linux") {
        return "127.0.0.1".to_owned();
    }
    let [_, _, high, low] = std::process::id().to_be_bytes();
    let [.., call] = CALLS.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    format!("127.{}.{low}.{}", high | 1, call.clamp(1, 254))
}

#[async_trait::async_trait]
impl PortHarness for Tcp {
    async fn transports(&self, count: usize) -> Vec<Reachable> {
        let free = |_| TcpListener::bind((own_loopback().as_str(), 0)).unwrap().local_addr().unwrap();
        let at = |free: std::net::SocketAddr| Reachable {
            transport: Arc::new(TcpTransport::listen(free.to_string())),
            address: format!("tcp://{free}").parse().unwrap(),
        };
        (0..count).map(free).map(at).collect()
    }

    fn malformed(&self) -> Vec<&'static str> {
        vec![
            "tcp:",
            "tcp://127.0.0.1",
            "tcp://127.0.0.1:0",
            "tcp://127.0.0.1:99999",
            "tcp://:7400",
            "tcp://a b:1",
        ]
    }
}

gossip_testkit::port_conformance!(Tcp);
