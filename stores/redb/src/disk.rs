//! The file under redb: counted, and not trusted after a sync that failed.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Bound;
use std::path::PathBuf;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicBool, AtomicU64};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{BackendError, StorageBackend};

/// So many separate stretches are remembered; more become one that spans them all.
const MAX_STRETCHES: usize = 4096;

/// How much is rewritten at a time.
const STEP: u64 = 1 << 20;

/// What is known of a file from one opening to the next.
///
/// After a failed sync an operating system may keep what was written in its cache, marked clean: a
/// later sync succeeds without it, and reading shows it until the cache lets it go. So what was
/// written since the last good sync is remembered here. When the file is opened again it is read as
/// it shows itself, written once more and synced, before anyone relies on it: what can be seen is
/// then on the disk, whatever the system did with the failed pages. What comes out torn by this redb
/// finds with its checksums, as after a crash.
///
/// The cache outlives the process, so the doubt must too: a file beside this one says it. It need not
/// be synced, because the power takes the cache along.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    unsynced: Mutex<Unsynced>,
    doubt: Option<PathBuf>,
    pub(crate) written: AtomicU64,
    pub(crate) len: AtomicU64,
}

#[derive(Debug)]
struct Unsynced {
    /// Start → end.
    stretches: BTreeMap<u64, u64>,
    /// A sync failed since they were clean. A failed write alone leaves nothing in doubt: redb syncs
    /// before it relies on one.
    suspect: bool,
}

impl Default for Unsynced {
    /// Of a file that was written by an earlier process: anything may be unsynced.
    fn default() -> Self {
        Self { stretches: BTreeMap::from([(0, u64::MAX)]), suspect: false }
    }
}

impl Ledger {
    /// Of a file for whose doubt there is this file beside it.
    pub(crate) fn new(doubt: PathBuf) -> Self {
        Self { doubt: Some(doubt), ..Self::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Unsynced> {
        self.unsynced.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a sync failed and the file was not settled yet.
    pub(crate) fn is_suspect(&self) -> bool {
        self.lock().suspect
    }

    /// Makes what can be read be what is on the disk, if a failure left that open.
    fn settle(&self, file: &impl StorageBackend) -> io::Result<()> {
        let mut unsynced = self.lock();
        let doubt = self.doubt.as_ref();
        if !unsynced.suspect && !doubt.map_or(Ok(false), |path| path.try_exists())? {
            return Ok(());
        }
        let len = file.len()?;
        for (start, end) in &unsynced.stretches {
            let mut at = *start;
            while at < (*end).min(len) {
                let mut bytes = vec![0; (STEP.min((*end).min(len) - at)) as usize];
                file.read(at, &mut bytes)?;
                file.write(at, &bytes)?;
                at += bytes.len() as u64;
            }
        }
        file.sync_data()?;
        *unsynced = Unsynced { stretches: BTreeMap::new(), suspect: false };
        if let Some(path) = doubt
            && let Err(error) = fs::remove_file(path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "the file will be written once more when it is opened again");
        }
        Ok(())
    }

    fn suspect(&self, again: BTreeMap<u64, u64>) {
        let mut unsynced = self.lock();
        unsynced.suspect = true;
        again.into_iter().for_each(|(start, end)| unsynced.add(start, end));
        if let Some(Err(error)) = self.doubt.as_ref().map(fs::File::create) {
            tracing::error!(%error, "a later process will not know that a sync failed");
        }
    }
}

impl Unsynced {
    fn add(&mut self, mut start: u64, mut end: u64) {
        if let Some((before, until)) = self.stretches.range(..=start).next_back()
            && *until >= start
        {
            (start, end) = (*before, end.max(*until));
        }
        while let Some((next, until)) = self.stretches.range(start..=end).next().map(|(s, e)| (*s, *e)) {
            self.stretches.remove(&next);
            end = end.max(until);
        }
        self.stretches.insert(start, end);
        if self.stretches.len() > MAX_STRETCHES {
            let first = self.stretches.keys().next().copied().unwrap_or(0);
            let last = self.stretches.values().copied().max().unwrap_or(end);
            self.stretches = BTreeMap::from([(first, last)]);
        }
    }
}

/// A file that keeps its [`Ledger`].
#[derive(Debug)]
pub(crate) struct Disk<B> {
    file: B,
    ledger: Arc<Ledger>,
    settled: AtomicBool,
}

impl<B: StorageBackend> Disk<B> {
    pub(crate) fn new(file: B, ledger: Arc<Ledger>) -> Self {
        Self { file, ledger, settled: AtomicBool::new(false) }
    }

    /// Not before redb reads for the first time: then it holds the lock of the file.
    fn settle(&self) -> io::Result<()> {
        if !self.settled.load(Acquire) {
            self.ledger.settle(&self.file)?;
            self.ledger.len.store(self.file.len()?, Relaxed);
            self.settled.store(true, Release);
        }
        Ok(())
    }
}

impl<B: StorageBackend> StorageBackend for Disk<B> {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.settle()?;
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.settle()?;
        self.file.set_len(len)?;
        self.ledger.len.store(len, Relaxed);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        // What is written while this runs may or may not be part of it: it stays remembered.
        let before = std::mem::take(&mut self.ledger.lock().stretches);
        let synced = self.file.sync_data();
        if synced.is_err() {
            self.ledger.suspect(before);
        }
        synced
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.settle()?;
        self.ledger.lock().add(offset, offset + data.len() as u64);
        self.file.write(offset, data)?;
        self.ledger.written.fetch_add(data.len() as u64, Relaxed);
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
