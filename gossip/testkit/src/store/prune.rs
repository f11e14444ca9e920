//! Laws of `prune`.

use ciborium::Value;
use gossip_proto::{CommitItem, LogId, PayloadHash, Pruned, Run, Scope, SeqRange, Stamp};

use super::StoreHarness;
use super::expect::{arrived_runs, commit, everything, head, read_all, refuses, rows, sequences, short_rows};
use crate::fixture::{LogWriter, stored};

/// Height, hash and stamp stay; floor and its hash move.
pub async fn keeps_height_and_hash<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(3), ann.run(3)]).await;
    let before = head(&*store, ann.id()).await;
    let at_floor = store.hash_at(ann.id(), &[4]).await.unwrap()[0];
    store.prune(&[(ann.id(), 4)]).await.unwrap();
    let after = head(&*store, ann.id()).await;
    assert_eq!((after.floor, after.floor_hash), (4, at_floor));
    assert_eq!((after.height, after.hash, after.stamp), (before.height, before.hash, before.stamp));
}

/// Whole runs at or below the floor are freed, in several logs at once.
pub async fn drops_whole_runs<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
    let items = [ann.run(3), ann.run(3), bob.run(2), bob.run(2)];
    commit(&*store, &items).await;
    let unknown = LogId([5; 16]);
    let pruned = store.prune(&[(ann.id(), 3), (unknown, 9), (bob.id(), 2)]).await.unwrap();
    let bytes = [&items[0], &items[2]].map(|item| stored(item).run.encoded().len() as u64);
    assert_eq!(pruned, Pruned { entries: 5, bytes: bytes.iter().sum() });
    assert_eq!(read_all(&*store, ann.id()).await, [stored(&items[1])]);
    assert_eq!(read_all(&*store, bob.id()).await, [stored(&items[3])]);
}

/// A run across the floor is cut or kept, but reads never show what lies at or below it.
pub async fn cuts_a_run_across_the_floor<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(5), ann.run(1)]).await;
    for floor in 1..5 {
        let pruned = store.prune(&[(ann.id(), floor)]).await.unwrap();
        assert_eq!(pruned.entries, 1);
        assert_eq!(sequences(&*store, ann.id()).await, (floor + 1..=6).collect::<Vec<_>>());
        let runs = store.read(ann.id(), 2, 1).await.unwrap();
        assert_eq!(runs[0].run.first(), floor + 1);
        for row in rows(&*store, &Scope::All, 0).await {
            assert!(row.runs.iter().all(|stored| stored.run.first() > floor));
        }
        assert_eq!(store.usage(&Scope::All).await.unwrap().entries, 6 - floor);
    }
}

/// What was pruned keeps its rows, with fewer or no runs.
pub async fn keeps_arrival_rows<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let items = [ann.run(2), ann.run(3), ann.run(2)];
    commit(&*store, &items).await;
    let before = short_rows(&*store, &Scope::All, 0).await;
    store.prune(&[(ann.id(), 3)]).await.unwrap();
    assert_eq!(short_rows(&*store, &Scope::All, 0).await, before);
    let runs = arrived_runs(&*store, &ann.stream(), 0).await;
    assert_eq!(runs[0].run.range(), SeqRange { first: 4, last: 5 });
    assert_eq!(runs[1..], [stored(&items[2])]);
}

/// A floor at or below the present one does nothing.
pub async fn is_idempotent<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(5)]).await;
    store.prune(&[(ann.id(), 3)]).await.unwrap();
    let before = everything(&*store).await;
    for floor in [3, 1, 0] {
        assert_eq!(store.prune(&[(ann.id(), floor)]).await.unwrap(), Pruned::default());
    }
    assert_eq!(everything(&*store).await, before);
    let twice = store.prune(&[(ann.id(), 4), (ann.id(), 4), (ann.id(), 5)]).await.unwrap();
    assert_eq!(twice.entries, 2);
}

/// A floor above the height is taken as the height.
pub async fn stops_at_the_height<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let batch = [ann.run(5)];
    commit(&*store, &batch).await;
    assert_eq!(store.prune(&[(ann.id(), 50)]).await.unwrap().entries, 5);
    let head = head(&*store, ann.id()).await;
    assert_eq!((head.floor, head.floor_hash, head.height, head.hash), (5, ann.hash(), 5, ann.hash()));
    assert!(read_all(&*store, ann.id()).await.is_empty());
    let usage = store.usage(&Scope::All).await.unwrap();
    assert_eq!((usage.logs, usage.entries, usage.bytes), (1, 0, 0));
}

/// A pruned log goes on where it stood, also when nothing of it is left.
pub async fn goes_on_after<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    commit(&*store, &[ann.run(5)]).await;
    store.prune(&[(ann.id(), 5)]).await.unwrap();
    let mut fresh = LogWriter::in_epoch("c", "s", "ann", 1);
    refuses(&*store, &[fresh.run(9)]).await;
    commit(&*store, &[ann.run(2)]).await;
    assert_eq!(sequences(&*store, ann.id()).await, [6, 7]);
}

/// A batch repeated after its entries were pruned is known, and does not bring them back.
pub async fn repeated_batches_below_the_floor_are_known<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let batch = [ann.run(2), ann.run(2), ann.run(2)];
    commit(&*store, &batch).await;
    store.prune(&[(ann.id(), 3)]).await.unwrap();
    let before = everything(&*store).await;
    assert_eq!(commit(&*store, &batch).await.arrivals, [None, None, None]);
    assert_eq!(everything(&*store).await, before);
}

/// A run packed tighter than ours is cut like any other: the floor is exactly where it was asked for.
pub async fn a_run_of_the_full_size_is_cut<H: StoreHarness>(place: H) {
    let store = place.open().await;
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob"));
    let first = ann.run(2);
    let tight = tight_run(&ann);
    commit(&*store, &[first, tight, bob.run(2)]).await;
    store.prune(&[(ann.id(), 5), (bob.id(), 1)]).await.unwrap();
    assert_eq!(head(&*store, ann.id()).await.floor, 5);
    assert_eq!(sequences(&*store, ann.id()).await, (6..=202).collect::<Vec<_>>());
    assert_eq!(sequences(&*store, bob.id()).await, [2]);
    store.prune(&[(ann.id(), 202)]).await.unwrap();
    assert!(sequences(&*store, ann.id()).await.is_empty());
}

/// Two hundred entries after those of `log`, in all but 64 KiB.
fn tight_run(log: &LogWriter) -> CommitItem {
    const COUNT: u64 = 200;
    let size = |n: u64| 320 + n % 2;
    let (mut end, mut lengths, mut body) = (log.hash(), Vec::new(), Vec::new());
    let first_stamp = LogWriter::stamp_at(log.height() + 1).bits();
    for n in 0..COUNT {
        let payload = vec![7; size(n) as usize];
        let stamp = Stamp::from_bits(first_stamp + n);
        let hash = PayloadHash::of(&payload);
        end = end.link(log.height() + 1 + n, stamp, size(n), &hash);
        let word = size(n) << 1;
        lengths.extend([(word & 0x7f) as u8 | 0x80, (word >> 7) as u8]);
        body.extend(payload);
    }
    let steps = vec![0; COUNT as usize - 1];
    let mut encoded = vec![0x89];
    let parts = [
        Value::Bytes(log.id().0.to_vec()),
        (log.height() + 1).into(),
        COUNT.into(),
        first_stamp.into(),
        Value::Bytes(steps),
        Value::Bytes(lengths),
        Value::Bytes(body),
        Value::Bytes(end.check().0.to_vec()),
        Value::Null,
    ];
    for part in parts {
        ciborium::into_writer(&part, &mut encoded).unwrap();
    }
    let run = Run::decode(encoded.into()).expect("a run within the bounds");
    CommitItem::Run { log: log.name().clone(), prev: log.hash(), run, end }
}
