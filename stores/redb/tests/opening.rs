//! What may lie in the way when a store is opened, and by name.

use std::fs;
use std::path::Path;

use gossip_core::proto::{Durability, Fault, Meta};
use gossip_core::registry::{Options, build_store};
use gossip_core::{EntryRepository, NodeRepository, StoreError};
use gossip_store_redb::{FILE_NAME, FORMAT, RedbStore};
use gossip_testkit::fixture::LogWriter;
use redb::{Database, ReadableDatabase, ReadableTable, TableDefinition};

const META: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("meta");
const RUNS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("runs");

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
fn makes_the_directory_and_those_above() {
    let place = tempfile::tempdir().unwrap();
    let deep = place.path().join("a/b/c");
    RedbStore::open(&deep).unwrap();
    assert!(deep.join(FILE_NAME).is_file());
}

#[test]
fn a_second_handle_is_refused_until_the_first_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let first = RedbStore::open(place.path()).unwrap();
    let error = refused(place.path());
    assert_eq!(error.fault, Fault::Rejected);
    assert!(error.to_string().contains("open already"), "{error}");
    drop(first);
    RedbStore::open(place.path()).unwrap();
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
fn a_file_in_the_place_of_the_directory_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "notes").unwrap();
    for path in [file.clone(), file.join("below")] {
        let error = refused(&path);
        assert_eq!(error.fault, Fault::Rejected, "{error}");
        assert!(error.to_string().contains("file"), "{error}");
    }
    assert_eq!(fs::read_to_string(&file).unwrap(), "notes", "and left alone");
}

#[test]
fn a_path_that_cannot_be_is_refused() {
    let error = refused(Path::new("a\0b"));
    assert_eq!(error.fault, Fault::Rejected, "{error}");
}

#[cfg(unix)]
#[test]
fn a_directory_we_may_not_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write anywhere: then there is nothing to refuse.
    let allowed = fs::write(place.path().join("probe"), "").is_ok();
    let opened = RedbStore::open(place.path());
    assert_eq!(opened.is_ok(), allowed);
    if let Err(error) = opened {
        assert_eq!(error.fault, Fault::Rejected, "{error}");
    }
}

#[test]
fn the_format_is_written_and_a_newer_one_is_refused() {
    assert_eq!(FORMAT, 3, "a new format needs a migration or a refusal, and this test");
    let place = tempfile::tempdir().unwrap();
    drop(RedbStore::open(place.path()).unwrap());
    let database = Database::open(place.path().join(FILE_NAME)).unwrap();
    let reading = database.begin_read().unwrap();
    let found = reading.open_table(META).unwrap().get(&b"format"[..]).unwrap().unwrap().value().to_vec();
    assert_eq!(found[4..], 3_u32.to_be_bytes(), "behind a check");
    drop(reading);
    let writing = database.begin_write().unwrap();
    writing.open_table(META).unwrap().insert(&b"format"[..], &7_u64.to_be_bytes()[..]).unwrap();
    writing.commit().unwrap();
    drop(database);
    let error = refused(place.path());
    assert_eq!(error.fault, Fault::Rejected);
    let text = error.to_string();
    assert!(text.contains("format 7") && text.contains("format 3"), "{text}");
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

#[tokio::test]
async fn is_built_by_name() {
    let place = tempfile::tempdir().unwrap();
    let text = |text: &str| Options::Text(text.to_owned());
    let path = place.path().to_str().unwrap();
    let options = Options::Map(vec![(text("path"), text(path))]);
    let store = build_store("redb", &options).unwrap();
    assert_eq!(store.name(), "redb");
    assert!(!NodeRepository::mark_open(&*store).await.unwrap());
    let wrong = Options::Map(vec![(text("pth"), text(path))]);
    let error = build_store("redb", &wrong).err().expect("no such option").to_string();
    assert!(error.contains("pth") && error.contains("path"), "{error}");
    let error = build_store("redb", &options).err().expect("open already").to_string();
    assert!(error.contains("open already"), "{error}");
}

#[tokio::test]
async fn a_store_marked_closed_can_be_opened_by_others_and_used_again_when_they_are_done() {
    let directory = tempfile::tempdir().unwrap();
    let first = RedbStore::open(directory.path()).unwrap();
    assert!(!first.mark_open().await.unwrap());
    assert!(RedbStore::open(directory.path()).is_err());
    first.mark_closed().await.unwrap();
    let second = RedbStore::open(directory.path()).unwrap();
    assert!(!second.mark_open().await.unwrap());
    assert!(first.last_arrival().await.is_err(), "two would use one file");
    let incarnation = second.incarnation().await.unwrap();
    second.mark_closed().await.unwrap();
    assert_eq!(first.incarnation().await.unwrap(), incarnation);
}

#[tokio::test]
async fn a_disk_that_went_away_does_not_come_back_empty() {
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("disk");
    let store = RedbStore::open(&disk).unwrap();
    let incarnation = store.incarnation().await.unwrap();
    // Closed, as after a failed operation: the next call opens it again.
    store.mark_closed().await.unwrap();
    std::fs::rename(&disk, place.path().join("elsewhere")).unwrap();
    std::fs::create_dir(&disk).unwrap();
    assert_eq!(store.incarnation().await.unwrap_err().fault, Fault::Transient);
    std::fs::remove_dir_all(&disk).unwrap();
    std::fs::rename(place.path().join("elsewhere"), &disk).unwrap();
    assert_eq!(store.incarnation().await.unwrap(), incarnation);
}

#[tokio::test]
async fn the_durability_can_be_configured_and_what_works_is_told() {
    let text = |text: &str| Options::Text(text.to_owned());
    let build = |durability| {
        let place = tempfile::tempdir().unwrap();
        let path = text(place.path().to_str().unwrap());
        let options = Options::Map(vec![(text("path"), path), (text("durability"), durability)]);
        build_store("redb", &options).map(|store| store.durability()).map_err(|error| error.to_string())
    };
    let group = |delay| Options::Map(vec![(text("group"), text(delay))]);
    assert_eq!(build(text("sync")), Ok(Durability::Sync));
    assert_eq!(build(text("buffered")), Ok(Durability::Buffered));
    assert_eq!(build(group("50ms")), Ok(Durability::Group(std::time::Duration::from_millis(50))));
    for wrong in [text("safe"), text("volatile"), group("soon"), Options::Map(vec![])] {
        let error = build(wrong).unwrap_err();
        assert!(error.contains("50ms"), "{error}");
    }
}
