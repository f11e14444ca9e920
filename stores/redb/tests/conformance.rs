//! The redb store keeps the contract of a store.

use std::sync::Arc;

use gossip_core::Store;
use gossip_store_redb::RedbStore;
use gossip_testkit::store::StoreHarness;

struct OnDisk(tempfile::TempDir);

impl StoreHarness for OnDisk {
    const DURABLE: bool = true;

    fn create() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(RedbStore::open(self.0.path()).expect("the store opens"))
    }
}

gossip_testkit::store_conformance!(OnDisk);
