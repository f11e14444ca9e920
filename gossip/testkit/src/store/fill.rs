//! Laws of `CommitItem::Fill`: holes are filled from their upper end down.

use gossip_core::Store;
use gossip_proto::{Arrival, ChainHash, CommitItem, Scope, SeqRange, StoredRun};

use super::StoreHarness;
use super::expect::{commit, entries, everything, find_head, head, numbered, read_all, refuses, sequences};
use crate::fixture::{LogWriter, filling, stored};

/// A log that holds 1 to 3 and 10 to 11, and the three runs between: 4 and 5, 6 to 8, 9.
async fn log_with_gap(store: &dyn Store) -> (LogWriter, [CommitItem; 3]) {
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(store, &[ann.run(3)]).await;
    let missed = [ann.run(2), ann.run(3), ann.run(1)];
    let adopt = ann.adopt();
    commit(store, &[adopt, ann.run(2)]).await;
    (ann, missed)
}

fn range(first: u64, last: u64) -> SeqRange {
    SeqRange { first, last }
}

/// A gap shrinks to what is before each run; when nothing is left of it, it is gone.
pub async fn a_gap_is_filled_from_its_upper_end<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (ann, missed) = log_with_gap(&*store).await;
    let before = head(&*store, ann.id()).await;
    for (item, rest) in missed.iter().rev().zip([vec![range(4, 8)], vec![range(4, 5)], vec![]]) {
        commit(&*store, &[filling(item)]).await;
        let now = head(&*store, ann.id()).await;
        assert_eq!((&now.gaps, &now.missed), (&rest, &rest));
        assert_eq!((now.height, now.hash, now.stamp, now.floor), (11, before.hash, before.stamp, 0));
        let run = stored(item);
        let hashes: Vec<_> = run.run.hashes(run.prev).collect();
        let places: Vec<_> = (run.run.first()..=run.run.last()).collect();
        assert_eq!(store.hash_at(ann.id(), &places).await.unwrap(), hashes);
        assert!(read_all(&*store, ann.id()).await.contains(&run), "as it was committed");
    }
    assert_eq!(sequences(&*store, ann.id()).await, (1..=11).collect::<Vec<_>>());
}

/// Within one batch later items see what earlier ones filled.
pub async fn one_batch_fills_in_several_runs<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, [a, b, c]) = log_with_gap(&*store).await;
    let batch = [filling(&c), ann.run(1), filling(&b), filling(&a)];
    let committed = commit(&*store, &batch).await;
    let expected = [Some(Arrival(6)), Some(Arrival(7)), Some(Arrival(8)), Some(Arrival(11))];
    assert_eq!(committed.arrivals, expected);
    assert_eq!(sequences(&*store, ann.id()).await, (1..=12).collect::<Vec<_>>());
    let log = ann.id();
    let order = [1, 2, 3, 10, 11, 9, 12, 6, 7, 8, 4, 5].into_iter().zip(1..);
    let expected: Vec<_> = order.map(|(sequence, arrival)| (arrival, log, sequence)).collect();
    assert_eq!(numbered(&*store, &Scope::All, 0).await, expected);
}

/// A floor taken from peers moves down to what is before the run: to the middle, then to 0.
pub async fn a_floor_is_lowered<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let (lower, middle, upper) = (ann.run(2), ann.hash(), ann.run(3));
    let adopt = ann.adopt();
    commit(&*store, &[adopt, ann.run(1)]).await;
    commit(&*store, &[filling(&upper)]).await;
    let now = head(&*store, ann.id()).await;
    assert_eq!((now.floor, now.floor_hash, &now.gaps), (2, middle, &vec![]));
    assert_eq!(store.hash_at(ann.id(), &[2]).await.unwrap(), [middle]);
    assert_eq!(sequences(&*store, ann.id()).await, [3, 4, 5, 6]);
    commit(&*store, &[filling(&lower)]).await;
    let now = head(&*store, ann.id()).await;
    assert_eq!((now.floor, now.floor_hash), (0, ann.name().hash().root()));
    assert_eq!((now.height, now.hash), (6, ann.hash()));
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 4, 5, 6]);
    assert!(now.missed.is_empty());
}

/// What was pruned comes back, also in other pieces, and does not arrive twice.
pub async fn a_pruned_range_comes_back_without_arriving_again<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(3), ann.run(4), ann.run(1)];
    commit(&*store, &items).await;
    let (entries_before, rows_before) =
        (entries(&*store, ann.id()).await, numbered(&*store, &Scope::All, 0).await);
    for floor in [8, 3, 5] {
        store.prune(&[(ann.id(), floor)]).await.unwrap();
        for item in items.iter().rev().filter(|item| stored(item).run.first() <= floor) {
            let (part, end) = stored(item).cut_back(floor.min(stored(item).run.last())).unwrap();
            let log = ann.name().clone();
            let fill = CommitItem::Fill { log, prev: part.prev, run: part.run, end };
            assert_eq!(commit(&*store, &[fill]).await.arrivals, [None]);
        }
        assert_eq!(entries(&*store, ann.id()).await, entries_before, "floor {floor}");
        assert_eq!(head(&*store, ann.id()).await.floor, 0);
        assert_eq!(numbered(&*store, &Scope::All, 0).await, rows_before);
    }
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(8));
}

/// Of a run that was there in part before it was pruned, only the rest is numbered.
pub async fn only_what_never_arrived_is_numbered<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut whole = ann.clone();
    let _never_held = ann.run(4);
    let adopt = ann.adopt();
    commit(&*store, &[adopt, ann.run(4)]).await;
    store.prune(&[(ann.id(), 8)]).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.missed, [range(1, 4)], "pruning makes nothing missed");
    let (lower, upper) = (whole.run(2), whole.run(6));
    assert_eq!(commit(&*store, &[filling(&upper)]).await.arrivals, [Some(Arrival(5))]);
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(6), "3 and 4; 5 to 8 had numbers");
    assert_eq!(head(&*store, ann.id()).await.missed, [range(1, 2)]);
    assert_eq!(commit(&*store, &[filling(&lower)]).await.arrivals, [Some(Arrival(7))]);
    let log = ann.id();
    let order = [5, 6, 7, 8, 3, 4, 1, 2].into_iter().zip(1..);
    let expected: Vec<_> = order.map(|(sequence, arrival)| (arrival, log, sequence)).collect();
    assert_eq!(numbered(&*store, &Scope::All, 0).await, expected);
}

/// Other entries, another log, another hash before or after: refused, and nothing is written.
pub async fn another_chain_is_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (ann, [a, b, c]) = log_with_gap(&*store).await;
    let mut fork = LogWriter::new("c", "s", "ann");
    let _same = fork.run(8);
    refuses(&*store, &[filling(&fork.run_of(&["not what was written".into()]))]).await;
    let (bob, log) = (LogWriter::new("c", "s", "bob"), ann.name().clone());
    let CommitItem::Run { prev, run, end, .. } = c.clone() else { unreachable!("a run") };
    let fill = |log, prev, end| CommitItem::Fill { log, prev, run: run.clone(), end };
    refuses(&*store, &[fill(bob.name().clone(), prev, end)]).await;
    refuses(&*store, &[fill(log.clone(), prev, ChainHash([7; 32]))]).await;
    commit(&*store, &[filling(&c), filling(&b)]).await;
    let CommitItem::Run { run, end, .. } = a else { unreachable!("a run") };
    refuses(&*store, &[CommitItem::Fill { log, prev: ChainHash([7; 32]), run, end }]).await;
}

/// A run that does not end where the hole ends, reaches beyond it, or has no hole: refused.
pub async fn another_place_is_refused<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, [a, b, c]) = log_with_gap(&*store).await;
    for low in [&a, &b] {
        refuses(&*store, &[filling(low)]).await;
    }
    for (skip, count) in [(0, 9), (2, 7), (3, 7), (3, 8), (5, 6), (8, 2)] {
        let mut other = LogWriter::new("c", "s", "ann");
        let _before = (skip > 0).then(|| other.run(skip));
        refuses(&*store, &[filling(&other.run(count))]).await;
    }
    refuses(&*store, &[filling(&ann.run(1))]).await;
    let mut unknown = LogWriter::new("c", "s", "bob");
    refuses(&*store, &[filling(&unknown.run(1))]).await;
    assert_eq!(find_head(&*store, unknown.id()).await, None);
    commit(&*store, &[filling(&c)]).await;
    assert_eq!(head(&*store, ann.id()).await.gaps, [range(4, 8)]);
}

/// One bad item refuses the batch, the fill before it too.
pub async fn a_refused_batch_fills_nothing<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, [_, b, c]) = log_with_gap(&*store).await;
    let hole = (ann.run(1), ann.run(1)).1;
    refuses(&*store, &[filling(&c), filling(&b), hole]).await;
}

/// What is held already is skipped; the same fill again changes nothing.
pub async fn what_is_held_is_skipped<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, [a, b, c]) = log_with_gap(&*store).await;
    let next = ann.run(2);
    let fills = [filling(&c), filling(&b), filling(&a)];
    commit(&*store, &fills).await;
    commit(&*store, std::slice::from_ref(&next)).await;
    let before = everything(&*store).await;
    assert_eq!(commit(&*store, &fills).await.arrivals, [None; 3]);
    assert_eq!(commit(&*store, &[filling(&next), filling(&b)]).await.arrivals, [None; 2]);
    assert_eq!(everything(&*store).await, before);
}

/// A half-filled gap is the same after reopening, and what is still missed is numbered later.
pub async fn half_a_fill_survives_reopening<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (ann, [a, b, c]) = log_with_gap(&*store).await;
    commit(&*store, &[filling(&c)]).await;
    let before = everything(&*store).await;
    drop(store);
    let store = place.open().await;
    assert_eq!(everything(&*store).await, before);
    let committed = commit(&*store, &[filling(&b), filling(&a)]).await;
    assert_eq!(committed.arrivals, [Some(Arrival(7)), Some(Arrival(10))]);
    assert_eq!(sequences(&*store, ann.id()).await, (1..=11).collect::<Vec<_>>());
}

/// A filled log takes runs, joins across the seam and prunes like any other.
pub async fn a_filled_log_is_like_any_other<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, [a, b, c]) = log_with_gap(&*store).await;
    commit(&*store, &[filling(&c), filling(&b), filling(&a)]).await;
    let runs = read_all(&*store, ann.id()).await;
    let joined = StoredRun::join(&runs).unwrap();
    store.replace(std::slice::from_ref(&joined)).await.unwrap();
    assert_eq!(read_all(&*store, ann.id()).await, [joined]);
    commit(&*store, &[ann.run(1)]).await;
    store.prune(&[(ann.id(), 6)]).await.unwrap();
    assert_eq!(sequences(&*store, ann.id()).await, [7, 8, 9, 10, 11, 12]);
    let usage = store.usage(&Scope::All).await.unwrap();
    let bytes = read_all(&*store, ann.id()).await.iter().map(|run| run.run.encoded().len() as u64).sum();
    assert_eq!((usage.entries, usage.bytes), (6, bytes));
}
