//! The redb store keeps the contract of a store when commits are not synced. When they are: `src/tests/laws.rs`,
//! where its disk can be made to fail.

use std::sync::Arc;
use std::time::Duration;

use gossip_core::Store;
use gossip_core::proto::{Durability, LogId, Seq};
use gossip_store_kv::testing::spoil;
use gossip_store_kv::{Engine, Opening};
use gossip_store_redb::{Redb, RedbStore, Tuning};
use gossip_testkit::store::opening::opened;
use gossip_testkit::store::{Cannot, FaultSwitch, StoreHarness};

/// Why no law of failing disks is tried here.
const NO_FAULTS: Cannot = Cannot(
    "commits that are not synced go to the journal, a plain file: gossip/tests/faults lets it fail from outside",
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
                    let open = || RedbStore::options(self.0.path()).durability($durability).open();
                    Arc::new(opened(open))
                }

                async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
                    let open = || Redb::opener(self.0.path().to_owned(), Tuning::default())(Opening::First);
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

durability!(group, Durability::Group(Duration::from_millis(5)));
durability!(buffered, Durability::Buffered);
