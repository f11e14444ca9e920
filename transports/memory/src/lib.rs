//! In-process network with seeded faults: for tests, demonstrations and applications that want
//! several nodes in one process.
//!
//! ```
//! use std::time::Duration;
//! use gossip_transport_memory::{Faults, MemoryNetwork};
//!
//! let network = MemoryNetwork::new(7);
//! let ann = network.transport("ann");          // reachable as `memory:ann`
//! let bob = network.transport("bob");
//! network.faults(Faults { loss: 100, delay: Duration::ZERO..Duration::from_millis(20), ..Faults::default() });
//! network.partition(&["ann"], &["bob"]);
//! network.heal();
//! # let _ = (ann, bob);
//! ```
//!
//! Everything random is drawn from the seed. There are no tasks and no statics: a port does its
//! own waiting inside `recv`, so it works under `tokio::time::pause`, and without delays and lost
//! links no timer is ever started.
//!
//! | module | idea |
//! |---|---|
//! | `network` | the handle that tests and applications hold |
//! | `weather` | what goes wrong between whom |
//! | `stats` | what happened to the frames |
//! | `transport`, `port` | the contract of the framework |
//! | `state` | who is open and linked, behind one lock |
//! | `carry` | one frame on its way |
//! | `inbox` | what waits for one port |
//! | `options` | building by name |

mod carry;
mod inbox;
mod network;
mod options;
mod port;
mod state;
mod stats;
mod transport;
mod weather;

use std::sync::Arc;

use gossip_core::Transport;
use gossip_core::registry::{Options, TransportPlugin};

pub use self::network::MemoryNetwork;
pub use self::options::MemoryOptions;
pub use self::stats::{NetworkStats, Tally};
pub use self::transport::MemoryTransport;
pub use self::weather::Faults;

/// `kind = "memory"` in a configuration; see [`MemoryOptions`].
pub static PLUGIN: TransportPlugin =
    TransportPlugin { kind: "memory", krate: env!("CARGO_PKG_NAME"), build: build_by_name };

gossip_core::inventory::submit! { &PLUGIN }

fn build_by_name(options: &Options) -> Result<Arc<dyn Transport>, String> {
    let options: MemoryOptions = options.deserialized().map_err(|error| error.to_string())?;
    Ok(Arc::new(MemoryNetwork::named(&options.network).transport(&options.name)))
}
