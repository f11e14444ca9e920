//! TCP transport.
//!
//! ```no_run
//! use std::time::Duration;
//! use gossip_transport_tcp::TcpTransport;
//!
//! let server = TcpTransport::listen("0.0.0.0:7400").keepalive(Duration::from_secs(2));
//! let client = TcpTransport::dial_only();
//! ```
//!
//! **On the wire.** Each side of a new connection first sends a hello: `gossip`, a version byte, the
//! length of the rest, and its node id, instance, connection number, largest frame and keepalive
//! interval (`hello`). Then frames follow, each after its length in four bytes, most significant
//! first; length 0 is a keepalive. Nothing is encrypted here.
//!
//! **Laws.** A length is checked before memory is reserved for it. Every queue, the number of links
//! and of handshakes in progress are bounded. Of several connections between two nodes one is kept,
//! by a rule that both sides resolve alike (`rivalry`). Beside a link on which nothing was heard
//! for one and a half keepalive intervals whoever began it tries a second connection, which takes its place; after three
//! intervals it is closed. Garbage costs its sender the connection and nobody else anything.
//!
//! | module | idea |
//! |---|---|
//! | `options` | what can be set |
//! | `transport`, `port` | the contract of the framework |
//! | `shared` | what all tasks of a port hold |
//! | `accept`, `dial`, `backoff` | how connections begin |
//! | `hello` | who is there |
//! | `links`, `rivalry` | at most one link per peer |
//! | `link` | the life of a link |
//! | `reader`, `outbox`, `batch`, `pulse` | frames in, frames out, what is written next, keepalive |
//! | `inbox` | events on their way to `recv` |
//! | `address` | what can be dialled |

mod accept;
mod address;
mod backoff;
mod batch;
mod dial;
mod hello;
mod inbox;
mod link;
mod links;
mod options;
mod outbox;
mod port;
mod pulse;
mod reader;
mod rivalry;
mod shared;
mod transport;

use std::sync::Arc;

use gossip_core::Transport;
use gossip_core::registry::{Options, TransportPlugin};

pub use self::options::TcpOptions;
pub use self::transport::TcpTransport;

/// `kind = "tcp"` in a configuration; see [`TcpOptions`].
pub static PLUGIN: TransportPlugin =
    TransportPlugin { kind: "tcp", krate: env!("CARGO_PKG_NAME"), build: build_by_name };

gossip_core::inventory::submit! { &PLUGIN }

fn build_by_name(options: &Options) -> Result<Arc<dyn Transport>, String> {
    let options: TcpOptions = options.deserialized().map_err(|error| error.to_string())?;
    options.validate().map_err(|error| error.to_string())?;
    Ok(Arc::new(TcpTransport::with_options(options)))
}
