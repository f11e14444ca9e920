//! The RocksDB store keeps the contract of a store, whatever its durability.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gossip_core::Store;
use gossip_core::proto::{Durability, Fault};
use gossip_store_rocksdb::RocksdbStore;
use gossip_testkit::store::StoreHarness;

/// Opens it; waits while a sync in the background still holds a store that was dropped.
async fn opened(place: &Path, durability: Durability) -> RocksdbStore {
    let begin = Instant::now();
    loop {
        match RocksdbStore::options(place).durability(durability).open() {
            Err(error) if error.fault == Fault::Rejected && begin.elapsed() < PATIENCE => {
                tokio::task::yield_now().await;
            }
            opened => return opened.expect("the store opens"),
        }
    }
}

const PATIENCE: Duration = Duration::from_secs(20);

macro_rules! durability {
    ($name:ident, $durability:expr) => {
        mod $name {
            use super::*;

            struct OnDisk(tempfile::TempDir);

            impl StoreHarness for OnDisk {
                const DURABLE: bool = true;

                fn create() -> Self {
                    Self(tempfile::tempdir().expect("a directory"))
                }

                async fn open(&self) -> Arc<dyn Store> {
                    Arc::new(opened(self.0.path(), $durability).await)
                }
            }

            gossip_testkit::store_conformance!(OnDisk);
        }
    };
}

durability!(sync, Durability::Sync);
durability!(group, Durability::Group(Duration::from_millis(5)));
durability!(buffered, Durability::Buffered);
