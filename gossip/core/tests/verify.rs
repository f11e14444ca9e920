//! `verify`: what it finds, and that it only reads.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::{notes, on};
use gossip_core::proto::{Arrived, ChainHash, Fault, LogHead, LogId, Run, Seq, SeqRange, StoredRun};
use gossip_core::{
    Coordinator, DamageKind, EntryRepository, EventStream, Report, Retention, StoreError, StoreResult,
};
use gossip_store_memory::MemoryStore;
use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};
use gossip_testkit::fixture::LogWriter;

/// What is wrong with the store.
#[derive(Clone, Copy)]
enum Rot {
    Nothing,
    /// Reading anything of this range fails.
    Unreadable(Seq, Seq),
    /// A payload byte of the run that holds this sequence is another.
    Flipped(Seq),
    /// The chain hash kept before the run that holds this sequence is another.
    Unchained(Seq),
    /// Runs that touch this range are not there.
    Gone(Seq, Seq),
    /// Heads say so.
    Head(fn(&mut LogHead)),
    /// Arrival rows say so.
    Rows(fn(&mut Vec<Arrived>)),
    /// Arrival rows cannot be read.
    NoRows,
}

struct Rotten {
    rot: Mutex<Rot>,
    /// Writing fails the test.
    sealed: Mutex<bool>,
}

impl Rotten {
    fn now(&self) -> Rot {
        *self.rot.lock().unwrap()
    }
}

#[async_trait]
impl StoreHooks for Rotten {
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
        const READS: &[&str] = &["read", "heads", "arrivals", "hash_at", "last_arrival", "usage", "stats"];
        let reads = matches!(call, StoreCall::Other(name) if READS.contains(&name));
        assert!(reads || !*self.sealed.lock().unwrap(), "a check wrote: {call:?}");
        Ok(())
    }

    fn read(&self, _: LogId, _: Seq, mut runs: Vec<StoredRun>) -> StoreResult<Vec<StoredRun>> {
        let touches =
            |stored: &StoredRun, first, last| stored.run.range().overlap(&SeqRange { first, last }).is_some();
        match self.now() {
            Rot::Unreadable(first, last) => {
                let sound = runs.iter().take_while(|stored| !touches(stored, first, last)).count();
                if sound == 0 && !runs.is_empty() {
                    return Err(StoreError::new(Fault::Corrupt, "reading runs", "as the test wishes"));
                }
                runs.truncate(sound);
            }
            Rot::Gone(first, last) => runs.retain(|stored| !touches(stored, first, last)),
            Rot::Flipped(at) => {
                for stored in runs.iter_mut().filter(|stored| stored.run.range().contains(at)) {
                    stored.run = flipped(&stored.run);
                }
            }
            Rot::Unchained(at) => {
                for stored in runs.iter_mut().filter(|stored| stored.run.range().contains(at)) {
                    stored.prev = ChainHash([9; 32]);
                }
            }
            _ => {}
        }
        Ok(runs)
    }

    fn heads(&self, mut heads: Vec<LogHead>) -> StoreResult<Vec<LogHead>> {
        if let Rot::Head(change) = self.now() {
            heads.iter_mut().for_each(change);
        }
        Ok(heads)
    }

    fn arrivals(&self, mut rows: Vec<Arrived>) -> StoreResult<Vec<Arrived>> {
        if matches!(self.now(), Rot::NoRows) {
            return Err(StoreError::new(Fault::Corrupt, "reading arrivals", "as the test wishes"));
        }
        if let Rot::Rows(change) = self.now() {
            change(&mut rows);
        }
        Ok(rows)
    }
}

/// The run with another payload under the same check.
fn flipped(run: &Run) -> Run {
    let mut encoded = run.encoded().to_vec();
    let text = b"entry";
    let at = encoded.windows(text.len()).position(|bytes| bytes == text).unwrap();
    encoded[at] ^= 1;
    Run::decode(encoded.into()).unwrap()
}

/// A node with a key and five runs of ten entries each in one log, on a store that rots as told. They are too
/// large to be joined, so that they stay five.
async fn rotting() -> (Coordinator, EventStream, Arc<Rotten>) {
    let rotten = Arc::new(Rotten { rot: Mutex::new(Rot::Nothing), sealed: Mutex::new(false) });
    let store = StoreDouble::new(MemoryStore::new(), rotten.clone());
    let node = Coordinator::builder().store(store).build().await.unwrap();
    let stream = notes(&node).await;
    for _ in 0..5 {
        stream.append_all((0..10).map(|n| format!("entry {n:4000}"))).await.unwrap();
    }
    (node, stream, rotten)
}

async fn found(rot: Rot) -> (Report, Vec<(DamageKind, Seq, Seq)>) {
    let (node, stream, rotten) = rotting().await;
    *rotten.rot.lock().unwrap() = rot;
    *rotten.sealed.lock().unwrap() = true;
    let report = node.verify().await.unwrap();
    assert_eq!(report, stream.verify().await.unwrap());
    *rotten.sealed.lock().unwrap() = false;
    let damaged = report.damaged.iter().map(|damage| (damage.what, damage.range.first, damage.range.last));
    let damaged = damaged.collect();
    (report, damaged)
}

#[tokio::test]
async fn a_sound_store_is_found_sound_and_nothing_is_written() {
    let (report, damaged) = found(Rot::Nothing).await;
    assert!(report.is_sound() && damaged.is_empty());
    assert_eq!((report.logs, report.entries, report.hollow, report.gaps), (1, 50, 0, 0));
    assert!(report.bytes > 50 * 7);
}

#[tokio::test]
async fn each_kind_of_damage_is_found_where_it_is() {
    let cases = [
        (Rot::Unreadable(25, 25), vec![(DamageKind::Unreadable, 21, 30)], 40),
        (Rot::Unreadable(1, 1), vec![(DamageKind::Unreadable, 1, 10)], 40),
        (Rot::Unreadable(15, 35), vec![(DamageKind::Unreadable, 11, 40)], 20),
        (Rot::Unreadable(1, 50), vec![(DamageKind::Unreadable, 1, 50)], 0),
        (Rot::Flipped(11), vec![(DamageKind::BrokenChain, 11, 20)], 40),
        (Rot::Unchained(50), vec![(DamageKind::BrokenChain, 41, 50)], 40),
        (Rot::Gone(21, 30), vec![(DamageKind::Missing, 21, 30)], 40),
        (Rot::Gone(41, 50), vec![(DamageKind::Missing, 41, 50)], 40),
        (Rot::Gone(1, 50), vec![(DamageKind::Missing, 1, 50)], 0),
    ];
    for (rot, expected, entries) in cases {
        let (report, damaged) = found(rot).await;
        assert_eq!(damaged, expected);
        assert_eq!(report.entries, entries, "{expected:?}");
        assert!(damaged.iter().all(|(what, ..)| what.is_repairable()));
    }
}

#[tokio::test]
async fn heads_that_contradict_themselves_or_the_entries_are_found() {
    let lies: [fn(&mut LogHead); 8] = [
        |head| head.hash = ChainHash([3; 32]),
        |head| head.gaps = vec![SeqRange { first: 40, last: 60 }],
        |head| head.seal = Some((51, b"seal".to_vec().into())),
        |head| head.seal = None,
        |head| head.seal = Some((50, vec![7; 64].into())),
        |head| (head.floor, head.floor_hash) = (50, ChainHash([4; 32])),
        |head| head.gaps = vec![SeqRange { first: 11, last: 20 }, SeqRange { first: 21, last: 30 }],
        |head| head.floor_hash = ChainHash([5; 32]),
    ];
    for (at, lie) in lies.into_iter().enumerate() {
        let (_, damaged) = found(Rot::Head(lie)).await;
        assert!(damaged.contains(&(DamageKind::Head, 50, 50)), "lie {at}: {damaged:?}");
    }
    let (_, damaged) = found(Rot::Head(|head| head.height = 60)).await;
    assert_eq!(damaged[0], (DamageKind::Missing, 51, 60));
}

#[tokio::test]
async fn what_has_no_place_or_two_in_the_order_of_arrival_is_found() {
    let (_, damaged) = found(Rot::Rows(|rows| rows.retain(|row| !row.range.contains(15)))).await;
    assert_eq!(damaged, [(DamageKind::NotArrived, 11, 20)]);
    let (_, damaged) = found(Rot::Rows(|rows| rows.extend(rows.last().cloned()))).await;
    assert_eq!(damaged, [(DamageKind::ArrivedTwice, 41, 50)]);
    let (report, damaged) = found(Rot::NoRows).await;
    assert_eq!((report.orders_unreadable, report.is_sound(), damaged), (1, false, vec![]));
    let missed = |head: &mut LogHead| head.missed = vec![SeqRange { first: 2, last: 4 }];
    assert_eq!(found(Rot::Head(missed)).await.1, [(DamageKind::ArrivedTwice, 2, 4)]);
}

/// A store that knows the stream: logs of unknown ones are swept away when a node starts.
async fn prepared() -> MemoryStore {
    let store = MemoryStore::new();
    let node = on("ann", Arc::new(store.clone())).await;
    notes(&node).await;
    node.shutdown().await.unwrap();
    store
}

#[tokio::test]
async fn floors_and_gaps_are_no_damage() {
    let store = Arc::new(prepared().await);
    let mut bob = LogWriter::new("project", "notes", "bob");
    let mut batch = vec![bob.run(20)];
    bob.run(10);
    batch.push(bob.adopt());
    batch.push(bob.run(5));
    store.commit(&batch, &Default::default()).await.unwrap();
    let node = on("ann", store).await;
    let stream = notes(&node).await;
    let report = node.verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.entries, report.gaps, report.gap_entries), (25, 1, 10));
    stream.set_retention(Retention::CountBased(12)).await.unwrap();
    stream.compact().await.unwrap();
    let report = node.channel("project").await.unwrap().verify().await.unwrap();
    assert!(report.is_sound(), "{report:?}");
    assert_eq!((report.entries, report.bytes > 0), (stream.usage().await.unwrap().entries, true));
}

#[tokio::test]
async fn long_lists_of_damage_are_counted() {
    let store = prepared().await;
    let writers = (0..1100).map(|n| LogWriter::new("project", "notes", &format!("a{n}")));
    let batch: Vec<_> = writers.map(|mut writer| writer.run(1)).collect();
    store.commit(&batch, &Default::default()).await.unwrap();
    let gone = Arc::new(Rotten { rot: Mutex::new(Rot::Gone(1, 1)), sealed: Mutex::new(false) });
    let node = on("ann", Arc::new(StoreDouble::new(store, gone))).await;
    let report = node.verify().await.unwrap();
    assert_eq!((report.damaged.len(), report.damaged_beyond), (Report::MAX_DAMAGED, 76));
    node.shutdown().await.unwrap();
    assert!(node.verify().await.is_err(), "after shutdown the store may be another's");
}
