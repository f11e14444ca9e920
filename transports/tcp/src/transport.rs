//! The recipe.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use gossip_core::{LocalNode, MessagePort, PortError, Transport};
use tokio::net::TcpListener;

use crate::TcpOptions;
use crate::port::TcpPort;

/// A transport over TCP. Options are checked when it is opened.
#[derive(Debug, Clone)]
pub struct TcpTransport {
    options: TcpOptions,
}

impl TcpTransport {
    /// Listens on this address, as in `0.0.0.0:7400`, and dials what it is told to. With port 0
    /// the system chooses one; `local_addresses` of the port tells which.
    #[must_use]
    pub fn listen(address: impl Into<String>) -> Self {
        Self::with_options(TcpOptions { listen: Some(address.into()), ..TcpOptions::default() })
    }

    /// Only dials: nobody can connect to this node.
    #[must_use]
    pub fn dial_only() -> Self {
        Self::with_options(TcpOptions::default())
    }

    /// Takes all options at once.
    #[must_use]
    pub fn with_options(options: TcpOptions) -> Self {
        Self { options }
    }

    /// See [`TcpOptions::max_frame`].
    #[must_use]
    pub fn max_frame(mut self, bytes: u32) -> Self {
        self.options.max_frame = bytes;
        self
    }

    /// See [`TcpOptions::keepalive_ms`].
    #[must_use]
    pub fn keepalive(mut self, interval: Duration) -> Self {
        self.options.keepalive_ms = millis(interval);
        self
    }

    /// See [`TcpOptions::hello_ms`].
    #[must_use]
    pub fn hello_within(mut self, limit: Duration) -> Self {
        self.options.hello_ms = millis(limit);
        self
    }

    /// See [`TcpOptions::max_links`].
    #[must_use]
    pub fn max_links(mut self, links: u32) -> Self {
        self.options.max_links = links;
        self
    }
}

fn millis(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(u32::MAX)
}

#[async_trait]
impl Transport for TcpTransport {
    fn name(&self) -> &str {
        "tcp"
    }

    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        self.options.validate()?;
        let listener = match &self.options.listen {
            Some(address) => Some(bind(address).await?),
            None => None,
        };
        Ok(Arc::new(TcpPort::start(local, self.options.clone(), listener)))
    }
}

async fn bind(address: &str) -> Result<TcpListener, PortError> {
    let failed =
        |error: std::io::Error| PortError::Listen { address: address.to_owned(), detail: error.to_string() };
    TcpListener::bind(address).await.map_err(failed)
}
