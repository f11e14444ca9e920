//! Databases to spoil.
#![allow(dead_code)] // not every test spoils everything

use std::fs;
use std::path::{Path, PathBuf};

use gossip_core::StoreResult;
use gossip_store_kv::{Edits, Engine, Failure, Opening, Order, Span, Table, View};
use gossip_store_rocksdb::{DIRECTORY_NAME, RocksdbEngine, Settings};
use tempfile::TempDir;

/// Where the database of a store lies.
pub(crate) fn database(place: &Path) -> PathBuf {
    place.join(DIRECTORY_NAME)
}

/// Opens the engine in a directory.
pub(crate) fn open(place: &Path, settings: Settings) -> StoreResult<RocksdbEngine> {
    RocksdbEngine::opener(place.to_owned(), settings)(Opening::First)
}

/// One row in two tables and a note, as of one commit.
pub(crate) fn batch(n: u64, size: usize) -> Edits {
    let mut edits = Edits::default();
    // Nothing that could be compressed.
    let mut noise = n + 1;
    let value = std::iter::repeat_with(|| {
        noise ^= noise << 13;
        noise ^= noise >> 7;
        noise ^= noise << 17;
        noise as u8
    });
    edits.put(Table::Runs, n.to_be_bytes(), value.take(size).collect::<Vec<_>>());
    edits.put(Table::Heads, n.to_be_bytes(), n.to_be_bytes().to_vec());
    edits.put(Table::Meta, &b"n"[..], n.to_be_bytes().to_vec());
    edits
}

/// An engine, still open, whose log holds so many batches of different sizes.
pub(crate) fn with_batches(place: &Path, synced: bool, batches: u64) -> RocksdbEngine {
    let settings = Settings { memory: 8 << 20, ..Settings::default() };
    let engine = open(place, settings).expect("a new engine");
    for n in 0..batches {
        let size = [10, 3000, 40_000, 500][n as usize % 4];
        engine.apply(batch(n, size), synced).expect("applied");
    }
    engine
}

/// The files as they are, as after `kill -9`.
pub(crate) fn copy(place: &Path) -> TempDir {
    let copied = tempfile::tempdir().expect("a directory");
    fs::create_dir(database(copied.path())).expect("made");
    for file in fs::read_dir(database(place)).expect("listed") {
        let file = file.expect("a file");
        match fs::copy(file.path(), database(copied.path()).join(file.file_name())) {
            // A leftover that was just cleared away.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            copied => drop(copied.expect("copied")),
        }
    }
    copied
}

fn files(place: &Path, extension: &str) -> Vec<PathBuf> {
    let files = fs::read_dir(database(place)).expect("listed").map(|file| file.expect("a file").path());
    files.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// The logs, oldest first.
pub(crate) fn log_files(place: &Path) -> Vec<PathBuf> {
    let mut logs = files(place, "log");
    logs.sort();
    logs
}

/// The newest log.
pub(crate) fn log_file(place: &Path) -> PathBuf {
    log_files(place).pop().expect("a log")
}

/// All table files, and those of large runs.
pub(crate) fn table_files(place: &Path) -> Vec<PathBuf> {
    let (mut tables, runs) = (files(place, "sst"), files(place, "blob"));
    assert!(!tables.is_empty() && !runs.is_empty());
    tables.extend(runs);
    tables
}

/// Rows of a table.
pub(crate) fn number_of(engine: &RocksdbEngine, table: Table) -> Result<usize, Failure> {
    let view = engine.view()?;
    let mut rows = view.scan(table, &Span::all(), Order::Up)?;
    let mut number = 0;
    while rows.next()?.is_some() {
        number += 1;
    }
    Ok(number)
}

/// How many of the batches are there; it must be the first ones, each of them whole.
pub(crate) fn rows(engine: &RocksdbEngine) -> Result<usize, Failure> {
    let view = engine.view()?;
    let number = number_of(engine, Table::Runs)?;
    assert_eq!(number_of(engine, Table::Heads)?, number, "one table ahead of the other");
    for n in 0..number as u64 {
        let wanted = batch(n, [10, 3000, 40_000, 500][n as usize % 4]);
        for edit in wanted.iter() {
            let gossip_store_kv::Edit::Put { table, key, value } = edit else { continue };
            if *table != Table::Meta {
                let found = view.get(*table, key)?.map(|value| value.to_vec());
                assert_eq!(found.as_deref(), Some(&*value.joined()), "{table:?} {n}");
            }
        }
    }
    Ok(number)
}
