//! What may lie in the way when a store is opened, and by name.

mod common;

use std::fs;
use std::path::Path;

use common::{database, log_file, open};
use gossip_core::proto::{Durability, Fault, Meta};
use gossip_core::registry::{Options, build_store};
use gossip_core::{EntryRepository, NodeRepository, StoreError};
use gossip_store_kv::{Edits, Engine, Table};
use gossip_store_rocksdb::{DIRECTORY_NAME, FORMAT, RocksdbStore, Settings};
use gossip_testkit::fixture::LogWriter;

fn refused(path: &Path) -> StoreError {
    RocksdbStore::open(path).expect_err("it must not open")
}

async fn with_entries(path: &Path) -> LogWriter {
    let store = RocksdbStore::open(path).expect("a new store");
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
    RocksdbStore::open(&deep).unwrap();
    assert!(deep.join(DIRECTORY_NAME).is_dir());
}

#[test]
fn a_second_handle_is_refused_until_the_first_is_gone() {
    let place = tempfile::tempdir().unwrap();
    let first = RocksdbStore::open(place.path()).unwrap();
    let error = refused(place.path());
    assert_eq!(error.fault, Fault::Rejected, "{error}");
    assert!(error.to_string().contains("open already"), "{error}");
    drop(first);
    RocksdbStore::open(place.path()).unwrap();
}

#[test]
fn what_a_killed_process_did_not_finish_is_made_anew() {
    for left in [&[][..], &["LOCK"], &["LOCK", "MANIFEST-000001"], &["MANIFEST-000001", "000001.dbtmp"]] {
        let place = tempfile::tempdir().unwrap();
        fs::create_dir(database(place.path())).unwrap();
        for name in left {
            fs::write(database(place.path()).join(name), "half of").unwrap();
        }
        RocksdbStore::open(place.path()).unwrap();
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
    for existing in [false, true] {
        let place = tempfile::tempdir().unwrap();
        if existing {
            drop(RocksdbStore::open(place.path()).unwrap());
        }
        let closed = if existing { database(place.path()) } else { place.path().to_owned() };
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
        // The superuser may write anywhere: then there is nothing to refuse.
        let allowed = fs::write(closed.join("probe"), "").is_ok();
        let opened = RocksdbStore::open(place.path());
        assert_eq!(opened.is_ok(), allowed);
        if let Err(error) = opened {
            assert_eq!(error.fault, Fault::Rejected, "{error}");
        }
    }
}

#[test]
fn a_newer_format_is_refused() {
    let place = tempfile::tempdir().unwrap();
    drop(RocksdbStore::open(place.path()).unwrap());
    let engine = common::open(place.path(), Settings::default()).unwrap();
    let mut edits = Edits::default();
    edits.put(Table::Meta, &b"format"[..], (FORMAT + 5).to_be_bytes().to_vec());
    engine.apply(edits, true).unwrap();
    engine.close().unwrap();
    let error = refused(place.path());
    assert_eq!(error.fault, Fault::Rejected, "{error}");
    let text = error.to_string();
    assert!(text.contains(&format!("format {}", FORMAT + 5)), "{text}");
    assert!(text.contains(&format!("format {FORMAT}")), "{text}");
}

#[tokio::test]
async fn damaged_files_are_errors_not_panics() {
    let place = tempfile::tempdir().unwrap();
    let ann = with_entries(place.path()).await;
    drop(RocksdbStore::open(place.path()).unwrap());
    let names: Vec<_> =
        fs::read_dir(database(place.path())).unwrap().map(|f| f.unwrap().file_name()).collect();
    for name in names {
        let text = name.to_string_lossy().into_owned();
        if !["CURRENT", "MANIFEST", ".sst"].iter().any(|part| text.contains(part)) {
            continue;
        }
        for damage in ["empty", "garbage", "half"] {
            let spoilt = common::copy(place.path());
            let file = database(spoilt.path()).join(&name);
            let whole = fs::read(&file).unwrap();
            let bytes = match damage {
                "empty" => Vec::new(),
                "garbage" => (0..whole.len()).map(|at| ((at * 7919) >> 3) as u8).collect(),
                _ => whole[..whole.len() / 2].to_vec(),
            };
            fs::write(&file, bytes).unwrap();
            // A manifest that ends too early is taken by RocksDB for one that was being written.
            if text.contains("MANIFEST") && damage == "half" {
                continue;
            }
            match RocksdbStore::open(spoilt.path()) {
                // Tables are looked into when they are read.
                Ok(store) if text.ends_with(".sst") => {
                    let error = store.read(ann.id(), 1, usize::MAX).await.expect_err("it is damaged");
                    assert_eq!(error.fault, Fault::Corrupt, "{text} {damage}: {error}");
                }
                Ok(_) => panic!("opened with {text} {damage}"),
                Err(error) => assert_eq!(error.fault, Fault::Corrupt, "{text} {damage}: {error}"),
            }
        }
    }
}

#[tokio::test]
async fn an_acknowledged_entry_that_is_damaged_in_the_log_is_told_not_dropped() {
    let place = tempfile::tempdir().unwrap();
    let ann = with_entries(place.path()).await;
    let log = log_file(place.path());
    let mut bytes = fs::read(&log).unwrap();
    let payload = bytes.windows(3).position(|part| part == b"ann").expect("the first entry");
    bytes[payload] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let error = refused(place.path());
    assert_eq!(error.fault, Fault::Corrupt, "{error}");
    bytes[payload] ^= 1;
    fs::write(&log, &bytes).unwrap();
    let store = RocksdbStore::open(place.path()).unwrap();
    assert_eq!(store.read(ann.id(), 1, usize::MAX).await.unwrap().len(), 3);
}

#[tokio::test]
async fn is_built_by_name() {
    let place = tempfile::tempdir().unwrap();
    let text = |text: &str| Options::Text(text.to_owned());
    let path = place.path().to_str().unwrap();
    let with = |more: &[(&str, &str)]| {
        let more = more.iter().map(|(name, value)| (text(name), text(value)));
        Options::Map([(text("path"), text(path))].into_iter().chain(more).collect())
    };
    let options = with(&[("durability", "buffered"), ("compression", "none")]);
    let store = build_store("rocksdb", &options).unwrap();
    assert_eq!((store.name(), store.durability()), ("rocksdb", Durability::Buffered));
    assert!(!NodeRepository::mark_open(&*store).await.unwrap());
    for (wrong, wanted) in [("pth", "path"), ("durability", "buffered"), ("compression", "lz4")] {
        let error = build_store("rocksdb", &with(&[(wrong, "x")])).err().expect("no such option").to_string();
        assert!(error.contains(wanted), "{error}");
    }
    let error = build_store("rocksdb", &with(&[])).err().expect("open already").to_string();
    assert!(error.contains("open already"), "{error}");
}

#[tokio::test]
async fn a_store_marked_closed_can_be_opened_by_others_and_used_again_when_they_are_done() {
    let directory = tempfile::tempdir().unwrap();
    let first = RocksdbStore::open(directory.path()).unwrap();
    assert!(!first.mark_open().await.unwrap());
    assert!(RocksdbStore::open(directory.path()).is_err());
    first.mark_closed().await.unwrap();
    let second = RocksdbStore::open(directory.path()).unwrap();
    assert!(!second.mark_open().await.unwrap());
    assert!(first.last_arrival().await.is_err(), "two would use one directory");
    let incarnation = second.incarnation().await.unwrap();
    second.mark_closed().await.unwrap();
    assert_eq!(first.incarnation().await.unwrap(), incarnation);
}

#[tokio::test]
async fn a_disk_that_went_away_does_not_come_back_empty() {
    let place = tempfile::tempdir().unwrap();
    let disk = place.path().join("disk");
    let store = RocksdbStore::open(&disk).unwrap();
    let incarnation = store.incarnation().await.unwrap();
    // Closed, as after a failed operation: the next call opens it again.
    store.mark_closed().await.unwrap();
    fs::rename(&disk, place.path().join("elsewhere")).unwrap();
    fs::create_dir(&disk).unwrap();
    assert_eq!(store.incarnation().await.unwrap_err().fault, Fault::Transient);
    fs::remove_dir_all(&disk).unwrap();
    fs::rename(place.path().join("elsewhere"), &disk).unwrap();
    assert_eq!(store.incarnation().await.unwrap(), incarnation);
}

#[cfg(unix)]
#[test]
fn a_path_the_bindings_would_change_is_refused() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let place = tempfile::tempdir().expect("a directory");
    let odd = place.path().join(OsStr::from_bytes(b"data-\xff"));
    let refused = open(&odd, Settings::default()).map(drop).expect_err("not UTF-8");
    assert_eq!(refused.fault, Fault::Rejected, "{refused}");
    assert!(fs::read_dir(place.path()).expect("listed").next().is_none(), "nothing was made");
}

/// Whoever comes second is refused, and the first one is not disturbed, also while both are at it.
#[test]
fn two_who_open_it_at_once_never_take_it_for_damaged() {
    let place = tempfile::tempdir().expect("a directory");
    drop(open(place.path(), Settings::default()).expect("made"));
    let open_often = || {
        for _ in 0..60 {
            if let Err(error) = open(place.path(), Settings::default()) {
                assert_eq!(error.fault, Fault::Rejected, "{error}");
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(open_often);
        }
    });
    open(place.path(), Settings::default()).expect("it is whole");
}
