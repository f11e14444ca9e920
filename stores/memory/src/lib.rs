//! In-memory store: everything a node keeps, for as long as the process lives.
//!
//! It is the default store, the reference for the store contract and what tests restart nodes
//! on. Runs are kept as the very bytes they were committed with; reading copies nothing.
//!
//! | module | idea |
//! |---|---|
//! | `options` | what a configuration may say: nothing |
//! | `store` | [`MemoryStore`]: one lock, and the store traits over it |
//! | `data` | what the lock guards |
//! | `commit` | a batch, all of it or nothing |
//! | `log` | head and runs of one log |
//! | `arrivals` | rows in the order they came, per stream |
//! | `page` | part of a listing |

use std::sync::Arc;

use gossip_core::registry::StorePlugin;

mod arrivals;
mod commit;
mod data;
mod log;
mod options;
mod page;
mod store;

pub use self::options::MemoryOptions;
pub use self::store::MemoryStore;

/// This store by name: `memory`.
pub static PLUGIN: StorePlugin = StorePlugin {
    kind: "memory",
    krate: "gossip-store-memory",
    build: |options| {
        let MemoryOptions {} = MemoryOptions::read(options)?;
        Ok(Arc::new(MemoryStore::new()))
    },
};

gossip_core::inventory::submit! { &PLUGIN }
