//! Laws of `commit`: continuity, atomicity, repetition.

use gossip_proto::{Arrival, ChainHash, CommitItem, Meta, NodeId, NodeRecord, Scope, StoredRun};

use super::StoreHarness;
use super::expect::{commit, entries, everything, find_head, head, read_all, refuses, sequences};
use crate::fixture::{LogWriter, stored};

/// What was committed is read back byte for byte, with the hash before it.
pub async fn reads_back_byte_for_byte<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(3), ann.run(1), ann.run(256)];
    commit(&*store, &items).await;
    let runs = read_all(&*store, ann.id()).await;
    assert_eq!(runs, items.iter().map(stored).collect::<Vec<_>>());
    for (read, item) in runs.iter().zip(&items) {
        assert_eq!(read.run.encoded(), stored(item).run.encoded());
    }
}

/// A run that leaves a hole, or begins above 1 in an unknown log, is refused.
pub async fn a_run_must_follow_the_height<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let (first, second, third) = (ann.run(2), ann.run(2), ann.run(2));
    refuses(&*store, std::slice::from_ref(&second)).await;
    assert_eq!(find_head(&*store, ann.id()).await, None, "the log stays unknown");
    commit(&*store, &[first]).await;
    refuses(&*store, std::slice::from_ref(&third)).await;
    commit(&*store, &[second, third]).await;
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 4, 5, 6]);
}

/// A run whose `prev` is not the hash at the height is refused, at the root too.
pub async fn a_run_must_continue_the_chain<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let wrong = |item: CommitItem| match item {
        CommitItem::Run { log, run, end, .. } => CommitItem::Run { log, prev: ChainHash([1; 32]), run, end },
        other => other,
    };
    let first = ann.run(2);
    refuses(&*store, &[wrong(first.clone())]).await;
    commit(&*store, &[first]).await;
    refuses(&*store, &[wrong(ann.run(2))]).await;
}

/// A run that begins at or below the height and ends above it is refused.
pub async fn an_overlap_is_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut long = ann.clone();
    commit(&*store, &[ann.run(2)]).await;
    refuses(&*store, &[long.run(4)]).await;
}

/// One bad item refuses the whole batch, wherever it stands.
pub async fn one_bad_item_refuses_the_batch<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    commit(&*store, &[bob.run(1)]).await;
    let (good, hole) = (ann.run(3), (bob.run(1), bob.run(1)).1);
    refuses(&*store, &[good.clone(), hole.clone()]).await;
    refuses(&*store, &[hole, good]).await;
    assert_eq!(find_head(&*store, ann.id()).await, None);
}

/// Within a batch later items see earlier ones.
pub async fn later_items_see_earlier_ones<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
    let one = ann.run(2);
    let committed = commit(&*store, &[one.clone(), bob.run(1), ann.run(2), one]).await;
    let expected = [Some(Arrival(1)), Some(Arrival(3)), Some(Arrival(4)), None];
    assert_eq!(committed.arrivals, expected, "the last was already there");
    let head = head(&*store, ann.id()).await;
    assert_eq!((head.height, head.hash), (4, ann.hash()));
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 4]);
}

/// Committing the same batch again is accepted, gives no arrival and changes nothing.
pub async fn a_repeated_batch_changes_nothing<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    let batch = [ann.run(2), bob.run(3), ann.run(1)];
    commit(&*store, &batch).await;
    commit(&*store, &[ann.run(4)]).await;
    let before = everything(&*store).await;
    assert_eq!(commit(&*store, &batch).await.arrivals, [None, None, None]);
    assert_eq!(everything(&*store).await, before);
}

/// Other entries at sequences held are refused, at the height and below it.
pub async fn other_entries_at_known_sequences_are_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut fork = ann.clone();
    let other = fork.run_of(&["not".into(), "the same".into()]);
    commit(&*store, &[ann.run(2)]).await;
    refuses(&*store, std::slice::from_ref(&other)).await;
    commit(&*store, &[ann.run(3)]).await;
    refuses(&*store, &[other]).await;
}

/// A run under the name of another log, or with an end that is not its own, is refused.
pub async fn a_run_of_another_log_is_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    let CommitItem::Run { log, prev, run, end } = ann.run(1) else { unreachable!("a run") };
    let bobs = bob.name().clone();
    refuses(&*store, &[CommitItem::Run { log: bobs, prev: bob.hash(), run: run.clone(), end }]).await;
    refuses(&*store, &[CommitItem::Run { log, prev, run, end: ChainHash([3; 32]) }]).await;
}

/// A batch over many logs is one: a bad item at its end refuses all, without it all is there.
pub async fn a_batch_over_many_logs_is_one<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut logs: Vec<_> =
        (0..300).map(|n| LogWriter::new("c", &format!("s{}", n % 7), &format!("n{n}"))).collect();
    let good: Vec<_> = logs.iter_mut().map(|log| log.run(2)).collect();
    let mut bad = good.clone();
    bad.push((logs[0].run(1), logs[0].run(1)).1);
    refuses(&*store, &bad).await;
    commit(&*store, &good).await;
    let usage = store.usage(&Scope::All).await.unwrap();
    assert_eq!((usage.logs, usage.entries), (300, 600));
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(600));
    drop(store);
    let heads = place.open().await.heads(&Scope::All, None, 1000).await.unwrap().items;
    assert!(heads.len() == 300 && heads.iter().all(|head| head.height == 2));
}

/// Entries without their payloads are taken, numbered and given back as they are.
pub async fn hollow_entries_are_entries<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let CommitItem::Run { log, prev, end, run } = ann.run(3) else { unreachable!("a run") };
    let hollow = StoredRun { prev, run }.hollowed(|entry| entry.sequence != 2).unwrap();
    let item = CommitItem::Run { log, prev, run: hollow.run.clone(), end };
    assert_eq!(commit(&*store, &[item, ann.run(1)]).await.arrivals, [Some(Arrival(1)), Some(Arrival(4))]);
    assert_eq!(read_all(&*store, ann.id()).await[0], hollow);
    let entries = entries(&*store, ann.id()).await;
    let present: Vec<_> = entries.iter().map(|entry| entry.payload.bytes().is_some()).collect();
    assert_eq!(present, [false, true, false, true]);
    assert_eq!(entries[0].payload.len(), 5, "the length is known: \"ann 1\"");
    assert_eq!(head(&*store, ann.id()).await.hash, ann.hash(), "the chain is the same");
}

/// Statistics are zero where they are not told, and else count at least what was asked for.
pub async fn statistics_count_what_was_committed<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let before = store.stats().await.unwrap();
    let batches = [[ann.run(3), ann.run(2)], [ann.run(200), ann.run(1)]];
    for batch in &batches {
        commit(&*store, batch).await;
    }
    let after = store.stats().await.unwrap();
    let bytes = batches.iter().flatten().map(|item| stored(item).run.encoded().len() as u64).sum::<u64>();
    let commits = after.commits - before.commits;
    assert!(commits == 2 || after.commits == 0, "{commits} commits told for 2");
    let committed = after.committed_bytes - before.committed_bytes;
    assert!(committed >= bytes || after.committed_bytes == 0, "{committed} bytes told for {bytes}");
    assert!(after.written_bytes >= before.written_bytes);
    let repeated = store.commit(&batches[0], &Meta::default()).await.unwrap();
    assert_eq!(repeated.arrivals, [None, None]);
    let known = store.stats().await.unwrap().committed_bytes;
    assert_eq!(known, after.committed_bytes, "what was known is not committed again");
}

/// A batch without items is accepted, and its clock is kept.
pub async fn an_empty_batch_carries_the_clock<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let record = NodeRecord { clock: LogWriter::stamp_at(1), ..NodeRecord::new(NodeId::new("me").unwrap()) };
    store.save_node(&record).await.unwrap();
    let clock = LogWriter::stamp_at(9);
    store.commit(&[], &Meta { clock }).await.unwrap();
    assert_eq!(store.load_node().await.unwrap().unwrap().clock, clock);
    assert!(store.heads(&Scope::All, None, 10).await.unwrap().items.is_empty());
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(1)]).await;
    assert_eq!((head(&*store, ann.id()).await.height, entries(&*store, ann.id()).await.len()), (1, 1));
}
