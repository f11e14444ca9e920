//! Durable store on [redb]: one file, pure Rust, safe against crashes.
//!
//! What a store promises is kept by [`gossip_store_kv`]; this crate is the engine under it. A synced commit
//! is one transaction of redb. One that is not synced lies in the memory of redb, which writes nothing over
//! what was synced, and in a journal beside the file, so that it outlives the process: power loss takes
//! a tail of what was not synced and never the file. The journal is brought in when the store is opened; one that
//! is damaged ends there, as after a loss of power, and a node goes on under new epochs.
//!
//! A backup is a copy of the whole directory while the store is closed: the file and its journal belong together.
//!
//! `mark_closed` gives space back (by moving at most 256 MiB of data) when more than half of the file
//! is free and at least a quarter of it was freed since it was opened; otherwise redb uses free space again
//! for new entries.
//!
//! | module | idea |
//! |---|---|
//! | `options` | what a configuration may say |
//! | `engine`, `view` | redb as an engine of the store |
//! | `journal` | what was committed and not synced |
//! | `disk` | the file, and what a failed sync leaves in doubt |
//! | `open` | finding, creating and recognising the file |
//! | `fault` | which failure means what to the caller |

use std::sync::Arc;

use gossip_core::Store;
use gossip_core::registry::StorePlugin;
use gossip_store_kv::KvStore;

mod disk;
mod engine;
mod fault;
mod journal;
mod open;
mod options;
#[cfg(test)]
mod tests;
mod view;

pub use gossip_store_kv::FORMAT;

pub use self::engine::Redb;
pub use self::open::FILE_NAME;
pub use self::options::{RedbOptions, Tuning};
pub use self::view::RedbView;

/// A store in one directory; see [`KvStore`] for how it is opened and what it promises.
pub type RedbStore = KvStore<Redb>;

/// This store by name: `redb`.
pub static PLUGIN: StorePlugin = StorePlugin {
    kind: "redb",
    krate: "gossip-store-redb",
    build: |options| {
        let RedbOptions { path, durability } = RedbOptions::read(options)?;
        let store = RedbStore::options(path).durability(durability).open();
        Ok(Arc::new(store.map_err(|error| error.to_string())?) as Arc<dyn Store>)
    },
};

gossip_core::inventory::submit! { &PLUGIN }
