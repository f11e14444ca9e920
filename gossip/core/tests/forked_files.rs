//! Files of channels whose logs fork.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use common::{exported, imported, local, notes, on, payloads};
use gossip_core::proto::{CommitItem, LogHead, LogName, Meta, Scope, Stamp, StoredRun, Turn};
use gossip_core::{Config, Coordinator, EntryRepository, LogId, Seq, StoreResult};
use gossip_store_memory::MemoryStore;
use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};
use gossip_testkit::fixture::{LogWriter, stored};

/// Everything up to here is on both sides of the fork; it lies within a run.
const COMMON: u64 = 3;

/// Parts the log of a store as a node does, at the calls of the store that are named.
struct Parting {
    store: MemoryStore,
    /// Calls counted since the log is named.
    log: OnceLock<LogId>,
    calls: AtomicU64,
    /// When its end is copied, and when it is cut.
    at: [u64; 2],
}

#[async_trait]
impl StoreHooks for Parting {
    async fn before(&self, _: StoreCall<'_>) -> StoreResult<()> {
        let Some(log) = self.log.get() else { return Ok(()) };
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        if call == self.at[0] {
            copy(&self.store, *log, COMMON).await;
        }
        if call == self.at[1] {
            cut(&self.store, *log, COMMON).await;
        }
        Ok(())
    }
}

async fn head(store: &MemoryStore, log: LogId) -> LogHead {
    store.heads(&Scope::Log(log), None, 1).await.unwrap().items.remove(0)
}

/// How a log parts behind a place, and the name of the branch that what follows belongs to.
async fn place(store: &MemoryStore, log: LogId, common: Seq) -> (Turn, LogName) {
    let hashes = store.hash_at(log, &[common, common + 1]).await.unwrap();
    let name = head(store, log).await.name;
    (Turn { at: common + 1, prev: hashes[0], first: Some(hashes[1]) }, name.branching(hashes[1]))
}

/// Copies what follows a place to the branch it belongs to.
async fn copy(store: &MemoryStore, log: LogId, common: Seq) -> LogId {
    let (turn, name) = place(store, log, common).await;
    let runs = store.read(log, common + 1, usize::MAX).await.unwrap();
    let rest = runs.iter().map(|stored| stored.cut_front(stored.run.first().max(common + 1)).unwrap());
    branch_off(store, name, turn, rest.collect()).await
}

/// Stores what follows a place under the name of a branch.
async fn branch_off(store: &MemoryStore, name: LogName, turn: Turn, runs: Vec<StoredRun>) -> LogId {
    let (log, floor, hash, stamp) = (Arc::new(name), turn.at - 1, turn.prev, Stamp::ZERO);
    let mut batch = vec![CommitItem::Adopt { log: log.clone(), floor, hash, stamp, seal: None }];
    for stored in runs {
        let StoredRun { prev, run } = stored.relabel(log.id()).unwrap();
        let end = run.verify(prev).unwrap();
        batch.push(CommitItem::Run { log: log.clone(), prev, run, end });
    }
    store.commit(&batch, &Meta::default()).await.unwrap();
    log.id()
}

async fn cut(store: &MemoryStore, log: LogId, common: Seq) {
    let (turn, _) = place(store, log, common).await;
    let name = head(store, log).await.name;
    store.turn(&name, &turn).await.unwrap();
}

/// A node with a log of eight entries, two in each run, whose hooks do not know the log yet.
async fn writer(author: Option<&str>, at: [u64; 2]) -> (Coordinator, MemoryStore, Arc<Parting>, LogId) {
    let store = MemoryStore::new();
    let (log, calls) = (OnceLock::new(), AtomicU64::new(0));
    let hooks = Arc::new(Parting { store: store.clone(), log, calls, at });
    let config = Config { coalesce: false, page_bytes: 1, auto_retention: false, ..Config::default() };
    let builder = Coordinator::builder().store(StoreDouble::new(store.clone(), hooks.clone())).config(config);
    let builder = if let Some(author) = author { builder.node_id(author) } else { builder };
    let node = builder.build().await.unwrap();
    let stream = notes(&node).await;
    let mut log = None;
    for n in 0..4 {
        log = Some(stream.append_all([format!("{n}a"), format!("{n}b")]).await.unwrap()[0].log);
    }
    (node, store, hooks, log.unwrap())
}

fn written() -> Vec<String> {
    (0..4).flat_map(|n| [format!("{n}a"), format!("{n}b")]).collect()
}

#[tokio::test]
async fn nothing_is_left_out_whenever_a_log_parts_while_it_is_exported() {
    for author in [Some("ann"), None] {
        // Behind the last call of an export nothing happens any more.
        let (node, _, hooks, log) = writer(author, [u64::MAX; 2]).await;
        hooks.log.set(log).unwrap();
        exported(&node).await;
        let calls = hooks.calls.load(Ordering::SeqCst) + 1;
        assert!(calls > 8, "{calls}");
        for copied in 0..calls {
            for cut in copied..calls {
                let (node, _, hooks, log) = writer(author, [copied, cut]).await;
                hooks.log.set(log).unwrap();
                let file = exported(&node).await;
                let bob = local("bob").await;
                imported(&bob, &file).await;
                let found = payloads(&notes(&bob).await).await;
                assert_eq!(found, written(), "{author:?}: copied at {copied}, cut at {cut} of {calls}");
                assert!(bob.verify().await.unwrap().is_sound());
            }
        }
    }
}

/// Ids say nothing about which branch parts from which: some come in one order, some in the other.
#[tokio::test]
async fn branches_of_branches_travel_in_whichever_order_their_ids_are() {
    let store = MemoryStore::new();
    let ann = on("ann", Arc::new(store.clone())).await;
    notes(&ann).await;
    ann.shutdown().await.unwrap();
    for author in ["bob", "cid", "dan", "eve", "fay", "gil"] {
        let mut log = LogWriter::new("project", "notes", author);
        let (common, name) = (log.run(3), (**log.name()).clone());
        let (prev, first) = (log.hash(), None);
        let theirs = stored(&log.run(5));
        store.commit(&[common], &Meta::default()).await.unwrap();
        // Both histories came from others, one of them is not here yet.
        let turn = Turn { at: 4, prev, first };
        store.turn(&name, &turn).await.unwrap();
        let branch = name.branching(theirs.hash_at(4).unwrap());
        let branch = branch_off(&store, branch, turn, vec![theirs]).await;
        copy(&store, branch, 5).await;
        cut(&store, branch, 5).await;
    }
    let ann = on("ann", Arc::new(store)).await;
    let zoe = local("zoe").await;
    let told = imported(&zoe, &exported(&ann).await).await;
    assert_eq!((told.logs, told.entries), (6 * 3, 6 * 8));
    assert_eq!(payloads(&notes(&zoe).await).await, payloads(&notes(&ann).await).await);
}

/// Nobody can tell any more which branch of its log it is, unless it is known: all else is taken.
#[tokio::test]
async fn a_sealed_branch_whose_beginning_was_pruned_is_left_out_alone() {
    // Where nothing is common but the front of a run, nobody vouches for that either.
    for (common, expected, left_out) in [(3, &["0a", "0b"][..], 1), (1, &[], 2)] {
        let (node, store, _, log) = writer(None, [u64::MAX; 2]).await;
        let branch = copy(&store, log, common).await;
        cut(&store, log, common).await;
        let whole = exported(&node).await;
        store.prune(&[(branch, common + 1)]).await.unwrap();
        let other = node.channel("project").await.unwrap().stream("other").await.unwrap();
        other.append("elsewhere").await.unwrap();
        let file = exported(&node).await;

        let bob = local("bob").await;
        let told = imported(&bob, &file).await;
        assert_eq!((told.logs, told.left_out, told.entries), (3, left_out, expected.len() as u64 + 1));
        assert_eq!(told.entries + told.skipped, 8, "one was pruned");
        let other = bob.channel("project").await.unwrap().stream("other").await.unwrap();
        assert_eq!(payloads(&other).await, ["elsewhere"]);
        assert_eq!(payloads(&notes(&bob).await).await, expected);
        assert!(bob.verify().await.unwrap().is_sound());

        // Who knows of the fork takes it.
        let cid = local("cid").await;
        imported(&cid, &whole).await;
        let told = imported(&cid, &file).await;
        assert_eq!((told.logs, told.left_out, told.entries), (3, 0, 1));
        assert_eq!(payloads(&notes(&cid).await).await, written());
    }
}

/// A branch that forks before its next seal has none: what left it comes first, and vouches for it.
#[tokio::test]
async fn a_branch_without_a_seal_of_its_own_is_not_left_out() {
    let (_node, written_to, _, log) = writer(None, [u64::MAX; 2]).await;
    let runs = written_to.read(log, 1, usize::MAX).await.unwrap();
    let name = head(&written_to, log).await.name;
    let store = MemoryStore::new();
    let ann = on("ann", Arc::new(store.clone())).await;
    notes(&ann).await;
    ann.shutdown().await.unwrap();
    // Whoever held none of these histories itself cannot tell which one goes on from which.
    let (prev, run, end) = (runs[0].prev, runs[0].run.clone(), runs[1].prev);
    let first = CommitItem::Run { log: Arc::new(name.clone()), prev, run, end };
    store.commit(&[first], &Meta::default()).await.unwrap();
    let (middle, prev) = runs[1].cut_back(3).unwrap();
    let rest = [&[runs[1].cut_front(4).unwrap()][..], &runs[2..]].concat();
    let turns = [Turn { at: 3, prev: end, first: None }, Turn { at: 4, prev, first: None }];
    let names = [name.branching(prev), name.branching(rest[0].hash_at(4).unwrap())];
    store.turn(&name, &turns[0]).await.unwrap();
    branch_off(&store, names[0].clone(), turns[0], vec![middle]).await;
    store.turn(&names[0], &turns[1]).await.unwrap();
    branch_off(&store, names[1].clone(), turns[1], rest).await;

    let ann = on("ann", Arc::new(store)).await;
    let zoe = local("zoe").await;
    let told = imported(&zoe, &exported(&ann).await).await;
    assert_eq!((told.logs, told.left_out, told.entries), (3, 0, 8));
    assert_eq!(payloads(&notes(&zoe).await).await, written());
    assert!(zoe.verify().await.unwrap().is_sound());
}
