//! What can be set.

use std::time::Duration;

use gossip_core::PortError;
use gossip_core::proto::node::LinkLimits;
use serde::Deserialize;

/// Shortest keepalive interval, ours or a peer's.
pub(crate) const SHORTEST_KEEPALIVE_MS: u32 = 10;
const LONGEST_KEEPALIVE_MS: u32 = 3_600_000;
const LARGEST_FRAME: u32 = 256 << 20;

/// Options of the TCP transport; also those of `kind = "tcp"` in a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TcpOptions {
    /// Where to listen, as in `0.0.0.0:7400`; port 0 lets the system choose. Default: nowhere.
    pub listen: Option<String>,
    /// Largest frame in bytes; with each peer the smaller of both counts. Default: 1 MiB + 64 KiB.
    pub max_frame: u32,
    /// A link on which nothing was sent for this long sends a sign of life; one on which nothing was
    /// heard for three times as long is closed. With each peer the smaller of both counts.
    /// Default: 5,000.
    pub keepalive_ms: u32,
    /// How long a new connection may take to say who it is. Default: 10,000.
    pub hello_ms: u32,
    /// Links at once. Default: 1,024.
    pub max_links: u32,
    /// Incoming connections at once that have not said yet who they are. Default: 64.
    pub max_handshakes: u32,
    /// What its links cost, as in [`LinkLimits::cost`]: of several links to one peer the cheapest is used, and less
    /// may be chosen to be exchanged over expensive ones. Default: 10.
    pub cost: u8,
}

impl Default for TcpOptions {
    fn default() -> Self {
        Self {
            listen: None,
            max_frame: (1 << 20) + (64 << 10),
            keepalive_ms: 5_000,
            hello_ms: 10_000,
            max_links: 1_024,
            max_handshakes: 64,
            cost: 10,
        }
    }
}

impl TcpOptions {
    /// Checks every bound.
    ///
    /// # Errors
    /// [`PortError::Option`] names the first option that is out of bounds.
    pub fn validate(&self) -> Result<(), PortError> {
        let bounds = [
            ("max_frame", self.max_frame, LinkLimits::MIN_FRAME as u32, LARGEST_FRAME),
            ("keepalive_ms", self.keepalive_ms, SHORTEST_KEEPALIVE_MS, LONGEST_KEEPALIVE_MS),
            ("hello_ms", self.hello_ms, 1, LONGEST_KEEPALIVE_MS),
            ("max_links", self.max_links, 1, u32::MAX),
            ("max_handshakes", self.max_handshakes, 1, 1 << 16),
        ];
        match bounds.into_iter().find(|(_, value, low, high)| value < low || value > high) {
            Some((option, value, low, high)) => {
                Err(PortError::Option { option, detail: format!("{value} is not within {low} and {high}") })
            }
            None => Ok(()),
        }
    }

    pub(crate) fn hello_within(&self) -> Duration {
        Duration::from_millis(self.hello_ms.into())
    }
}
