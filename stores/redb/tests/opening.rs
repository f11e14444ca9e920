//! What may lie in the way when a store is opened, and by name.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use gossip_core::proto::{Fault, Meta};
use gossip_core::{EntryRepository, Store, StoreError, StoreResult};
use gossip_store_redb::{FILE_NAME, FORMAT, RedbStore};
use gossip_testkit::fixture::LogWriter;
use gossip_testkit::store::opening::DirectoryStore;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
const RUNS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("runs");

struct Stored;

impl DirectoryStore for Stored {
    const KIND: &'static str = "redb";
    const CONTENTS: &'static str = FILE_NAME;

    fn open(directory: &Path) -> StoreResult<Arc<dyn Store>> {
        Ok(Arc::new(RedbStore::open(directory)?))
    }
}

gossip_testkit::store_opening!(Stored);

fn refused(path: &Path) -> StoreError {
    RedbStore::open(path).expect_err("it must not open")
}

async fn with_entries(path: &Path) -> LogWriter {
    let store = RedbStore::open(path).expect("a new store");
    let mut ann = LogWriter::new("c", "s", "ann");
    for _ in 0..3 {
        store.commit(&[ann.run(2)], &Meta::default()).await.expect("committed");
    }
    ann
}

#[test]
fn what_a_killed_process_did_not_finish_is_made_anew() {
    for size in [0, 64, 5000] {
        let place = tempfile::tempdir().unwrap();
        fs::write(place.path().join("gossip.redb.new"), vec![0; size]).unwrap();
        fs::write(place.path().join("gossip.redb.lock"), "").unwrap();
        RedbStore::open(place.path()).unwrap();
        let files: Vec<_> =
            fs::read_dir(place.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        assert_eq!(files, [FILE_NAME], "{size} bytes");
    }
}

#[test]
fn the_format_is_written_and_a_newer_one_is_refused() {
    assert_eq!(FORMAT, 4, "a new format needs a migration or a refusal, and this test");
    let place = tempfile::tempdir().unwrap();
    drop(RedbStore::open(place.path()).unwrap());
    let database = Database::open(place.path().join(FILE_NAME)).unwrap();
    let reading = database.begin_read().unwrap();
    let found = reading.open_table(META).unwrap().get(&b"format"[..]).unwrap().unwrap().value().to_vec();
    assert_eq!(found[4..], 3_u32.to_be_bytes(), "behind a check; that of a store without forks");
    drop(reading);
    let writing = database.begin_write().unwrap();
    writing.open_table(META).unwrap().insert(&b"format"[..], &7_u64.to_be_bytes()[..]).unwrap();
    writing.commit().unwrap();
    drop(database);
    let error = refused(place.path());
    assert_eq!(error.fault, Fault::Rejected);
    let text = error.to_string();
    assert!(text.contains("format 7") && text.contains("format 4"), "{text}");
}

#[test]
fn a_database_of_someone_else_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let database = Database::create(place.path().join(FILE_NAME)).unwrap();
    let writing = database.begin_write().unwrap();
    writing.open_table(TableDefinition::<u64, u64>::new("theirs")).unwrap();
    writing.commit().unwrap();
    drop(database);
    let error = refused(place.path());
    assert_eq!(error.fault, Fault::Rejected, "{error}");
}

#[tokio::test]
async fn damaged_files_are_errors_not_panics() {
    let garbage: Vec<u8> = (0..20_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join(FILE_NAME);
    for size in [1, 100, 4096, 20_000] {
        fs::write(&file, &garbage[..size]).unwrap();
        let error = refused(place.path());
        assert_eq!(error.fault, Fault::Corrupt, "{size} bytes of garbage: {error}");
    }
    fs::remove_file(&file).unwrap();
    with_entries(place.path()).await;
    let whole = fs::read(&file).unwrap();
    for size in [10, 300, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(&file, &whole[..size]).unwrap();
        let error = refused(place.path());
        assert_eq!(error.fault, Fault::Corrupt, "cut to {size} bytes: {error}");
    }
    fs::write(&file, &whole).unwrap();
    RedbStore::open(place.path()).unwrap();
}

#[tokio::test]
async fn a_damaged_run_is_told_and_what_is_before_it_is_read() {
    let place = tempfile::tempdir().unwrap();
    let ann = with_entries(place.path()).await;
    let database = Database::open(place.path().join(FILE_NAME)).unwrap();
    let writing = database.begin_write().unwrap();
    {
        let mut runs = writing.open_table(RUNS).unwrap();
        let second = runs.iter().unwrap().nth(1).unwrap().unwrap();
        let (key, mut value) = (second.0.value().to_vec(), second.1.value().to_vec());
        drop(second);
        let payload = value.windows(3).rposition(|part| part == b"ann").expect("the payload");
        value[payload] ^= 1;
        runs.insert(&key[..], &value[..]).unwrap();
    }
    writing.commit().unwrap();
    drop(database);
    let store = RedbStore::open(place.path()).unwrap();
    let before = store.read(ann.id(), 1, usize::MAX).await.unwrap();
    assert_eq!(before.len(), 1, "the first run is whole");
    let error = store.read(ann.id(), 3, 1).await.unwrap_err();
    assert_eq!(error.fault, Fault::Corrupt);
    assert!(error.to_string().contains("ends at 4"), "{error}");
    assert_eq!(store.read(ann.id(), 5, 1).await.unwrap().len(), 1, "and the third");
}
