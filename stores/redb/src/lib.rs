//! Durable store on [redb]: one file, pure Rust, safe against crashes.
//!
//! A commit is one transaction, on stable storage when it returns. Runs are stored as they were
//! encoded and checked against their hash chain whenever they are read, so damage is noticed
//! here and not at a peer.
//!
//! | module | idea |
//! |---|---|
//! | `options` | what a configuration may say |
//! | `store` | [`RedbStore`]: the store traits over the engine |
//! | `engine` | transactions off the async threads, and recovery after failed disk operations |
//! | `open` | finding, creating and recognising the file |
//! | `fault` | which failure means what to the caller |
//! | `keys`, `tables` | what lies where in the file |
//! | `commit`, `edit`, `remove` | what changes entries |
//! | `runs`, `arrivals`, `heads` | what reads them |
//! | `records` | everything else |

use std::sync::Arc;

use gossip_core::Store;
use gossip_core::registry::StorePlugin;

mod arrivals;
mod commit;
mod edit;
mod engine;
mod fault;
#[cfg(test)]
mod fault_tests;
mod heads;
mod keys;
mod open;
mod options;
mod records;
mod remove;
mod runs;
mod store;
mod tables;

pub use self::open::{FILE_NAME, FORMAT};
pub use self::options::RedbOptions;
pub use self::store::RedbStore;

/// This store by name: `redb`.
pub static PLUGIN: StorePlugin = StorePlugin {
    kind: "redb",
    krate: "gossip-store-redb",
    build: |options| {
        let RedbOptions { path } = RedbOptions::read(options)?;
        let store = RedbStore::open(path).map_err(|error| error.to_string())?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    },
};

gossip_core::inventory::submit! { &PLUGIN }
