//! The memory store keeps the contract of a store.

use std::sync::Arc;

use gossip_core::Store;
use gossip_store_memory::MemoryStore;
use gossip_testkit::store::StoreHarness;

struct Shared(MemoryStore);

impl StoreHarness for Shared {
    const DURABLE: bool = false;

    fn create() -> Self {
        Self(MemoryStore::new())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }
}

gossip_testkit::store_conformance!(Shared);
