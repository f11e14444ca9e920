//! What may lie in the way when a store is opened, and by name.

mod common;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use common::{database, log_file, open};
use gossip_core::proto::{Fault, Meta};
use gossip_core::registry::{Options, build_store};
use gossip_core::{EntryRepository, Store, StoreError, StoreResult};
use gossip_store_kv::{Edits, Engine, Table};
use gossip_store_rocksdb::{DIRECTORY_NAME, FORMAT, RocksdbStore, Settings};
use gossip_testkit::fixture::LogWriter;
use gossip_testkit::store::opening::DirectoryStore;

struct Stored;

impl DirectoryStore for Stored {
    const KIND: &'static str = "rocksdb";
    const CONTENTS: &'static str = DIRECTORY_NAME;

    fn open(directory: &Path) -> StoreResult<Arc<dyn Store>> {
        Ok(Arc::new(RocksdbStore::open(directory)?))
    }
}

gossip_testkit::store_opening!(Stored);

#[test]
fn a_compression_that_is_none_is_told_with_those_there_are() {
    let text = |text: &str| Options::Text(text.to_owned());
    let place = tempfile::tempdir().unwrap();
    let path = text(place.path().to_str().unwrap());
    let with = |compression| {
        Options::Map(vec![(text("path"), path.clone()), (text("compression"), text(compression))])
    };
    build_store("rocksdb", &with("none")).unwrap();
    let error = build_store("rocksdb", &with("x")).err().expect("no such compression").to_string();
    assert!(error.contains("lz4"), "{error}");
}

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

#[cfg(unix)]
#[test]
fn a_database_we_may_not_write_to_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    drop(RocksdbStore::open(place.path()).unwrap());
    let closed = database(place.path());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o500)).unwrap();
    // The superuser may write anywhere: then there is nothing to refuse.
    let allowed = fs::write(closed.join("probe"), "").is_ok();
    let opened = RocksdbStore::open(place.path());
    fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
    assert_eq!(opened.is_ok(), allowed);
    if let Err(error) = opened {
        assert_eq!(error.fault, Fault::Rejected, "{error}");
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
