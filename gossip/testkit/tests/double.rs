//! Doubles keep the contracts of what they double, and do as their hooks say.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gossip_core::{EntryRepository, Fault, NodeRepository, Store, StoreError, StoreResult};
use gossip_store_memory::MemoryStore;
use gossip_testkit::double::{PortHooks, StoreCall, StoreDouble, StoreHooks, TransportDouble};
use gossip_testkit::port::{PortHarness, Reachable};
use gossip_testkit::store::StoreHarness;
use gossip_transport_memory::MemoryNetwork;

/// Notes every call; all but `usage` succeed.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

#[async_trait]
impl StoreHooks for Notes {
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
        self.0.lock().unwrap().push(format!("{call:?}"));
        match call {
            StoreCall::Other("usage") => Err(StoreError::new(Fault::Transient, "looking", "as told")),
            _ => Ok(()),
        }
    }
}

#[tokio::test]
async fn hooks_see_each_call_and_can_fail_it() {
    let (inner, notes) = (MemoryStore::new(), Arc::new(Notes::default()));
    let store = StoreDouble::new(inner.clone(), notes.clone());
    assert_eq!((store.name(), store.durability()), (inner.name(), inner.durability()));
    assert_eq!(store.incarnation().await.unwrap(), inner.incarnation().await.unwrap());
    store.commit(&[], &Default::default()).await.unwrap();
    let failure = store.usage(&gossip_core::proto::Scope::All).await.unwrap_err();
    assert_eq!(failure.fault, Fault::Transient);
    let expected = [r#"Other("incarnation")"#, "Commit([])", r#"Other("usage")"#];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}

/// Hooks that change nothing.
struct Silent;

#[async_trait]
impl StoreHooks for Silent {
    async fn before(&self, _: StoreCall<'_>) -> StoreResult<()> {
        Ok(())
    }
}

impl PortHooks for Silent {}

struct Stores(MemoryStore);

impl StoreHarness for Stores {
    const DURABLE: bool = false;

    fn create() -> Self {
        Self(MemoryStore::new())
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(StoreDouble::new(self.0.clone(), Arc::new(Silent)))
    }
}

gossip_testkit::store_conformance!(Stores);

struct Ports;

#[async_trait]
impl PortHarness for Ports {
    async fn transports(&self, count: usize) -> Vec<Reachable> {
        let network = MemoryNetwork::new(1);
        let at = |n: usize| Reachable {
            transport: Arc::new(TransportDouble::new(
                Arc::new(network.transport(&format!("p{n}"))),
                Arc::new(Silent),
            )),
            address: format!("memory:p{n}").parse().unwrap(),
        };
        (0..count).map(at).collect()
    }

    fn malformed(&self) -> Vec<&'static str> {
        vec!["memory:", "memory: "]
    }

    fn perfect_when_calm(&self) -> bool {
        true
    }
}

gossip_testkit::port_conformance!(Ports);
