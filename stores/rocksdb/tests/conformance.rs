//! The RocksDB store keeps the contract of a store, whatever its durability.

use std::sync::Arc;
use std::time::Duration;

use gossip_core::Store;
use gossip_core::proto::{Durability, LogId, Seq};
use gossip_store_kv::testing::spoil;
use gossip_store_kv::{Engine, Opening};
use gossip_store_rocksdb::{RocksdbEngine, RocksdbStore, Settings};
use gossip_testkit::store::opening::opened;
use gossip_testkit::store::{Cannot, FaultSwitch, StoreHarness};

/// Why no law of failing disks is tried here.
const NO_FAULTS: Cannot = Cannot(
    "RocksDB writes through an Env that cannot be replaced from Rust; its disk is made to fail from outside, \
     by gossip/tests/faults and tests/full_disk.rs",
);

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
                    let open = || RocksdbStore::options(self.0.path()).durability($durability).open();
                    Arc::new(opened(open))
                }

                async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
                    let place = self.0.path();
                    let open =
                        || RocksdbEngine::opener(place.to_owned(), Settings::default())(Opening::First);
                    spoil(opened(open), log, at).expect("damaged");
                    Ok(())
                }

                fn faults(&self) -> Result<Arc<dyn FaultSwitch>, Cannot> {
                    Err(NO_FAULTS)
                }
            }

            gossip_testkit::store_conformance!(OnDisk);
        }
    };
}

durability!(sync, Durability::Sync);
durability!(group, Durability::Group(Duration::from_millis(5)));
durability!(buffered, Durability::Buffered);
