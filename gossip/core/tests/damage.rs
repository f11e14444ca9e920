//! What cannot be read is told, never skipped in silence and never waited for.

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::{Count, Joined, eventually, linked, notes, payloads, soon};
use gossip_core::proto::{CommitItem, Meta};
use gossip_core::{
    Config, Coordinator, Delivered, EntryRepository, EventStream, From, LogId, NodeConfig, PageQuery, Place,
    Retention, SeqRange, StoreResult,
};
use gossip_store_memory::MemoryStore;
use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};
use gossip_testkit::fixture::LogWriter;
use gossip_transport_memory::MemoryNetwork;

/// Makes part of a log unreadable, and counts repairs.
#[derive(Default)]
struct Rot {
    damaged: Mutex<Option<(LogId, SeqRange)>>,
    repairs: AtomicU64,
}

#[async_trait]
impl StoreHooks for Rot {
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
        if matches!(call, StoreCall::Other("isolate")) {
            self.repairs.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }

    fn damaged(&self, log: LogId) -> Option<SeqRange> {
        self.damaged.lock().expect("damaged").filter(|(of, _)| *of == log).map(|(_, range)| range)
    }
}

/// A stream of single runs "1" to "9" of which the fourth and fifth cannot be read.
async fn rotten() -> (Coordinator, EventStream, Arc<Rot>) {
    let rot = Arc::new(Rot::default());
    let config = Config { coalesce: false, page_bytes: 1, ..Config::default() };
    let store = StoreDouble::new(MemoryStore::new(), rot.clone());
    let node =
        Coordinator::builder().store(store).config(config).node_id("ann").build().await.expect("build");
    let stream = notes(&node).await;
    let mut log = None;
    for n in 1..=9 {
        log = Some(stream.append(format!("{n}")).await.expect("append").log);
    }
    *rot.damaged.lock().expect("damaged") = log.map(|log| (log, SeqRange { first: 4, last: 5 }));
    (node, stream, rot)
}

#[tokio::test]
async fn a_subscription_delivers_what_is_sound_and_a_gap() {
    let (_node, stream, rot) = rotten().await;
    let mut live = stream.subscribe(From::Start).await.unwrap();
    let mut seen = Vec::new();
    while seen.last().is_none_or(|last| last != "9") {
        seen.push(match soon("delivery", live.next_delivered()).await.unwrap().unwrap() {
            Delivered::Entry(entry) => String::from_utf8_lossy(entry.payload()).into_owned(),
            Delivered::Gap { range, .. } => format!("{}-{}", range.first, range.last),
        });
    }
    let gaps: u64 = seen.iter().filter(|item| ["4-5", "4-4", "5-5"].contains(&item.as_str())).count() as u64;
    assert!(gaps >= 1 && seen.len() as u64 == 7 + gaps, "{seen:?}");
    eventually("repair asked for", || async { rot.repairs.load(Ordering::SeqCst) >= 1 }).await;
}

#[tokio::test]
async fn pages_in_both_directions_leave_out_what_is_damaged_and_say_so() {
    let (_node, stream, rot) = rotten().await;
    for query in [PageQuery::first(20), PageQuery::last(20)] {
        let page = stream.page(query).await.unwrap();
        let read: Vec<_> = page.entries.iter().map(|entry| entry.payload().to_vec()).collect();
        assert_eq!(read, [b"1", b"2", b"3", b"6", b"7", b"8", b"9"]);
        assert!(!page.complete());
        assert_eq!(page.incomplete[0].gaps, [SeqRange { first: 4, last: 5 }]);
    }
    assert_eq!(payloads(&stream).await.len(), 7);
    eventually("repair asked for", || async { rot.repairs.load(Ordering::SeqCst) >= 1 }).await;
}

/// The place where a page begins is searched for, and the search may hit the damage.
#[tokio::test]
async fn a_page_beyond_the_damage_is_found() {
    for (lost, from) in [(5, 8), (5, 2)] {
        let store = MemoryStore::new();
        let config = Config { coalesce: false, ..Config::default() };
        let builder = Coordinator::builder().store(store.clone()).config(config);
        let node = builder.node_id("ann").build().await.unwrap();
        let stream = notes(&node).await;
        let mut ids = Vec::new();
        for n in 1..=9 {
            ids.push(stream.append(format!("{n}")).await.unwrap());
        }
        let cut = stream.get(ids[from - 1]).await.unwrap().unwrap().key();
        assert!(store.lose(ids[0].log, lost));
        for (query, count) in [
            (
                PageQuery::forward(Place::AfterKey(cut.clone())),
                (from..9).filter(|at| *at as u64 + 1 != lost).count(),
            ),
            (PageQuery::backward(Place::BeforeKey(cut)), (1..from).filter(|at| *at as u64 != lost).count()),
        ] {
            let page = stream.page(query).await.unwrap();
            assert_eq!(page.entries.len(), count, "{from}: {:?}", page.entries);
        }
    }
}

#[tokio::test]
async fn views_of_a_damaged_stream_are_partial() {
    let (_node, stream, _rot) = rotten().await;
    let (total, any) = (stream.view(Joined).await.unwrap(), stream.view(Count).await.unwrap());
    assert_eq!((total.get().len(), total.report().partial), (7, true));
    assert_eq!((*any.get(), any.report().partial), (7, true));
}

#[tokio::test]
async fn what_is_pruned_while_it_is_read_is_told() {
    let config = Config { coalesce: false, page_bytes: 1, ..Config::default() };
    let builder = Coordinator::builder().store(MemoryStore::new()).config(config);
    let node = builder.node_id("ann").build().await.unwrap();
    let stream = notes(&node).await;
    for n in 1..=9 {
        stream.append(format!("{n}")).await.unwrap();
    }
    let mut pager = stream.read_all().await.unwrap();
    assert_eq!(pager.next().await.unwrap().unwrap().payload(), b"1");
    assert!(pager.incomplete().is_empty());
    stream.set_retention(Retention::CountBased(2)).await.unwrap();
    stream.compact().await.unwrap();
    let mut rest = Vec::new();
    while let Some(entry) = pager.next().await.unwrap() {
        rest.push(entry.sequence());
    }
    assert_eq!(&rest[rest.len() - 2..], [8, 9]);
    let lost = &pager.incomplete()[0].gaps;
    let lost: u64 = lost.iter().map(SeqRange::count).sum();
    assert_eq!(lost, 8 - rest.len() as u64, "{:?}", pager.incomplete());
    assert!(lost > 0);
}

#[tokio::test]
async fn what_never_arrived_comes_when_its_hole_is_filled() {
    let store = Arc::new(MemoryStore::new());
    let node = common::on("ann", store.clone()).await;
    let stream = notes(&node).await;
    let mut writer = LogWriter::new("project", "notes", "bob");
    let missed = [writer.run(2), writer.run(1)];
    let adopt = writer.adopt();
    let held = writer.run(2);
    // As if the node had done it; an append of its own wakes the readers.
    store.commit(&[adopt, held], &Meta::default()).await.unwrap();
    let mut live = stream.subscribe(From::Start).await.unwrap();
    let (any, total) = (stream.view(Count).await.unwrap(), stream.view(Joined).await.unwrap());
    let gap = soon("gap", live.next_delivered()).await.unwrap().unwrap();
    assert_eq!(gap, Delivered::Gap { log: writer.id(), range: SeqRange { first: 1, last: 3 } });
    for sequence in [4, 5] {
        assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().sequence(), sequence);
    }
    assert_eq!((*any.get(), total.get().len()), (2, 2));
    for run in missed.iter().rev() {
        let CommitItem::Run { log, prev, run, end } = run.clone() else { panic!("a run") };
        store.commit(&[CommitItem::Fill { log, prev, run, end }], &Meta::default()).await.unwrap();
    }
    stream.append("wake").await.unwrap();
    for sequence in [3, 1, 2, 1] {
        assert_eq!(soon("entry", live.next()).await.unwrap().unwrap().sequence(), sequence);
    }
    soon("folded once", any.wait_for(|count| *count == 6)).await.unwrap();
    assert!(total.report().partial, "it says that it lacks what came below its height");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_stream_frees_everything_and_comes_back_with_what_peers_hold() {
    let network = MemoryNetwork::new(5);
    let (ann, bob) = (linked(&network, "ann").await, linked(&network, "bob").await);
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    ann.connect("memory:bob").await.unwrap();
    let first = a.append("mine").await.unwrap();
    b.append("theirs").await.unwrap();
    eventually("met", || async { payloads(&a).await.len() == 2 && payloads(&b).await.len() == 2 }).await;
    ann.channel("project").await.unwrap().remove_stream("notes").await.unwrap();
    let usage = ann.resource_usage().await.unwrap();
    assert_eq!((usage.entries, usage.bytes, usage.logs), (0, 0, 0));
    let a = notes(&ann).await;
    eventually("back", || async { payloads(&a).await.len() == 2 }).await;
    let second = a.append("again").await.unwrap();
    assert_ne!(first.log, second.log, "a new epoch: the old one may be longer elsewhere");
    eventually("heard", || async { payloads(&b).await.len() == 3 }).await;
    assert_eq!(payloads(&a).await, payloads(&b).await);
}

/// A stream of single runs "1" to "9" of which the fourth and fifth are lost.
async fn lost(config: Config) -> (Coordinator, EventStream) {
    let store = MemoryStore::new();
    let config = Config { coalesce: false, ..config };
    let builder = Coordinator::builder().store(store.clone()).config(config);
    let node = builder.node_id("ann").build().await.expect("build");
    let stream = notes(&node).await;
    for n in 1..=9 {
        let id = stream.append(format!("{n}")).await.expect("append");
        if n == 9 {
            assert!(store.lose(id.log, 4) && store.lose(id.log, 5));
        }
    }
    (node, stream)
}

#[tokio::test]
async fn damage_at_a_floor_is_isolated_and_pruned_with_the_rest() {
    let (node, stream) = lost(Config::default()).await;
    stream.set_retention(Retention::CountBased(5)).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 3, "what was lost is not freed");
    let report = node.verify().await.unwrap();
    assert!(report.is_sound() && report.entries == 4 && report.gaps == 0, "{report:?}");
}

#[tokio::test]
async fn damage_in_the_way_of_finding_what_is_old_is_isolated() {
    let (node, stream) = lost(Config::default()).await;
    stream.set_retention(Retention::TimeBased(Duration::from_secs(3600))).await.unwrap();
    assert_eq!(stream.compact().await.unwrap().entries, 0, "nothing is old");
    let report = node.verify().await.unwrap();
    assert_eq!((report.is_sound(), report.gaps, report.entries), (true, 1, 7), "{report:?}");
}

#[tokio::test]
async fn a_stream_that_prunes_itself_is_not_stopped_by_damage() {
    let (_node, stream) =
        lost(Config { retention_every: Duration::from_millis(10), ..Config::default() }).await;
    stream.set_retention(Retention::CountBased(5)).await.unwrap();
    eventually("pruned", || async { stream.usage().await.unwrap().entries == 4 }).await;
}

#[tokio::test]
async fn what_is_erased_while_it_is_damaged_does_not_come_back_whole() {
    let (network, store) = (MemoryNetwork::new(7), MemoryStore::new());
    let on = |id: &str, store: MemoryStore, config: Config| {
        Coordinator::builder()
            .store(store)
            .transport(network.transport(id))
            .config(config)
            .node_id(id)
            .build()
    };
    let ann = on("ann", store.clone(), Config { coalesce: false, ..Config::default() }).await.unwrap();
    let deaf = NodeConfig { follow_erasures: false, ..NodeConfig::default() };
    let bob = on("bob", MemoryStore::new(), Config { node: deaf, ..Config::default() }).await.unwrap();
    ann.start().await.unwrap();
    bob.start().await.unwrap();
    let (a, b) = (notes(&ann).await, notes(&bob).await);
    ann.connect("memory:bob").await.unwrap();
    let mut ids = Vec::new();
    for n in 1..=9 {
        ids.push(a.append(format!("{n}")).await.unwrap());
    }
    eventually("all there", || async { payloads(&b).await.len() == 9 }).await;
    assert!(store.lose(ids[3].log, 4));
    let erased = soon("an answer", a.erase_all(ids[2..5].iter().copied())).await;
    assert_eq!(erased.unwrap(), 2, "what can be read");
    ann.repair().await.unwrap();
    eventually("filled", || async { a.get(ids[3]).await.unwrap().is_some() }).await;
    let has_payload = a.get(ids[3]).await.unwrap().is_some_and(|entry| entry.bytes().is_some());
    assert!(!has_payload, "it was erased");
}
