//! RocksDB as an engine: batches in, snapshots out.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use gossip_core::proto::Fault;
use gossip_store_kv::{Edit, Edits, Engine, EngineStats, Failure, Opener, Table, of_io};
use rocksdb::statistics::Ticker;
use rocksdb::{DB, Error, ErrorKind, WriteBatch, WriteOptions};

use crate::fault::of_write;
use crate::mark::Mark;
use crate::open::open;
use crate::reclaim::Reclaimer;
use crate::room::Room;
use crate::tables;
use crate::tuning::{Settings, Tuning};
use crate::view::RocksdbView;

/// An open database.
pub struct RocksdbEngine {
    db: Arc<DB>,
    reclaimer: Reclaimer,
    tuning: Tuning,
    path: PathBuf,
    /// Set before the first batch that is not synced.
    unsynced: AtomicBool,
    room: Room,
}

impl RocksdbEngine {
    pub(crate) fn new(db: DB, tuning: Tuning, path: PathBuf) -> Self {
        let db = Arc::new(db);
        let (reclaimer, unsynced) = (Reclaimer::new(db.clone()), AtomicBool::new(false));
        Self { reclaimer, db, tuning, path, unsynced, room: Room::default() }
    }

    fn failed(&self, error: Error) -> Failure {
        match of_write(error) {
            full if full.fault() == Fault::Full && self.room.missed(&self.path) => {
                Failure::broken(Fault::Full, "there is room again, and RocksDB does not take it")
            }
            failure => failure,
        }
    }

    fn write(&self, edits: &Edits, mut options: WriteOptions) -> Result<(), Error> {
        let (batch, removed) = batch(&self.db, edits);
        let written = batch.size_in_bytes();
        // Keys of one batch are mostly neighbours.
        options.set_memtable_insert_hint_per_batch(true);
        self.db.write_opt(batch, &options)?;
        self.room.found();
        self.reclaimer.add(written, removed);
        Ok(())
    }

    fn mark_unsynced(&self) -> Result<(), Failure> {
        if self.unsynced.load(Ordering::Relaxed) {
            return Ok(());
        }
        Mark::of(&self.path).set().map_err(|error| Failure::engine(of_io(&error), error))?;
        self.unsynced.store(true, Ordering::Relaxed);
        Ok(())
    }
}

impl Engine for RocksdbEngine {
    const NAME: &'static str = "rocksdb";
    type Options = Settings;
    type View<'e> = RocksdbView<'e>;

    fn opener(directory: PathBuf, settings: Settings) -> Opener<Self> {
        Box::new(move |opening| open(&directory, &settings, opening))
    }

    fn view(&self) -> Result<RocksdbView<'_>, Failure> {
        Ok(RocksdbView::new(&self.db))
    }

    fn apply(&self, edits: Edits, sync: bool) -> Result<(), Failure> {
        if !sync {
            self.mark_unsynced()?;
        }
        let mut options = WriteOptions::default();
        options.set_sync(sync);
        self.write(&edits, options).map_err(|error| self.failed(error))
    }

    fn apply_at_once(&self, edits: &Edits) -> Result<bool, Failure> {
        // Before the first one a file is written and synced.
        if !self.unsynced.load(Ordering::Relaxed) {
            return Ok(false);
        }
        let mut options = WriteOptions::default();
        options.set_no_slowdown(true);
        match self.write(edits, options) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == ErrorKind::Incomplete => Ok(false),
            // Whether there is room is looked at by a thread, by writing.
            Err(error) => match of_write(error) {
                full if full.fault() == Fault::Full => Ok(false),
                failure => Err(failure),
            },
        }
    }

    fn sync(&self) -> Result<(), Failure> {
        self.db.flush_wal(true).map_err(of_write)
    }

    fn stats(&self) -> Result<EngineStats, Failure> {
        let disk_bytes = size(&self.path).map_err(|error| Failure::engine(of_io(&error), error))?;
        let written = |ticker| self.tuning.database.get_ticker_count(ticker);
        let written_bytes = written(Ticker::WalFileBytes)
            + written(Ticker::FlushWriteBytes)
            + written(Ticker::CompactWriteBytes);
        // What is not yet flushed is charged to the cache.
        Ok(EngineStats { disk_bytes, memory_bytes: self.tuning.cache.get_usage() as u64, written_bytes })
    }

    fn close(self) -> Result<(), Failure> {
        self.sync()?;
        Mark::of(&self.path).clear().map_err(|error| Failure::engine(of_io(&error), error))
    }
}

impl Drop for RocksdbEngine {
    fn drop(&mut self) {
        // The thread holds the database too.
        self.reclaimer.stop(&self.db);
    }
}

impl fmt::Debug for RocksdbEngine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksdbEngine").field("path", &self.path).finish_non_exhaustive()
    }
}

/// Ranges of keys that are removed, as they stand in the column families.
type Removed = Vec<(Table, Vec<u8>, Vec<u8>)>;

fn batch(db: &DB, edits: &Edits) -> (WriteBatch, Removed) {
    let mut batch = WriteBatch::default();
    let mut removed = Vec::new();
    for edit in edits.iter() {
        match edit {
            Edit::Put { table, key, value } => {
                batch.put_cf(tables::family(db, *table), tables::key(*table, key), value.joined());
            }
            Edit::Delete { table, key } => {
                batch.delete_cf(tables::family(db, *table), tables::key(*table, key));
            }
            // RocksDB refuses the whole batch for a range that ends before it begins.
            Edit::DeleteRange { from, to, .. } if from >= to => {}
            Edit::DeleteRange { table, from, to } => {
                let (from, to) = (tables::key(*table, from), tables::key(*table, to));
                batch.delete_range_cf(tables::family(db, *table), &from, &to);
                removed.push((*table, from, to));
            }
        }
    }
    (batch, removed)
}

/// Bytes in the files of a directory.
fn size(directory: &Path) -> io::Result<u64> {
    let mut size = 0;
    for entry in fs::read_dir(directory)? {
        match entry?.metadata() {
            Ok(file) => size += file.len(),
            // Deleted since the directory was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(size)
}
