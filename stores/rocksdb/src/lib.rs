//! Durable store on [RocksDB](https://rocksdb.org): for much data and many writes, at the price of C++.
//!
//! What it promises, and how it keeps entries, is said at [`KvStore`]; here is what is RocksDB's.
//!
//! # Building
//! RocksDB is C++20 and its bindings are made when building: a C++ compiler and libclang must be there
//! (Debian: `g++ libclang-dev`). Cargo compiles it by itself, which takes 12 to 25 minutes on two cores.
//! In a checkout of this repository `eval "$(stores/rocksdb/prepare.sh)"` installs what is missing,
//! compiles it once into the user's cache, and makes cargo take it from there, also for other
//! checkouts and after `cargo clean`. On x86-64 the checkout's `.cargo/config.toml` asks for SSE 4.2, without which
//! checksums are several times slower; programs elsewhere set the same `CXXFLAGS` themselves.
//!
//! # Memory and disk
//! `memory` (64 MiB when not said otherwise) bounds blocks that were read and batches that are not yet in
//! tables, together; half of it may be batches. RocksDB may pass the bound for moments, while a table
//! is written say, and takes a few MiB beside it. The log is kept below half of `memory` too, which
//! bounds what is replayed when a store is opened after a crash. Runs of 4 KiB and more lie in files of
//! their own, are written once beside the log, and kept in memory by the system if at all. The space of
//! pruned and removed entries is given back in the background; writes go on meanwhile. Up to a third of
//! the bytes of large runs may be waste. They are compressed with LZ4, as are old small ones where that pays.
//!
//! # After a crash
//! A log cut by power loss is replayed up to its last whole batch. Where every batch was synced
//! (`Sync`), damage before that point is told from such a cut, and the store is refused as
//! [`Corrupt`](gossip_core::proto::Fault) rather than opened without entries that were acknowledged. Two cases are
//! beyond that: damage to the very last batch looks like one that was being written, and so does a file
//! `MANIFEST` that was cut. [`salvage`] is the way out: it gives up what cannot be read, and what came after it.
//!
//! After a full disk reads go on, writes fail with [`Full`](gossip_core::proto::Fault) and are taken again within
//! some seconds after there is space: RocksDB goes on by itself, or is opened again. After other failures of the disk the database is opened again.
//!
//! | module | idea |
//! |---|---|
//! | `options` | what a configuration may say |
//! | `engine`, `view` | batches in, snapshots out |
//! | `tables` | what lies where |
//! | `tuning` | how RocksDB is set up, and why |
//! | `open` | finding, making and recognising the database |
//! | `wal`, `mark`, `crc32c` | telling damage of the log from power loss |
//! | `salvage` | what can be saved when the log is damaged |
//! | `reclaim`, `garbage` | giving space back |
//! | `room` | noticing that a full disk has room again |
//! | `fault` | which failure means what to the caller |

use std::sync::Arc;

use gossip_core::Store;
use gossip_core::registry::StorePlugin;

mod crc32c;
mod engine;
mod fault;
mod garbage;
mod mark;
mod open;
mod options;
mod reclaim;
mod room;
mod salvage;
mod tables;
mod tuning;
mod view;
mod wal;

pub use gossip_store_kv::{FORMAT, KvStore, OpenOptions};

pub use self::engine::RocksdbEngine;
pub use self::open::DIRECTORY_NAME;
pub use self::options::{Compression, RocksdbOptions};
pub use self::salvage::salvage;
pub use self::tuning::Settings;
pub use self::view::RocksdbView;

/// A store in one directory, on RocksDB.
///
/// `RocksdbStore::open("data")` opens or makes one; [`KvStore::options`] is for what else can be chosen.
pub type RocksdbStore = KvStore<RocksdbEngine>;

/// This store by name: `rocksdb`.
pub static PLUGIN: StorePlugin = StorePlugin {
    kind: "rocksdb",
    krate: "gossip-store-rocksdb",
    build: |options| {
        let store = RocksdbOptions::read(options)?.open().map_err(|error| error.to_string())?;
        Ok(Arc::new(store) as Arc<dyn Store>)
    },
};

gossip_core::inventory::submit! { &PLUGIN }
