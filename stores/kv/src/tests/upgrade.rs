//! A store of format 2 becomes one of format 3, however often that is ended in the midst.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use gossip_core::proto::{Arrival, Durability, Epoch, Fault, Scope, StreamRecord, Turn};
use gossip_core::{ChannelRepository, EntryRepository};

use super::engine::{Ground, Tables, Tiny};
use crate::format::prepare_in_steps;
use crate::{KvStore, Opening, Table};

const FORMAT_2: &str = "golden/format-2.txt";
const FORMAT_3: &str = "golden/format-3.txt";

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The rows as text: the name of a table, then key and value of each row in it.
fn text(rows: &Tables) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let mut tables = Table::ALL;
    tables.sort_by_key(|table| table.name());
    let mut text = String::new();
    for table in tables {
        text += table.name();
        text.push('\n');
        for ((_, key), value) in rows.iter().filter(|((of, _), _)| *of == table) {
            text += &format!("  {} {}\n", hex(key), hex(value));
        }
    }
    text
}

fn rows(name: &str) -> Tables {
    let text = std::fs::read_to_string(golden(name)).unwrap();
    let hex = |text: &str| -> Vec<u8> {
        let pairs = text.as_bytes().chunks(2);
        pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
    };
    let (mut rows, mut table) = (Tables::new(), None);
    for line in text.lines() {
        match line.strip_prefix("  ").and_then(|row| row.split_once(' ')) {
            Some((key, value)) => drop(rows.insert((table.unwrap(), hex(key)), hex(value))),
            None => table = Table::ALL.into_iter().find(|table| table.name() == line),
        }
    }
    rows
}

fn ground(rows: Tables) -> Arc<Ground> {
    let ground = Arc::new(Ground::default());
    *ground.rows.lock().unwrap() = rows;
    ground
}

fn prepare(ground: &Arc<Ground>, batches: u64) -> Result<u64, crate::Failure> {
    ground.batches.store(batches, Relaxed);
    let engine = Tiny::opener(ground)(Opening::First).unwrap();
    let prepared = prepare_in_steps(&engine, Opening::First, 1);
    ground.batches.store(0, Relaxed);
    prepared
}

/// When this fails the format changed: raise it, and say how a store of this one becomes a new one.
#[test]
fn the_rows_are_those_of_format_3() {
    let ground = ground(rows(FORMAT_2));
    prepare(&ground, 0).unwrap();
    let found = text(&ground.rows.lock().unwrap());
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(golden(FORMAT_3), &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(golden(FORMAT_3)).unwrap());
    prepare(&ground, 1).expect("nothing is left to do");
}

#[test]
fn an_interrupted_upgrade_goes_on_where_it_was() {
    for batches in 1.. {
        let ground = ground(rows(FORMAT_2));
        let done = prepare(&ground, batches).is_ok();
        // Programs of before knew versions of this form, and no more than two of them.
        let version = ground.rows.lock().unwrap()[&(Table::Meta, b"format".to_vec())].clone();
        let version = u64::from_be_bytes(version.try_into().unwrap());
        assert_eq!(version == 2, batches == 1, "after {batches} batches: {version}");
        prepare(&ground, 3).err();
        prepare(&ground, 0).unwrap();
        assert_eq!(*ground.rows.lock().unwrap(), rows(FORMAT_3), "ended after {batches} batches");
        if done {
            assert!(batches > 20, "a batch for each row");
            return;
        }
    }
}

#[tokio::test]
async fn damage_of_before_is_told_or_mended_after() {
    let mut old = rows(FORMAT_2);
    let (first, _) = old.iter().find(|((table, _), _)| *table == Table::Arrivals).unwrap();
    let cut = old.get_mut(&first.clone()).unwrap();
    cut.truncate(20);
    // Numbers had no check: one that is too low is not believed.
    old.insert((Table::Meta, b"arrival".to_vec()), 3_u64.to_be_bytes().to_vec());
    let ground = ground(old);
    let store = KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).unwrap();
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(16));
    let rows = store.arrivals(&Scope::All, Arrival(0), usize::MAX).await.unwrap().items;
    let told: Vec<_> = rows.iter().map(|row| (row.arrival.0, row.range.first, row.range.last)).collect();
    assert_eq!(told[told.len() - 1], (17, 1, 2), "it arrives again");
    assert_eq!(rows.iter().map(|row| row.range.count()).sum::<u64>(), 16);
}

#[tokio::test]
async fn a_store_of_before_forgets_its_claims_when_the_newest_is_lost() {
    let mut old = rows(FORMAT_2);
    // Records were bare.
    for (_, row) in old.iter_mut().filter(|((table, _), _)| *table == Table::Streams) {
        let mut record: StreamRecord = ciborium::from_reader(&row[..]).unwrap();
        record.writer = Some(Epoch::new(1, 7));
        row.clear();
        ciborium::into_writer(&record, row).unwrap();
    }
    for lost in [false, true] {
        let ground = ground(old.clone());
        let engine = Tiny::opener(&ground)(Opening::First).unwrap();
        if lost {
            crate::restored(&engine).unwrap();
        }
        drop(engine);
        let store = KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).unwrap();
        let channel = store.channels(None, 1).await.unwrap().items.remove(0).id;
        let streams = store.streams(&channel, None, 9).await.unwrap().items;
        assert!(streams.iter().all(|stream| stream.writer.is_none() == lost), "{streams:?}");
        assert!(!streams.is_empty());
    }
}

#[test]
fn a_store_without_a_readable_version_is_damaged_and_not_laid_out_anew() {
    for version in [Vec::new(), 3_u64.to_be_bytes().to_vec(), vec![0; 12]] {
        let mut damaged = rows(FORMAT_3);
        damaged.remove(&(Table::Meta, b"format again".to_vec())).unwrap();
        damaged.insert((Table::Meta, b"format".to_vec()), version);
        let ground = ground(damaged.clone());
        assert_eq!(prepare(&ground, 0).unwrap_err().fault(), Fault::Corrupt);
        assert_eq!(*ground.rows.lock().unwrap(), damaged);
    }
}

/// A store without forks stays one that programs of before go on with; the first fork ends that.
#[tokio::test]
async fn the_first_turn_makes_it_a_store_of_format_4() {
    let ground = ground(rows(FORMAT_3));
    let open = || KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).unwrap();
    let version = || ground.rows.lock().unwrap()[&(Table::Meta, b"format".to_vec())][4..].to_vec();
    let (store, name) = (open(), open().heads(&Scope::All, None, 1).await.unwrap().items[0].name.clone());
    let log = name.id();
    assert_eq!(version(), 3_u32.to_be_bytes());
    let before = store.heads(&Scope::Log(log), None, 1).await.unwrap().items.remove(0);
    let turn = Turn { at: before.height + 1, prev: before.hash, first: None };
    store.turn(&name, &turn).await.unwrap();
    assert_eq!(version(), 4_u32.to_be_bytes());
    drop(store);
    let after = open().heads(&Scope::Log(log), None, 1).await.unwrap().items.remove(0);
    assert_eq!((after.turn, after.hash), (Some(turn), before.hash));
    assert_eq!(version(), 4_u32.to_be_bytes(), "opening it again leaves it");
}
