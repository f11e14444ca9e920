//! The memory store keeps the contract of a store.

use std::sync::Arc;

use gossip_core::{LogId, Seq, Store};
use gossip_store_memory::MemoryStore;
use gossip_testkit::store::{Cannot, FaultSwitch, StoreHarness};

struct Shared(MemoryStore);

impl StoreHarness for Shared {
    const DURABLE: bool = false;

    fn create() -> Self {
        Self(MemoryStore::new())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.0.clone())
    }

    async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
        assert!(self.0.lose(log, at), "a run holds {at}");
        Ok(())
    }

    fn faults(&self) -> Result<Arc<dyn FaultSwitch>, Cannot> {
        Err(Cannot("memory has no disk that could fail"))
    }
}

gossip_testkit::store_conformance!(Shared);
