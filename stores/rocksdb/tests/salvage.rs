//! The way out when the log is damaged.
#![allow(clippy::unwrap_used)] // most of it is outside of the test functions

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use common::{copy, log_file, log_files};
use gossip_core::proto::{Arrival, CommitItem, Epoch, Fault, LogId, Meta, Scope, StreamRecord};
use gossip_core::{ChannelRepository, Coordinator, EntryRepository, StoreError};
use gossip_store_rocksdb::{RocksdbStore, Settings, salvage};
use gossip_testkit::fixture::{LogWriter, stored};

const SETTINGS: Settings = Settings { memory: 4 << 20, compression: gossip_store_rocksdb::Compression::None };

fn open(place: &Path) -> Result<RocksdbStore, StoreError> {
    RocksdbStore::options(place).engine(SETTINGS).open()
}

/// Runs in the order they were committed, two logs in turn, over several log files when they are `large`.
async fn filled(place: &Path, runs: usize, large: usize) -> (RocksdbStore, Vec<CommitItem>) {
    let store = open(place).unwrap();
    let mut writers = [LogWriter::new("c", "s", "ann"), LogWriter::new("c", "s", "bob")];
    let channel = writers[0].name().channel.clone();
    let claim = StreamRecord {
        writer: Some(Epoch::new(1, 7)),
        ..StreamRecord::new(writers[0].name().stream.clone())
    };
    store.save_stream(&channel, &claim).await.unwrap();
    let mut items = Vec::new();
    for n in 0..runs {
        let payload = Bytes::from(vec![n as u8; large]);
        items.push(writers[n % 2].run_of(&[payload.clone(), payload]));
        store.commit(&items[n..], &Meta::default()).await.unwrap();
    }
    (store, items)
}

/// How many of the first items are there. Nothing else is; of a log nothing is held beyond what is missing,
/// unless it reads as damaged.
async fn held(store: &RocksdbStore, items: &[CommitItem]) -> usize {
    let heads = store.heads(&Scope::All, None, 9).await.unwrap().items;
    let (mut whole, mut of_heads) = (0, 0);
    for head in &heads {
        let log = head.name.id();
        let wanted: Vec<_> = items.iter().map(stored).filter(|stored| stored.run.log() == log).collect();
        assert!(wanted.iter().any(|stored| stored.run.last() == head.height), "the head is one that was");
        of_heads += wanted.iter().filter(|stored| stored.run.last() <= head.height).count();
        let mut from = 1;
        while from <= head.height {
            match store.read(log, from, 1).await {
                Ok(runs) if runs.is_empty() => break,
                Ok(runs) => {
                    assert!(runs.iter().all(|run| wanted.contains(run) && run.run.last() <= head.height));
                    (whole, from) = (whole + runs.len(), runs.last().unwrap().run.last() + 1);
                }
                Err(error) => {
                    assert_eq!(error.fault, Fault::Corrupt, "{error}");
                    from += 2;
                }
            }
        }
    }
    let (mut arrived, mut after) = (0, Some(Arrival(0)));
    while let Some(from) = after {
        let page = store.arrivals(&Scope::All, from, usize::MAX).await.unwrap();
        arrived += page.items.iter().map(|row| row.range.count()).sum::<u64>();
        after = page.next;
    }
    assert_eq!(arrived, 2 * of_heads as u64, "what is in the order is in the heads");
    assert!(whole <= of_heads);
    of_heads
}

fn claim(place: &Path) -> Option<Epoch> {
    let store = open(place).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let channel = LogWriter::new("c", "s", "ann").name().channel.clone();
    let streams = runtime.block_on(store.streams(&channel, None, 9)).unwrap();
    streams.items.first()?.writer
}

/// What is done, and doing it.
type Damage = (String, Box<dyn Fn(&mut Vec<u8>)>);

/// Damages of a log of this length: a bit, a zeroed page, cut short inside and behind.
fn damages(length: usize) -> Vec<Damage> {
    let mut damages: Vec<Damage> = Vec::new();
    for part in 0..6 {
        let at = length * part / 6 + 9;
        damages.push((format!("a bit of byte {at}"), Box::new(move |bytes| bytes[at] ^= 4)));
        damages.push((format!("cut at {at}"), Box::new(move |bytes| bytes.truncate(at))));
    }
    damages.push(("a page".into(), Box::new(move |bytes| bytes[length / 2..][..4096].fill(0))));
    damages
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_log_gives_what_is_before_it_and_no_claim() {
    let place = tempfile::tempdir().unwrap();
    let (store, items) = filled(place.path(), 24, 2_000).await;
    let whole = fs::read(log_file(place.path())).unwrap();
    let mut kept = Vec::new();
    for (what, damage) in damages(whole.len()) {
        let spoilt = copy(place.path());
        let mut bytes = whole.clone();
        damage(&mut bytes);
        fs::write(log_file(spoilt.path()), &bytes).unwrap();
        let refused = open(spoilt.path()).map(drop).is_err();
        let aside = salvage(spoilt.path()).unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!refused || aside.iter().any(|file| fs::read(file).unwrap() == bytes), "{what}: {aside:?}");
        let store = open(spoilt.path()).unwrap();
        let here = held(&store, &items).await;
        kept.push(here);
        // And goes on from there.
        store.commit(&items[here..], &Meta::default()).await.unwrap();
        assert_eq!(held(&store, &items).await, 24, "{what}");
        drop(store);
        let place = spoilt.path().to_owned();
        assert_eq!(tokio::task::spawn_blocking(move || claim(&place)).await.unwrap(), None, "{what}");
    }
    assert!(kept.contains(&0) && kept.iter().any(|kept| (10..24).contains(kept)), "{kept:?}");
    drop(store);
}

/// Tables are written while older logs are still needed: then they are ahead of what is left of these.
#[tokio::test(flavor = "multi_thread")]
async fn an_older_log_that_is_damaged_leaves_nothing_that_does_not_belong_together() {
    let place = tempfile::tempdir().unwrap();
    let (store, items) = filled(place.path(), 60, 30_000).await;
    let kept = copy(place.path());
    drop(store);
    let logs = log_files(kept.path());
    assert!(logs.len() > 1, "one log only");
    let (mut short, mut refused) = (0, 0);
    for log in &logs {
        let length = fs::metadata(log).unwrap().len() as usize;
        let gone: Damage = ("emptied".into(), Box::new(Vec::clear));
        for (what, damage) in damages(length.max(30_000)).into_iter().chain([gone]) {
            let spoilt = copy(kept.path());
            let log = common::database(spoilt.path()).join(log.file_name().unwrap());
            let mut bytes = fs::read(&log).unwrap();
            bytes.resize(bytes.len().max(30_000), 0);
            damage(&mut bytes);
            fs::write(&log, &bytes).unwrap();
            refused += usize::from(open(spoilt.path()).is_err());
            salvage(spoilt.path()).unwrap_or_else(|error| panic!("{what} of {log:?}: {error}"));
            let store = open(spoilt.path()).unwrap();
            let here = held(&store, &items).await;
            short += usize::from(here < 60);
            store.commit(&items[here..], &Meta::default()).await.unwrap();
            assert_eq!(held(&store, &items).await, 60, "{what} of {log:?}");
        }
    }
    assert!(refused > 5 && short > 5, "{refused} refused, {short} short");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_goes_on_under_a_new_epoch() {
    let place = tempfile::tempdir().unwrap();
    let node = async |place: &Path| {
        Coordinator::builder().store(open(place).unwrap()).node_id("ann").build().await.unwrap()
    };
    let first = node(place.path()).await;
    let stream = first.channel("c").await.unwrap().stream("s").await.unwrap();
    let mut ids = Vec::new();
    for n in 0..20 {
        ids.push(stream.append(format!("entry {n}")).await.unwrap());
    }
    let spoilt = copy(place.path());
    first.shutdown().await.unwrap();
    let log = log_file(spoilt.path());
    let mut bytes = fs::read(&log).unwrap();
    let at = bytes.windows(8).rposition(|part| part == b"entry 12").unwrap();
    bytes[at] ^= 1;
    fs::write(&log, bytes).unwrap();
    assert_eq!(open(spoilt.path()).err().unwrap().fault, Fault::Corrupt);
    salvage(spoilt.path()).unwrap();
    let second = node(spoilt.path()).await;
    let stream = second.channel("c").await.unwrap().stream("s").await.unwrap();
    let held = stream.read_all().await.unwrap().collect().await.unwrap();
    assert_eq!(held.iter().map(|entry| entry.id()).collect::<Vec<_>>(), ids[..12]);
    let new = stream.append("after").await.unwrap();
    let old: LogId = ids[0].log;
    assert_ne!(new.log, old, "a sequence would name two entries");
    assert!(second.verify().await.unwrap().is_sound());
    second.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_must_be_ended_and_what_is_open_is_let_alone() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(salvage(place.path()).unwrap_err().fault, Fault::Rejected, "nothing there");
    let (store, items) = filled(place.path(), 4, 100).await;
    let error = salvage(place.path()).unwrap_err();
    assert!(error.fault == Fault::Rejected && error.to_string().contains("open already"), "{error}");
    drop(store);
    fs::write(common::database(place.path()).join("gossip-salvaging"), "").unwrap();
    assert_eq!(open(place.path()).err().unwrap().fault, Fault::Corrupt);
    assert!(salvage(place.path()).unwrap().is_empty(), "a sound one");
    assert_eq!(held(&open(place.path()).unwrap(), &items).await, 4, "loses nothing");
}

/// RocksDB reads some of them for ever.
#[tokio::test(flavor = "multi_thread")]
async fn opening_comes_to_an_end_whichever_bit_of_an_unsynced_log_is_flipped() {
    let place = tempfile::tempdir().unwrap();
    let (store, items) = filled(place.path(), 60, 30_000).await;
    let kept = copy(place.path());
    drop(store);
    fs::write(common::database(kept.path()).join("gossip-unsynced"), "").unwrap();
    let whole = fs::read(log_file(kept.path())).unwrap();
    for at in (1..12).map(|part| whole.len() * part / 12 + 9) {
        let spoilt = copy(kept.path());
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        fs::write(log_file(spoilt.path()), bytes).unwrap();
        let (done, wait) = std::sync::mpsc::sync_channel(1);
        let place = spoilt.path().to_owned();
        std::thread::spawn(move || done.send(open(&place)));
        let opened = wait.recv_timeout(Duration::from_secs(60)).expect("it does not end");
        assert!(held(&opened.unwrap(), &items).await < 60, "a bit of byte {at}");
    }
}
