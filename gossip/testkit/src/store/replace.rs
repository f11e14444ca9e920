//! Laws of `replace`.

use gossip_proto::{ChainHash, CommitItem, Payload, RunBuilder, Scope, SeqRange, StoredRun};

use super::StoreHarness;
use super::expect::{commit, everything, head, read_all, rejected, rows, sequences, short_rows};
use crate::fixture::{LogWriter, stored};

fn join(items: &[CommitItem]) -> StoredRun {
    let mut runs = items.iter().map(stored);
    let first = runs.next().unwrap();
    runs.fold(first, |joined, next| joined.join(&next).unwrap())
}

/// Neighbours become one run; entries, head and arrival rows stay.
pub async fn joins_runs_and_keeps_arrivals<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(3), ann.run(1)];
    commit(&*store, &items).await;
    let (head_before, rows_before) =
        (head(&*store, ann.id()).await, short_rows(&*store, &Scope::All, 0).await);
    let joined = join(&items[..2]);
    store.replace(ann.id(), SeqRange { first: 1, last: 5 }, joined.clone()).await.unwrap();
    assert_eq!(read_all(&*store, ann.id()).await, [joined.clone(), stored(&items[2])]);
    assert_eq!(head(&*store, ann.id()).await, head_before);
    assert_eq!(short_rows(&*store, &Scope::All, 0).await, rows_before);
    assert_eq!(rows(&*store, &ann.stream(), 2).await[0].runs, std::slice::from_ref(&joined));
    let bytes = (joined.run.encoded().len() + stored(&items[2]).run.encoded().len()) as u64;
    assert_eq!(store.usage(&Scope::All).await.unwrap().bytes, bytes);
    store.replace(ann.id(), SeqRange { first: 1, last: 6 }, join(&items)).await.unwrap();
    assert_eq!(read_all(&*store, ann.id()).await, [join(&items)]);
    commit(&*store, &[ann.run(1)]).await;
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 4, 5, 6, 7]);
}

/// A run of another chain, another log or another beginning is refused and nothing is written.
pub async fn refuses_another_chain<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut fork = ann.clone();
    let mut bob = LogWriter::new("c", "s", "bob");
    let items = [ann.run(2), ann.run(2)];
    commit(&*store, &items).await;
    let before = everything(&*store).await;
    let range = SeqRange { first: 1, last: 4 };
    let other = fork.run_of(&["a".into(), "b".into(), "c".into(), "d".into()]);
    rejected(store.replace(ann.id(), range, stored(&other)).await);
    rejected(store.replace(ann.id(), range, stored(&bob.run(4))).await);
    let unrooted = StoredRun { prev: ChainHash([1; 32]), ..join(&items) };
    rejected(store.replace(ann.id(), range, unrooted).await);
    rejected(store.replace(bob.id(), range, join(&items)).await);
    assert_eq!(everything(&*store).await, before);
}

/// The range must be made up of whole runs, and the new run must span exactly it.
pub async fn refuses_a_range_that_cuts_runs<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(2), ann.run(2)];
    commit(&*store, &items).await;
    let before = everything(&*store).await;
    let whole = join(&items);
    let range = |first, last| SeqRange { first, last };
    rejected(store.replace(ann.id(), range(1, 4), whole.clone()).await);
    rejected(store.replace(ann.id(), range(2, 6), whole.cut_front(2).unwrap()).await);
    rejected(store.replace(ann.id(), range(1, 8), whole.clone()).await);
    rejected(store.replace(ann.id(), range(7, 8), stored(&ann.run(2))).await);
    rejected(store.replace(ann.id(), range(3, 2), whole).await);
    assert_eq!(everything(&*store).await, before);
}

/// Payloads may be erased: the chain is the same over their hashes.
pub async fn takes_hollow_payloads<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let item = ann.run(3);
    commit(&*store, &[item.clone(), ann.run(1)]).await;
    let old = stored(&item);
    let mut builder = RunBuilder::new(ann.id(), 1, old.prev);
    for entry in old.run.entries() {
        let hollow = Payload::Hollow { hash: entry.payload.hash(), len: entry.payload.len() };
        let payload = if entry.sequence == 2 { hollow } else { entry.payload };
        builder.push(entry.stamp, &payload).unwrap();
    }
    let (run, _) = builder.finish(None).unwrap();
    let erased = StoredRun { prev: old.prev, run };
    store.replace(ann.id(), old.run.range(), erased.clone()).await.unwrap();
    assert_eq!(read_all(&*store, ann.id()).await[0], erased);
    assert_eq!(commit(&*store, &[item]).await.arrivals, [None], "the full run is still known");
}
