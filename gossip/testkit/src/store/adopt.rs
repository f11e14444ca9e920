//! Laws of `CommitItem::Adopt`: floors and gaps taken from peers.

use gossip_proto::{CommitItem, LogHead, SeqRange, Stamp};

use super::StoreHarness;
use super::expect::{commit, everything, head, refuses, rejected, sequences};
use crate::fixture::LogWriter;

/// A log of which nothing is held takes the floor, and the next run follows it.
pub async fn an_empty_log_takes_the_floor<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let _never_held = ann.run(5);
    let (adopt, hash) = (ann.adopt(), ann.hash());
    commit(&*store, &[adopt, ann.run(2)]).await;
    let head = head(&*store, ann.id()).await;
    assert_eq!((head.floor, head.floor_hash, head.height, head.hash), (5, hash, 7, ann.hash()));
    assert!(head.gaps.is_empty());
    assert_eq!(sequences(&*store, ann.id()).await, [6, 7]);
    assert_eq!(store.hash_at(ann.id(), &[0, 5, 7]).await.unwrap()[1], hash);
}

/// A log with entries keeps them, and what lies between becomes a gap.
pub async fn a_log_with_entries_takes_a_gap<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3)]).await;
    let missed = ann.run(4);
    let at_seven = ann.hash();
    commit(&*store, &[ann.adopt()]).await;
    let moved = head(&*store, ann.id()).await;
    assert_eq!((moved.height, moved.hash, moved.stamp), (7, at_seven, LogWriter::stamp_at(7)));
    refuses(&*store, &[(ann.run(1), ann.run(1)).1]).await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let _written = ann.run(7);
    commit(&*store, &[missed]).await;
    commit(&*store, &[LogWriter::clone(&ann).run(2)]).await;
    let LogHead { floor, gaps, height, .. } = head(&*store, ann.id()).await;
    assert_eq!((floor, gaps, height), (0, vec![SeqRange { first: 4, last: 7 }], 9));
    assert_eq!(sequences(&*store, ann.id()).await, [1, 2, 3, 8, 9]);
    let runs = store.read(ann.id(), 5, 1).await.unwrap();
    assert_eq!(runs[0].run.first(), 8, "the first run after the gap");
    assert_eq!(store.hash_at(ann.id(), &[7]).await.unwrap(), [at_seven]);
    rejected(store.hash_at(ann.id(), &[5]).await);
}

/// Two gaps side by side are told as one.
pub async fn adjoining_gaps_are_one<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3)]).await;
    for _ in 0..2 {
        let _missed = ann.run(2);
        commit(&*store, &[ann.adopt()]).await;
    }
    assert_eq!(head(&*store, ann.id()).await.gaps, [SeqRange { first: 4, last: 7 }]);
    assert_eq!(store.last_arrival().await.unwrap().0, 3, "a gap gets no arrival");
    let _missed = ann.run(1);
    let CommitItem::Adopt { log, floor, hash, .. } = ann.adopt() else { panic!("a floor") };
    commit(&*store, &[CommitItem::Adopt { log, floor, hash, stamp: Stamp::ZERO, seal: None }]).await;
    let moved = head(&*store, ann.id()).await;
    assert_eq!((moved.height, moved.stamp), (8, LogWriter::stamp_at(7)), "what is held has its age");
}

/// At or below the height, and at 0 in an unknown log, nothing happens.
pub async fn at_or_below_the_height_nothing_happens<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let nowhere = ann.adopt();
    commit(&*store, &[nowhere]).await;
    commit(&*store, &[ann.run(2)]).await;
    let low = ann.adopt();
    commit(&*store, &[ann.run(2)]).await;
    let before = everything(&*store).await;
    assert_eq!(before.0.len(), 1);
    commit(&*store, &[low, ann.adopt()]).await;
    assert_eq!(everything(&*store).await, before);
}

/// A log pruned to its height holds nothing: it takes the floor, not a gap.
pub async fn a_fully_pruned_log_takes_the_floor<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(2)]).await;
    store.prune(&[(ann.id(), 2)]).await.unwrap();
    let _missed = ann.run(2);
    commit(&*store, &[ann.adopt()]).await;
    let head = head(&*store, ann.id()).await;
    assert_eq!((head.floor, head.floor_hash, head.gaps), (4, ann.hash(), vec![]));
}

/// A prune forgets the gaps it passes; inside a gap it goes to the gap's end.
pub async fn a_prune_passes_gaps<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3)]).await;
    let _missed = ann.run(3);
    let at_six = ann.hash();
    let adopt = ann.adopt();
    commit(&*store, &[adopt, ann.run(3)]).await;
    store.prune(&[(ann.id(), 2)]).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.gaps, [SeqRange { first: 4, last: 6 }]);
    store.prune(&[(ann.id(), 5)]).await.unwrap();
    let head = head(&*store, ann.id()).await;
    assert_eq!((head.floor, head.floor_hash, head.gaps, head.height), (6, at_six, vec![], 9));
    assert_eq!(sequences(&*store, ann.id()).await, [7, 8, 9]);
}
