//! The RocksDB store keeps the contract of a store, whatever its durability.

use std::sync::Arc;
use std::time::Duration;

use gossip_core::Store;
use gossip_core::proto::Durability;
use gossip_store_rocksdb::RocksdbStore;
use gossip_testkit::store::StoreHarness;

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
                    let options = RocksdbStore::options(self.0.path()).durability($durability);
                    Arc::new(options.open().expect("the store opens"))
                }
            }

            gossip_testkit::store_conformance!(OnDisk);
        }
    };
}

durability!(sync, Durability::Sync);
durability!(group, Durability::Group(Duration::from_millis(5)));
durability!(buffered, Durability::Buffered);
