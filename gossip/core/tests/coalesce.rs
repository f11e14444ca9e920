//! Small runs become large ones behind the back of everyone who reads.

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::hand::Hand;
use common::{eventually, notes, payloads, soon};
use gossip_core::proto::{Arrival, LogId, Scope};
use gossip_core::{Config, Coordinator, Delivered, EntryRepository, EventStream, From, Retention, Store};
use gossip_store_memory::MemoryStore;
use gossip_transport_memory::MemoryNetwork;
use proptest::prelude::*;

/// A node that signs what it writes.
async fn timed(store: Arc<dyn Store>, hand: &Hand) -> Coordinator {
    let builder = Coordinator::builder().shared_store(store).timer(hand.clone()).seed(1);
    builder.build().await.expect("build")
}

/// First and last sequence of every run of a log.
async fn runs(store: &MemoryStore, log: LogId) -> Vec<(u64, u64)> {
    let runs = store.read(log, 1, usize::MAX).await.expect("read");
    runs.iter().map(|stored| (stored.run.first(), stored.run.last())).collect()
}

/// Lets a log come to rest: twice, because a log must be seen calm before.
async fn settle(node: &Coordinator, hand: &Hand) {
    for _ in 0..3 {
        hand.advance(Duration::from_secs(1));
        // The driver has had its turn when it answers.
        node.health().await.expect("health");
    }
}

async fn rest(stream: &EventStream, from: From) -> Vec<Delivered> {
    let mut live = stream.subscribe(from).await.expect("subscribe");
    let end = stream.subscribe(From::Now).await.expect("subscribe").cursor();
    let mut all = Vec::new();
    while live.cursor().arrival < end.arrival {
        all.push(soon("delivery", live.next_delivered()).await.expect("more").expect("sound"));
    }
    all
}

#[tokio::test]
async fn two_thousand_appends_become_a_handful_of_runs_unseen() {
    let (store, hand) = (Arc::new(MemoryStore::new()), Hand::new());
    let node = timed(store.clone(), &hand).await;
    let stream = notes(&node).await;
    let mut live = stream.subscribe(From::Start).await.unwrap();
    let mut cursors = Vec::new();
    let mut log = None;
    for n in 0..2000_u32 {
        log = Some(stream.append(format!("{n}")).await.unwrap().log);
        let entry = soon("entry", live.next()).await.unwrap().unwrap();
        assert_eq!(entry.payload(), format!("{n}").as_bytes());
        if n % 97 == 0 {
            cursors.push((n, live.cursor()));
        }
    }
    let log = log.unwrap();
    let head = store.heads(&Scope::Log(log), None, 1).await.unwrap().items.remove(0);
    eventually("joined", || async {
        settle(&node, &hand).await;
        runs(&store, log).await.len() <= 2000 / 256 + 4
    })
    .await;
    let expected: Vec<String> = (0..2000).map(|n| format!("{n}")).collect();
    assert_eq!(payloads(&stream).await, expected);
    assert_eq!(store.heads(&Scope::Log(log), None, 1).await.unwrap().items, [head]);
    let held = store.read(log, 1, usize::MAX).await.unwrap();
    assert!(held.iter().all(|stored| stored.run.seal().is_some()), "a joined run ends at a seal");
    assert!(node.verify().await.unwrap().is_sound());
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(2000));
    for (n, cursor) in cursors {
        let mut live = stream.subscribe(From::Cursor(cursor)).await.unwrap();
        let next = soon("entry", live.next()).await.unwrap().unwrap();
        assert_eq!(
            (next.payload(), live.cursor().arrival.0),
            (expected[n as usize + 1].as_bytes(), u64::from(n) + 2)
        );
    }
    let usage = node.resource_usage().await.unwrap();
    assert!(usage.coalesced_runs >= 1900, "{usage:?}");
    assert!(usage.coalesced_bytes <= 2 * usage.bytes, "{usage:?}");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_app_that_restarts_at_every_entry_is_cared_for_too() {
    let (store, hand) = (Arc::new(MemoryStore::new()), Hand::new());
    let mut log = None;
    for n in 0..64 {
        let node = timed(store.clone(), &hand).await;
        log = Some(notes(&node).await.append(format!("{n}")).await.unwrap().log);
        node.shutdown().await.unwrap();
    }
    let runs = runs(&store, log.unwrap()).await;
    assert!(runs.len() <= 15, "{runs:?}");
}

#[tokio::test]
async fn it_can_be_switched_off() {
    let (store, hand) = (Arc::new(MemoryStore::new()), Hand::new());
    let config = Config { coalesce: false, ..Config::default() };
    let builder = Coordinator::builder().shared_store(store.clone()).timer(hand.clone()).config(config);
    let node = builder.node_id("ann").build().await.unwrap();
    let stream = notes(&node).await;
    for n in 0..300 {
        stream.append(format!("{n}")).await.unwrap();
    }
    settle(&node, &hand).await;
    assert_eq!(node.resource_usage().await.unwrap().coalesced_runs, 0);
}

#[tokio::test]
async fn a_newcomer_gets_few_runs() {
    let (network, hand) = (MemoryNetwork::new(5), Hand::new());
    let stores = [Arc::new(MemoryStore::new()), Arc::new(MemoryStore::new())];
    let mut nodes = Vec::new();
    for (name, store) in ["ann", "bob"].into_iter().zip(&stores) {
        // Only ann joins runs.
        let config = Config { coalesce: name == "ann", ..Config::default() };
        let builder = Coordinator::builder().shared_store(store.clone()).timer(hand.clone()).config(config);
        let node = builder.transport(network.transport(name)).node_id(name).build().await.unwrap();
        node.start().await.unwrap();
        nodes.push(node);
    }
    let (a, b) = (notes(&nodes[0]).await, notes(&nodes[1]).await);
    let mut log = None;
    for n in 0..1000 {
        log = Some(a.append(format!("{n}")).await.unwrap().log);
    }
    let log = log.unwrap();
    eventually("joined", || async {
        settle(&nodes[0], &hand).await;
        runs(&stores[0], log).await.len() <= 8
    })
    .await;
    nodes[1].connect("memory:ann").await.unwrap();
    eventually("synced", || async {
        hand.advance(Duration::from_millis(20));
        payloads(&b).await.len() == 1000
    })
    .await;
    let received = runs(&stores[1], log).await;
    assert!(received.len() <= 8, "{received:?}");
}

/// What a test does to a stream.
#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Batch(usize),
    Prune(u64),
    Rest,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (1..120_usize).prop_map(Step::Append),
        2 => (1..300_usize).prop_map(Step::Batch),
        1 => (1..400_u64).prop_map(Step::Prune),
        3 => Just(Step::Rest),
        1 => Just(Step::Restart),
    ];
    prop::collection::vec(step, 1..10)
}

async fn follow(steps: Vec<Step>) {
    let (store, hand) = (Arc::new(MemoryStore::new()), Hand::new());
    let mut node = timed(store.clone(), &hand).await;
    let (mut written, mut kept_from) = (Vec::new(), 0);
    for step in steps {
        let stream = notes(&node).await;
        match step {
            Step::Append(count) => {
                for _ in 0..count {
                    written.push(format!("{}", written.len()));
                    stream.append(written[written.len() - 1].clone()).await.expect("works");
                }
            }
            Step::Batch(count) => {
                let batch: Vec<String> = (0..count).map(|n| format!("{}", written.len() + n)).collect();
                stream.append_all(batch.clone()).await.expect("works");
                written.extend(batch);
            }
            Step::Prune(count) => {
                stream.set_retention(Retention::CountBased(count)).await.expect("works");
                stream.compact().await.expect("works");
                kept_from = kept_from.max(written.len().saturating_sub(count as usize));
            }
            Step::Rest => settle(&node, &hand).await,
            Step::Restart => {
                node.shutdown().await.expect("works");
                node = timed(store.clone(), &hand).await;
            }
        }
        let stream = notes(&node).await;
        assert_eq!(payloads(&stream).await, written[kept_from..]);
    }
    let delivered = rest(&notes(&node).await, From::Start).await;
    let entries = delivered.iter().filter_map(|item| match item {
        Delivered::Entry(entry) => Some(entry.payload().to_vec()),
        Delivered::Gap { .. } => None,
    });
    let expected: Vec<Vec<u8>> = written[kept_from..].iter().map(|text| text.clone().into_bytes()).collect();
    assert_eq!(entries.collect::<Vec<_>>(), expected);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn reading_never_tells_how_runs_are_kept(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(follow(steps));
    }
}
