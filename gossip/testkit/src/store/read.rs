//! Laws of `read` and `seek`.

use bytes::Bytes;
use gossip_proto::{LogId, Stamp};

use super::StoreHarness;
use super::expect::{PLENTY, arrived_runs, commit, entries, head};
use crate::fixture::{LogWriter, stored};

/// The first run is the one that holds the place asked for, and all later ones follow.
pub async fn starts_with_the_run_that_holds_the_place<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(3), ann.run(3), ann.run(3)];
    commit(&*store, &items).await;
    let firsts = [(0, 1), (1, 1), (3, 1), (4, 4), (6, 4), (7, 7), (9, 7)];
    for (from, first) in firsts {
        let runs = store.read(ann.id(), from, PLENTY).await.unwrap();
        assert_eq!(runs[0].run.first(), first, "from {from}");
        assert_eq!(runs.last().unwrap().run.last(), 9, "from {from}");
    }
}

/// The budget is kept, but one run comes whatever the budget.
pub async fn budget_is_kept_but_one_run_comes<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items: Vec<_> = (0..10).map(|_| ann.run_of(&[Bytes::from(vec![7; 1000])])).collect();
    commit(&*store, &items).await;
    for tiny in [0, 1] {
        assert_eq!(store.read(ann.id(), 4, tiny).await.unwrap(), [stored(&items[3])]);
    }
    let some = store.read(ann.id(), 1, 5000).await.unwrap().len();
    assert!((2..=6).contains(&some), "{some} runs of 1,000 bytes for 5,000");
    assert_eq!(store.read(ann.id(), 1, PLENTY).await.unwrap().len(), 10);
}

/// An entry of 1 MiB, a run alone, comes back.
pub async fn a_large_entry_comes_back<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let large: Bytes = (0..1_u32 << 18).flat_map(|n| n.to_le_bytes()).collect();
    let batch = [ann.run(1), ann.run_of(std::slice::from_ref(&large)), ann.run(1)];
    commit(&*store, &batch).await;
    let read = entries(&*store, ann.id()).await;
    assert_eq!(read[1].payload.bytes(), Some(&large));
    assert_eq!(arrived_runs(&*store, &ann.stream(), 1).await[0], stored(&batch[1]));
}

/// Unknown logs and places above the height are empty, not errors.
pub async fn nothing_there_is_empty<H: StoreHarness>(place: H) {
    let store = place.open().await;
    assert!(store.read(LogId([9; 16]), 1, PLENTY).await.unwrap().is_empty());
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3)]).await;
    assert!(store.read(ann.id(), 4, PLENTY).await.unwrap().is_empty());
    assert!(store.read(ann.id(), u64::MAX, PLENTY).await.unwrap().is_empty());
}

/// `seek` finds the first entry at or after a stamp; pruned entries do not count.
pub async fn seeks_by_stamp<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let batch = [ann.run(3), ann.run(1), ann.run(5)];
    commit(&*store, &batch).await;
    let whole = head(&*store, ann.id()).await;
    for sequence in 1..=9 {
        let stamp = LogWriter::stamp_at(sequence);
        assert_eq!(store.seek(&whole, stamp).await.unwrap(), sequence);
        assert_eq!(store.seek(&whole, stamp.next().unwrap()).await.unwrap(), sequence + 1);
    }
    assert_eq!(store.seek(&whole, Stamp::ZERO).await.unwrap(), 1);
    assert_eq!(store.seek(&whole, Stamp::MAX).await.unwrap(), 10);
    store.prune(&[(ann.id(), 5)]).await.unwrap();
    let pruned = head(&*store, ann.id()).await;
    assert_eq!(store.seek(&pruned, Stamp::ZERO).await.unwrap(), 6);
}

/// Places that are pruned or in a gap give the first run after them.
pub async fn what_is_missing_is_stepped_over<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(2), ann.run(2)]).await;
    let _missed = ann.run(3);
    let adopt = ann.adopt();
    commit(&*store, &[adopt, ann.run(2)]).await;
    store.prune(&[(ann.id(), 2)]).await.unwrap();
    for (from, firsts) in [(0, &[3, 8][..]), (2, &[3, 8]), (4, &[3, 8]), (5, &[8]), (7, &[8]), (10, &[])] {
        let runs = store.read(ann.id(), from, PLENTY).await.unwrap();
        let found: Vec<_> = runs.iter().map(|stored| stored.run.first()).collect();
        assert_eq!(found, firsts, "from {from}");
    }
}

/// `seek` steps over gaps: what is in one does not count.
pub async fn seeks_over_gaps<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3)]).await;
    let _missed = ann.run(4);
    let adopt = ann.adopt();
    commit(&*store, &[adopt, ann.run(2)]).await;
    let head = head(&*store, ann.id()).await;
    for (stamp, found) in [(1, 1), (3, 3), (4, 8), (7, 8), (8, 8), (9, 9), (10, 10)] {
        assert_eq!(store.seek(&head, LogWriter::stamp_at(stamp)).await.unwrap(), found, "stamp {stamp}");
    }
}
