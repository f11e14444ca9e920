//! The format: how an old store becomes a new one, and every byte of the new one.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use gossip_core::proto::{Arrival, Meta, Scope, SeqRange, Stamp, StoreIncarnation};
use gossip_core::{ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository};
use gossip_store_redb::{FILE_NAME, RedbStore};
use gossip_testkit::fixture::LogWriter;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};

fn golden(format: u64) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/golden/format-{format}.redb.gz"))
}

/// Lays the file that was made by the program that had a format.
fn lay(format: u64, directory: &Path) {
    let mut file = Vec::new();
    let packed = std::fs::read(golden(format)).expect("a golden file");
    GzDecoder::new(&packed[..]).read_to_end(&mut file).expect("it unpacks");
    std::fs::write(directory.join(FILE_NAME), file).expect("written");
}

#[tokio::test]
async fn a_store_of_format_1_is_brought_up_to_date() {
    let place = tempfile::tempdir().unwrap();
    lay(1, place.path());
    let store = RedbStore::open(place.path()).unwrap();
    let heads = store.heads(&Scope::All, None, 9).await.unwrap().items;
    let told: Vec<_> =
        heads.iter().map(|head| (head.name.author.as_str(), head.height, head.floor)).collect();
    assert_eq!(told, [("ann", 6, 2), ("bob", 11, 0)]);
    let gap = vec![SeqRange { first: 5, last: 9 }];
    assert_eq!((&heads[1].gaps, &heads[1].missed), (&gap, &gap));
    assert_eq!(store.incarnation().await.unwrap(), StoreIncarnation(383_478_091_816_639_257));
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(12));
    let rows = store.arrivals(&Scope::All, Arrival(0), usize::MAX).await.unwrap().items;
    assert_eq!(rows.iter().map(|row| row.range.count()).sum::<u64>(), 12);
    assert!(rows.iter().all(|row| row.damaged.is_none()));
    assert_eq!(store.load_node().await.unwrap().unwrap().clock, Stamp::new(1_700_000_000_900, 1));
    assert_eq!(store.channels(None, 9).await.unwrap().items.len(), 1);
    assert_eq!(store.peers(None, 9).await.unwrap().items[0].display_name, "Bob");
    assert_eq!(store.load_snapshot("view").await.unwrap().unwrap(), "state");
    assert!(store.mark_open().await.unwrap(), "it was not closed");
    // The writer goes on where it was.
    let mut ann = LogWriter::new("c", "s", "ann");
    ann.run(6);
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    drop(store);
    let again = RedbStore::open(place.path()).unwrap();
    assert_eq!(again.last_arrival().await.unwrap(), Arrival(13));
}

fn dump(directory: &Path) -> String {
    let hex = |bytes: &[u8]| bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"));
    let database = Database::open(directory.join(FILE_NAME)).unwrap();
    let reading = database.begin_read().unwrap();
    let mut names: Vec<_> = reading.list_tables().unwrap().map(|table| table.name().to_owned()).collect();
    names.sort();
    let mut text = String::new();
    for name in names {
        writeln!(text, "{name}").unwrap();
        let table: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new(&name);
        for row in reading.open_table(table).unwrap().iter().unwrap() {
            let (key, value) = row.unwrap();
            writeln!(text, "  {} {}", hex(key.value()), hex(value.value())).unwrap();
        }
    }
    text
}

/// The rows are the same on every engine.
const ROWS: &str = include_str!("../../kv/golden/format-3.txt");

#[tokio::test]
async fn a_store_of_format_2_is_brought_up_to_date() {
    let place = tempfile::tempdir().unwrap();
    lay(2, place.path());
    drop(RedbStore::open(place.path()).unwrap());
    assert_eq!(dump(place.path()), ROWS);
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::best());
        packed.write_all(&std::fs::read(place.path().join(FILE_NAME)).unwrap()).unwrap();
        std::fs::write(golden(3), packed.finish().unwrap()).unwrap();
    }
    let store = RedbStore::open(place.path()).unwrap();
    assert_eq!(store.last_arrival().await.unwrap(), Arrival(16));
    assert_eq!(store.incarnation().await.unwrap(), StoreIncarnation(383_478_091_816_639_257));
    let rows = store.arrivals(&Scope::All, Arrival(0), usize::MAX).await.unwrap().items;
    assert_eq!(rows.iter().map(|row| row.range.count()).sum::<u64>(), 16);
    assert!(store.mark_open().await.unwrap(), "it was not closed");
}

/// When this fails the format changed: raise it, and say how a store of this one becomes a new one.
#[tokio::test]
async fn a_store_of_format_3_stays_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    lay(3, place.path());
    assert_eq!(dump(place.path()), ROWS);
    let store = RedbStore::open(place.path()).unwrap();
    assert_eq!(store.heads(&Scope::All, None, 9).await.unwrap().items.len(), 3);
    assert_eq!(store.load_snapshot("view").await.unwrap().unwrap(), "state");
    drop(store);
    assert_eq!(dump(place.path()), ROWS);
}

type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;
const RUNS: Rows = TableDefinition::new("runs");

/// An upgrade goes over the runs in steps: one that was ended in the midst is taken up again.
#[tokio::test]
async fn an_interrupted_upgrade_goes_on_where_it_was() {
    let (whole, part) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    lay(1, whole.path());
    drop(RedbStore::open(whole.path()).unwrap());
    lay(1, part.path());
    {
        let upgraded = Database::open(whole.path().join(FILE_NAME)).unwrap();
        let done = upgraded.begin_read().unwrap().open_table(RUNS).unwrap();
        let database = Database::open(part.path().join(FILE_NAME)).unwrap();
        let writing = database.begin_write().unwrap();
        for row in done.iter().unwrap().take(2).map(Result::unwrap) {
            let mut table = writing.open_table(RUNS).unwrap();
            table.insert(row.0.value(), row.1.value()).unwrap();
        }
        writing.commit().unwrap();
    }
    drop(RedbStore::open(part.path()).unwrap());
    assert_eq!(dump(part.path()), dump(whole.path()));
}
