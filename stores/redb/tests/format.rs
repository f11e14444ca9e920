//! The format: how an old store becomes a new one, and every byte of the new one.

#![allow(clippy::unwrap_used, reason = "a test may")]

use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

use gossip_core::proto::{
    Arrival, Branch, ChainHash, CommitItem, LogName, Meta, NodeId, Payload, RunBuilder, Scope, SeqRange,
    Stamp, StoreIncarnation,
};
use gossip_core::{ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository};
use gossip_store_redb::{FILE_NAME, RedbStore};
use gossip_testkit::fixture::LogWriter;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition, TableHandle};

/// Made by the program that had format 1.
fn lay_format_1(directory: &Path) {
    let packed: &[u8] = include_bytes!("golden/format-1.redb.gz");
    let mut file = Vec::new();
    flate2::read::GzDecoder::new(packed).read_to_end(&mut file).expect("it unpacks");
    std::fs::write(directory.join(FILE_NAME), file).expect("written");
}

#[tokio::test]
async fn a_store_of_format_1_is_brought_up_to_date() {
    let place = tempfile::tempdir().unwrap();
    lay_format_1(place.path());
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

/// A branch of a sealed log: everything a head can have that the old store has not.
fn sealed_branch() -> CommitItem {
    let ann = LogWriter::new("c", "s", "ann");
    let branch = Some(Branch { parent: ann.id(), first: ChainHash([5; 32]) });
    let name = LogName { branch, author: NodeId::new("cleo").unwrap(), ..(**ann.name()).clone() };
    let prev = name.hash().root();
    let mut builder = RunBuilder::new(name.id(), 1, prev);
    let payload = Payload::Present("sealed".into());
    builder.push(Stamp::new(1_700_000_000_000, 9), &payload).unwrap();
    let (run, end) = builder.finish(Some(&[9; 64])).unwrap();
    CommitItem::Run { log: name.into(), prev, run, end }
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

/// When this fails the format changed: raise it, and say how a store of this one becomes a new one.
#[tokio::test]
async fn every_byte_of_format_2_stays_as_it_is() {
    let place = tempfile::tempdir().unwrap();
    lay_format_1(place.path());
    let store = RedbStore::open(place.path()).unwrap();
    let mut ann = LogWriter::new("c", "s", "ann");
    ann.run(6);
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    store.commit(&[ann.run(2), sealed_branch()], &Meta::default()).await.unwrap();
    drop(store);
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-2.txt");
    let found = dump(place.path());
    if std::env::var_os("WRITE_GOLDEN").is_some() {
        std::fs::write(&golden, &found).unwrap();
    }
    assert_eq!(found, std::fs::read_to_string(&golden).unwrap());
}

type Rows = TableDefinition<'static, &'static [u8], &'static [u8]>;
const RUNS: Rows = TableDefinition::new("runs");

/// An upgrade goes over the runs in steps: one that was ended in the midst is taken up again.
#[tokio::test]
async fn an_interrupted_upgrade_goes_on_where_it_was() {
    let (whole, part) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    lay_format_1(whole.path());
    drop(RedbStore::open(whole.path()).unwrap());
    lay_format_1(part.path());
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
