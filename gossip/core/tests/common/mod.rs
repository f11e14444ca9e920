//! What the tests share.

#![allow(dead_code, reason = "each test file uses a part")]

pub(crate) mod hand;
pub(crate) mod tap;
pub(crate) mod tuned;

use std::future::Future;
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::{
    Coordinator, EventStream, FoldError, FoldOrder, Imported, LogEntry, StateMaterializer, Store, Transport,
};
use gossip_store_memory::MemoryStore;
use gossip_transport_memory::MemoryNetwork;

/// A node of this name on a fresh memory store.
pub(crate) async fn local(id: &str) -> Coordinator {
    on(id, Arc::new(MemoryStore::new())).await
}

/// A node of this name on a store.
pub(crate) async fn on(id: &str, store: Arc<dyn Store>) -> Coordinator {
    Coordinator::builder().shared_store(store).node_id(id).build().await.expect("build")
}

/// A running node of this name on a network.
pub(crate) async fn linked(network: &MemoryNetwork, id: &str) -> Coordinator {
    with_transport(id, network.transport(id)).await
}

pub(crate) async fn with_transport(id: &str, transport: impl Transport) -> Coordinator {
    let node = Coordinator::builder()
        .store(MemoryStore::new())
        .transport(transport)
        .node_id(id)
        .build()
        .await
        .expect("build");
    node.start().await.expect("start");
    node
}

/// The stream most tests use.
pub(crate) async fn notes(node: &Coordinator) -> EventStream {
    node.channel("project").await.expect("channel").stream("notes").await.expect("stream")
}

/// Waits for a condition.
pub(crate) async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    gossip_testkit::wait::eventually(what, async || holds().await.then_some(())).await;
}

/// At most 20 seconds.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap_or_else(|_| panic!("never: {what}"))
}

pub(crate) async fn payloads(stream: &EventStream) -> Vec<String> {
    let entries = stream.read_all().await.expect("open").collect().await.expect("read");
    entries.iter().map(|entry| String::from_utf8_lossy(entry.payload()).into_owned()).collect()
}

/// The channel of these streams as a file.
pub(crate) async fn exported(node: &Coordinator) -> Vec<u8> {
    let channel = node.channel("project").await.expect("channel");
    soon("export", channel.export(Vec::new())).await.expect("export").1
}

pub(crate) async fn imported(node: &Coordinator, file: &[u8]) -> Imported {
    soon("import", node.import(Cursor::new(file.to_vec()))).await.expect("import").1
}

/// Joins the payloads in stream order; refuses empty ones.
pub(crate) struct Joined;

impl StateMaterializer for Joined {
    type State = Vec<String>;

    fn initial(&self) -> Vec<String> {
        Vec::new()
    }

    fn fold(&self, state: &mut Vec<String>, entry: &LogEntry) -> Result<(), FoldError> {
        if entry.payload().is_empty() {
            return Err(FoldError("empty".into()));
        }
        state.push(String::from_utf8_lossy(entry.payload()).into_owned());
        Ok(())
    }
}

/// Counts entries as they arrive.
pub(crate) struct Count;

impl StateMaterializer for Count {
    type State = u64;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> u64 {
        0
    }

    fn fold(&self, state: &mut u64, _: &LogEntry) -> Result<(), FoldError> {
        *state += 1;
        Ok(())
    }
}
