//! Start, stop, pause, resume, shut down: in any order, from anywhere.

mod common;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::{eventually, linked, local, notes, payloads, soon};
use gossip_core::proto::Meta;
use gossip_core::{
    Coordinator, EntryRepository, Error, From, LocalNode, MessagePort, NodeRepository, NodeState, PortError,
    StoreResult, Transport,
};
use gossip_store_memory::MemoryStore;
use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};
use gossip_testkit::fixture::LogWriter;
use gossip_transport_memory::{MemoryNetwork, MemoryTransport};
use tokio::sync::Semaphore;

#[tokio::test]
async fn wrong_turns_are_typed_and_harmless() {
    let node = local("ann").await;
    let wrong = |result: Result<(), Error>, expected: NodeState| {
        assert!(matches!(result, Err(Error::State { state }) if state == expected));
    };
    wrong(node.stop().await, NodeState::Stopped);
    wrong(node.pause().await, NodeState::Stopped);
    wrong(node.resume().await, NodeState::Stopped);
    node.start().await.unwrap();
    wrong(node.start().await, NodeState::Running);
    wrong(node.resume().await, NodeState::Running);
    node.pause().await.unwrap();
    assert_eq!(node.state(), NodeState::Paused);
    wrong(node.pause().await, NodeState::Paused);
    wrong(node.start().await, NodeState::Paused);
    node.resume().await.unwrap();
    node.stop().await.unwrap();
    notes(&node).await.append("local use goes on").await.unwrap();
    node.start().await.unwrap();
    let (one, two) = tokio::join!(node.shutdown(), node.shutdown());
    one.unwrap();
    two.unwrap();
    node.shutdown().await.unwrap();
    wrong(node.start().await, NodeState::ShutDown);
    wrong(node.connect("memory:x").await, NodeState::ShutDown);
    assert!(matches!(node.channels().await, Err(Error::State { state: NodeState::ShutDown })));
    assert!(node.events().next().await.is_none());
}

/// Counts how many ports are open at once.
struct Counting {
    inner: MemoryTransport,
    open: Arc<AtomicUsize>,
}

#[async_trait]
impl Transport for Counting {
    fn name(&self) -> &str {
        "counting"
    }
    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        self.open.fetch_add(1, Ordering::SeqCst);
        // A second loop would fail here: the name is taken while the port is open.
        self.inner.open(local).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_tasks_turning_every_knob_leave_one_sound_node() {
    let network = MemoryNetwork::new(1);
    let open = Arc::new(AtomicUsize::new(0));
    let transport = Counting { inner: network.transport("ann"), open: open.clone() };
    let node = Coordinator::builder()
        .store(MemoryStore::new())
        .transport(transport)
        .node_id("ann")
        .build()
        .await
        .unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let node = node.clone();
            tokio::spawn(async move {
                let mut started = 0;
                for turn in 0..20 {
                    let result = match (task + turn) % 4 {
                        0 => node.start().await.inspect(|()| started += 1),
                        1 => node.stop().await,
                        2 => node.pause().await,
                        _ => node.resume().await,
                    };
                    assert!(matches!(result, Ok(()) | Err(Error::State { .. })), "{result:?}");
                }
                started
            })
        })
        .collect();
    let mut started = 0;
    for task in tasks {
        started += soon("task", task).await.unwrap();
    }
    assert_eq!(open.load(Ordering::SeqCst), started, "each start opened the transport once");
    if node.state() == NodeState::Stopped {
        node.start().await.unwrap();
    } else if node.state() == NodeState::Paused {
        node.resume().await.unwrap();
    }
    let bob = linked(&network, "bob").await;
    bob.connect("memory:ann").await.unwrap();
    let (a, b) = (notes(&node).await, notes(&bob).await);
    a.append("still works").await.unwrap();
    eventually("convergence", || async { payloads(&b).await == ["still works"] }).await;
}

/// Never opens.
struct Broken;

#[async_trait]
impl Transport for Broken {
    fn name(&self) -> &str {
        "broken"
    }
    async fn open(&self, _: LocalNode) -> Result<Arc<dyn MessagePort>, PortError> {
        Err(PortError::Listen { address: "here".into(), detail: "in use".into() })
    }
}

#[tokio::test]
async fn a_transport_that_fails_closes_the_others_and_leaves_the_node_stopped() {
    let network = MemoryNetwork::new(1);
    let node = Coordinator::builder()
        .store(MemoryStore::new())
        .transport(network.transport("ann"))
        .transport(Broken)
        .build()
        .await
        .unwrap();
    for _ in 0..2 {
        let failed = node.start().await;
        assert!(matches!(failed, Err(Error::Port(PortError::Listen { .. }))), "{failed:?}");
        assert_eq!(node.state(), NodeState::Stopped);
    }
    assert!(node.local_addresses().is_empty());
    linked(&network, "ann").await;
}

#[tokio::test]
async fn stopping_unlinks_and_starting_dials_again() {
    let network = MemoryNetwork::new(1);
    let (ann, bob) = (linked(&network, "ann").await, linked(&network, "bob").await);
    ann.stop().await.unwrap();
    ann.connect("memory:bob").await.unwrap();
    let links = |node: Coordinator| async move {
        node.peers().await.unwrap().iter().map(|peer| peer.links.len()).sum::<usize>()
    };
    for _ in 0..3 {
        ann.start().await.unwrap();
        eventually("linked", || async { links(ann.clone()).await == 1 && links(bob.clone()).await == 1 })
            .await;
        ann.stop().await.unwrap();
        assert_eq!(links(ann.clone()).await, 0);
        eventually("unlinked", || async { links(bob.clone()).await == 0 }).await;
    }
}

#[tokio::test]
async fn shutdown_finishes_writes_and_closes_the_store() {
    let store = MemoryStore::new();
    let node = Coordinator::builder().store(store.clone()).node_id("ann").build().await.unwrap();
    let stream = notes(&node).await;
    let appends: Vec<_> = (0..50)
        .map(|n| {
            let stream = stream.clone();
            tokio::spawn(async move { stream.append(format!("{n}")).await })
        })
        .collect();
    tokio::task::yield_now().await;
    soon("shutdown", node.shutdown()).await.unwrap();
    let mut acknowledged = 0;
    for append in appends {
        match append.await.unwrap() {
            Ok(_) => acknowledged += 1,
            Err(error) => assert!(matches!(error, Error::State { state: NodeState::ShutDown }), "{error:?}"),
        }
    }
    assert!(!store.mark_open().await.unwrap(), "closed cleanly");
    store.mark_closed().await.unwrap();
    let node = common::on("ann", Arc::new(store)).await;
    assert_eq!(payloads(&notes(&node).await).await.len(), acknowledged);
}

#[tokio::test]
async fn dropping_the_last_handle_ends_the_node() {
    let store = MemoryStore::new();
    let node = Coordinator::builder().store(store.clone()).build().await.unwrap();
    let mut events = node.events();
    let stream = notes(&node).await;
    drop(node);
    stream.append("a stream is a handle").await.unwrap();
    drop(stream);
    soon("end of events", async { while events.next().await.is_some() {} }).await;
    // Each look marks the store open again, so only the node's closing can show.
    eventually("closed", || async { !store.mark_open().await.unwrap() }).await;
}

/// Holds one method up, and notes what is asked of the store after it was closed.
struct Closing {
    held_up: &'static str,
    gate: Semaphore,
    waits: AtomicBool,
    is_closed: AtomicBool,
    late: Mutex<Vec<&'static str>>,
}

#[async_trait]
impl StoreHooks for Closing {
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
        let StoreCall::Other(name) = call else { return Ok(()) };
        if self.is_closed.load(Ordering::SeqCst) {
            self.late.lock().expect("late").push(name);
        }
        self.is_closed.fetch_or(name == "mark_closed", Ordering::SeqCst);
        if name == self.held_up {
            self.waits.store(true, Ordering::SeqCst);
            self.gate.acquire().await.expect("gate").forget();
        }
        Ok(())
    }
}

/// Whoever comes late hears of the end of the node: the store is not even asked.
#[tokio::test]
async fn nobody_goes_on_with_a_store_that_was_closed() {
    for held_up in ["load_snapshot", "arrivals"] {
        let (gate, late) = (Semaphore::new(0), Mutex::default());
        let (waits, is_closed) = (AtomicBool::new(false), AtomicBool::new(false));
        let closing = Arc::new(Closing { held_up, gate, waits, is_closed, late });
        let store = MemoryStore::new();
        let node = common::on("ann", Arc::new(StoreDouble::new(store.clone(), closing.clone()))).await;
        let stream = notes(&node).await;
        // A log whose name nobody asked for yet.
        store.commit(&[LogWriter::new("project", "notes", "bob").run(1)], &Meta::default()).await.unwrap();
        let mut live = stream.subscribe(From::Start).await.unwrap();
        let busy = tokio::spawn(async move {
            match held_up {
                "arrivals" => drop(live.next().await),
                _ => drop(stream.cursor("mine").unwrap().save(live.cursor()).await),
            }
        });
        eventually("it is held up", || async { closing.waits.load(Ordering::SeqCst) }).await;
        soon("the end", node.shutdown()).await.unwrap();
        closing.gate.add_permits(100);
        soon("an answer", busy).await.unwrap();
        assert_eq!(*closing.late.lock().unwrap(), [""; 0], "after {held_up}");
    }
}
