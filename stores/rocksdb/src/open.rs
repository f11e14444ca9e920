//! Finding, making and recognising the database.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use gossip_core::StoreResult;
use gossip_core::proto::Fault;
use gossip_store_kv::{Opening, Order, Span, Table, View, of_io};
use rocksdb::{ColumnFamilyDescriptor, DB, DEFAULT_COLUMN_FAMILY_NAME, Options};

use crate::engine::RocksdbEngine;
use crate::fault::{OPENING, of_its_notes, of_open, refuse, refused};
use crate::mark::{Mark, sync_directory};
use crate::salvage;
use crate::tables::RUNS;
use crate::tuning::{Settings, Tuning};
use crate::view::RocksdbView;
use crate::wal;

/// Name of the database inside the store's directory.
pub const DIRECTORY_NAME: &str = "gossip.rocksdb";

/// A database without this file was never finished.
const BEGINNING: &str = "CURRENT";

/// Opens the database in `directory`, both made when they do not exist.
pub(crate) fn open(directory: &Path, settings: &Settings, opening: Opening) -> StoreResult<RocksdbEngine> {
    let path = path_of(directory)?;
    let there = is_there(&path)?;
    match opening {
        Opening::Again if !there => {
            return refuse(Fault::Transient, &path, &"the database of the store is gone");
        }
        _ if there => recognise(&path)?,
        _ => make(directory, &path)?,
    }
    if salvage::is_under_way(&path).map_err(|error| refused(of_path(&error), &path, &error))? {
        return refuse(Fault::Corrupt, &path, &"it was being salvaged, which did not end: salvage it again");
    }
    // Before RocksDB writes, and with it clears away what is to be looked at.
    if !Mark::of(&path).is_set().map_err(|error| refused(of_path(&error), &path, &error))? {
        refuse_damaged_log(&path)?;
    }
    salvage::drop_tail(&path).map_err(|error| refused(of_path(&error), &path, &error))?;
    let mut tuning = Tuning::new(settings);
    tuning.database.create_if_missing(!there);
    open_database(path, tuning)
}

/// Where the database of a store lies.
pub(crate) fn path_of(directory: &Path) -> StoreResult<PathBuf> {
    let path = directory.join(DIRECTORY_NAME);
    // The bindings would replace what is not, and open another directory.
    match path.to_str().is_none_or(|path| path.contains('\0')) {
        true => refuse(Fault::Rejected, &path, &"RocksDB needs a path in UTF-8"),
        false => Ok(path),
    }
}

/// Whether there is a database.
pub(crate) fn is_there(path: &Path) -> StoreResult<bool> {
    exists(&path.join(BEGINNING))
}

/// A failure to look is not a "no": a store must not be made over one that is there.
fn exists(path: &Path) -> StoreResult<bool> {
    path.try_exists().map_err(|error| refused(of_path(&error), path, &error))
}

fn make(directory: &Path, path: &Path) -> StoreResult<()> {
    let failed = |error: io::Error| refused(of_path(&error), directory, &error);
    if directory.exists() && !directory.is_dir() {
        return refuse(Fault::Rejected, directory, &"there is a file where the store's directory should be");
    }
    fs::create_dir_all(path).map_err(failed)?;
    sync_directory(directory).map_err(failed)
}

/// Refuses a database of someone else before anything is changed in it.
fn recognise(path: &Path) -> StoreResult<()> {
    let families = DB::list_cf(&Options::default(), path).map_err(|error| of_open(path, &error))?;
    match families.iter().find(|name| ![DEFAULT_COLUMN_FAMILY_NAME, RUNS].contains(&name.as_str())) {
        Some(name) => {
            let why = format!("it is a RocksDB database, but not of gossip: it has a column family {name:?}");
            refuse(Fault::Rejected, path, &why)
        }
        None => Ok(()),
    }
}

fn refuse_damaged_log(path: &Path) -> StoreResult<()> {
    match wal::damaged(path) {
        Ok(None) => Ok(()),
        Ok(Some(file)) => {
            refuse(Fault::Corrupt, &file, &"entries that were acknowledged are damaged in the log")
        }
        Err(error) => refuse(of_path(&error), path, &error),
    }
}

/// Opens what is there, whatever its log holds.
pub(crate) fn open_database(path: PathBuf, tuning: Tuning) -> StoreResult<RocksdbEngine> {
    let db = open_files(&tuning, &path, DB::open_cf_descriptors).map_err(|error| of_open(&path, &error))?;
    refuse_foreign_rows(&db, &path)?;
    // What the log held is in synced files by now.
    Mark::of(&path).clear().map_err(|error| refused(of_path(&error), &path, &error))?;
    Ok(RocksdbEngine::new(db, tuning, path))
}

/// So often it is tried while someone else is in the way for a moment.
const TRIES: usize = 5;

/// Opens the files in one way of RocksDB's.
pub(crate) fn open_files<'p>(
    tuning: &Tuning,
    path: &'p Path,
    way: impl Fn(&Options, &'p Path, [ColumnFamilyDescriptor; 2]) -> Result<DB, rocksdb::Error>,
) -> Result<DB, rocksdb::Error> {
    let open = || {
        let families = [
            ColumnFamilyDescriptor::new(DEFAULT_COLUMN_FAMILY_NAME, tuning.small.clone()),
            ColumnFamilyDescriptor::new(RUNS, tuning.runs.clone()),
        ];
        way(&tuning.database, path, families)
    };
    let mut opened = open();
    for _ in 1..TRIES {
        match &opened {
            Err(error) if of_its_notes(error) => opened = open(),
            _ => break,
        }
    }
    opened
}

/// A store has notes about itself as long as it has anything.
fn refuse_foreign_rows(db: &DB, path: &Path) -> StoreResult<()> {
    let view = RocksdbView::new(db);
    let rows = |table| -> StoreResult<bool> {
        let mut rows = view.scan(table, &Span::all(), Order::Up).map_err(|e| e.into_store_error(OPENING))?;
        let first = rows.next().map_err(|e| e.into_store_error(OPENING))?;
        Ok(first.is_some())
    };
    if rows(Table::Meta)? {
        return Ok(());
    }
    let mut anything = db.raw_iterator();
    anything.seek_to_first();
    if anything.valid() || rows(Table::Runs)? {
        return refuse(Fault::Rejected, path, &"it is a RocksDB database, but not of gossip");
    }
    anything.status().map_err(|error| of_open(path, &error))
}

fn of_path(error: &io::Error) -> Fault {
    use io::ErrorKind::{AlreadyExists, InvalidInput, NotADirectory, NotFound};
    match error.kind() {
        NotADirectory | AlreadyExists | InvalidInput | NotFound => Fault::Rejected,
        _ => of_io(error),
    }
}
