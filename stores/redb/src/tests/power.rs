//! Power loss: what was acknowledged, and what was shown after a failure, must still be there.

use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use gossip_core::proto::{Durability, Fault, Meta, Seq};
use gossip_core::{EntryRepository, NodeRepository};
use gossip_store_kv::Engine;
use gossip_testkit::fixture::LogWriter;
use redb::StorageBackend;

use crate::disk::Ledger;
use crate::open::open_database;
use crate::{Redb, RedbStore, Tuning};

/// A file in a system that, as Linux does, marks pages clean when syncing them failed.
#[derive(Debug, Default)]
struct Pages {
    /// What reading shows.
    cache: Vec<u8>,
    /// What is left when the power goes.
    disk: Vec<u8>,
    /// What the next sync writes.
    dirty: Vec<(usize, usize)>,
    /// So many syncs succeed, the one after them fails.
    fails_after: Option<usize>,
}

#[derive(Debug, Clone, Default)]
struct Machine(Arc<Mutex<Pages>>);

impl Machine {
    fn lock(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap()
    }

    /// The same machine after the power came back.
    fn power_cut(&self) -> Self {
        let disk = self.lock().disk.clone();
        Self(Arc::new(Mutex::new(Pages { cache: disk.clone(), disk, ..Pages::default() })))
    }

    fn store(&self, journal: Option<PathBuf>, durability: Durability) -> RedbStore {
        self.store_with(Arc::default(), journal, durability)
    }

    fn store_with(&self, ledger: Arc<Ledger>, journal: Option<PathBuf>, durability: Durability) -> RedbStore {
        let machine = self.clone();
        let opener = move |_| {
            let database = open_database(machine.clone(), &Tuning::default(), &ledger).unwrap();
            Ok(Redb::new(database, ledger.clone(), journal.clone()).unwrap())
        };
        RedbStore::with_opener(Box::new(opener), durability).unwrap()
    }
}

impl StorageBackend for Machine {
    fn len(&self) -> io::Result<u64> {
        Ok(self.lock().cache.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = offset as usize;
        out.copy_from_slice(&self.lock().cache[at..at + out.len()]);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut pages = self.lock();
        pages.cache.resize(len as usize, 0);
        pages.disk.resize(len as usize, 0);
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut pages = self.lock();
        let dirty = std::mem::take(&mut pages.dirty);
        match &mut pages.fails_after {
            Some(0) => {
                pages.fails_after = None;
                return Err(io::Error::other("the disk says no"));
            }
            Some(left) => *left -= 1,
            None => {}
        }
        for (start, end) in dirty {
            let Pages { cache, disk, .. } = &mut *pages;
            disk[start..end].copy_from_slice(&cache[start..end]);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let (mut pages, at) = (self.lock(), offset as usize);
        pages.cache[at..at + data.len()].copy_from_slice(data);
        pages.dirty.push((at, at + data.len()));
        Ok(())
    }
}

async fn height(store: &RedbStore, of: &LogWriter) -> Seq {
    let runs = store.read(of.id(), 1, usize::MAX).await.unwrap();
    runs.last().map_or(0, |stored| stored.run.last())
}

#[tokio::test]
async fn what_is_shown_after_a_failed_sync_outlives_the_power() {
    let mut failures = 0;
    for fails_after in 0..3 {
        let machine = Machine::default();
        let store = machine.store(None, Durability::Sync);
        let mut ann = LogWriter::new("c", "s", "ann");
        store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
        machine.lock().fails_after = Some(fails_after);
        let outcome = store.commit(&[ann.run(1)], &Meta::default()).await;
        machine.lock().fails_after = None;
        if let Err(error) = &outcome {
            assert_eq!(error.fault, Fault::Unknown, "{error}");
            failures += 1;
        }
        let shown = height(&store, &ann).await;
        let after = machine.power_cut().store(None, Durability::Sync);
        assert_eq!(height(&after, &ann).await, shown, "sync {fails_after} failed");
        assert!(shown > u64::from(outcome.is_ok()), "what was acknowledged is there");
    }
    assert!(failures > 0);
}

#[tokio::test]
async fn what_the_next_process_shows_after_a_failed_sync_outlives_the_power() {
    let place = tempfile::tempdir().unwrap();
    let doubt = place.path().join("doubt");
    let process =
        |machine: &Machine| machine.store_with(Arc::new(Ledger::new(doubt.clone())), None, Durability::Sync);
    let mut failures = 0;
    for fails_after in 0..3 {
        let machine = Machine::default();
        let store = process(&machine);
        let mut ann = LogWriter::new("c", "s", "ann");
        store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
        machine.lock().fails_after = Some(fails_after);
        failures += u64::from(store.commit(&[ann.run(1)], &Meta::default()).await.is_err());
        machine.lock().fails_after = None;
        // The process ends; what the system has in its cache stays.
        drop(store);
        let store = process(&machine);
        let shown = height(&store, &ann).await;
        let after = machine.power_cut().store(None, Durability::Sync);
        assert_eq!(height(&after, &ann).await, shown, "sync {fails_after} failed");
        assert!(!doubt.exists(), "settled");
    }
    assert!(failures > 0);
}

#[tokio::test]
async fn power_loss_takes_a_tail_of_what_was_not_synced() {
    let place = tempfile::tempdir().unwrap();
    let journal = place.path().join("journal");
    let machine = Machine::default();
    let store = machine.store(Some(journal.clone()), Durability::Buffered);
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    store.mark_open().await.unwrap();
    for _ in 0..3 {
        store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    }
    assert_eq!(height(&store, &ann).await, 4);
    let whole = std::fs::read(&journal).unwrap();
    let mut seen = Vec::new();
    for left in (0..=whole.len()).step_by(40).chain([whole.len()]) {
        // As much of the journal as came to the disk.
        std::fs::write(&journal, &whole[..left]).unwrap();
        let after = machine.power_cut().store(Some(journal.clone()), Durability::Buffered);
        seen.push(height(&after, &ann).await);
        assert!(after.mark_open().await.unwrap());
    }
    assert!(seen.is_sorted() && seen.first() == Some(&1) && seen.last() == Some(&4), "{seen:?}");
}

#[tokio::test]
async fn what_lies_behind_a_torn_record_never_comes_back() {
    let place = tempfile::tempdir().unwrap();
    let journal = Some(place.path().join("journal"));
    let machine = Machine::default();
    let store = machine.store(journal.clone(), Durability::Buffered);
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    store.mark_open().await.unwrap();
    let items = [ann.run(1), ann.run(1), ann.run(1)];
    for item in &items {
        store.commit(std::slice::from_ref(item), &Meta::default()).await.unwrap();
    }
    // Power loss: the first record did not come to the disk, those behind it did.
    let mut torn = std::fs::read(journal.as_ref().unwrap()).unwrap();
    torn[30] ^= 1;
    std::fs::write(journal.as_ref().unwrap(), torn).unwrap();
    let machine = machine.power_cut();
    let store = machine.store(journal.clone(), Durability::Buffered);
    assert_eq!(height(&store, &ann).await, 1);
    // A record as long as the torn one, and the end of the process.
    store.commit(&items[..1], &Meta::default()).await.unwrap();
    let after = machine.power_cut().store(journal, Durability::Buffered);
    assert_eq!(height(&after, &ann).await, 2, "only what was committed since");
}

#[tokio::test]
async fn what_is_not_synced_outlives_the_process() {
    let place = tempfile::tempdir().unwrap();
    for durability in [Durability::Buffered, Durability::Group(std::time::Duration::from_secs(3600))] {
        let (home, copy) = (place.path().join("home"), place.path().join("copy"));
        let store = RedbStore::options(&home).durability(durability).open().unwrap();
        let mut ann = LogWriter::new("c", "s", "ann");
        for _ in 0..5 {
            store.commit(&[ann.run(2)], &Meta::default()).await.unwrap();
        }
        // The files as the system has them when the process is killed now.
        std::fs::create_dir(&copy).unwrap();
        for file in std::fs::read_dir(&home).unwrap().map(Result::unwrap) {
            std::fs::copy(file.path(), copy.join(file.file_name())).unwrap();
        }
        let after = RedbStore::options(&copy).durability(durability).open().unwrap();
        assert_eq!(height(&after, &ann).await, 10);
        after.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
        after.mark_closed().await.unwrap();
        after.load_node().await.unwrap();
        assert_eq!(height(&after, &ann).await, 11, "and goes on from there");
        drop((store, after));
        std::fs::remove_dir_all(&home).unwrap();
        std::fs::remove_dir_all(&copy).unwrap();
    }
}

#[tokio::test]
async fn closing_gives_space_back_when_most_is_free() {
    let place = tempfile::tempdir().unwrap();
    let store = RedbStore::open(place.path()).unwrap();
    let mut ann = LogWriter::new("c", "s", "ann");
    let payload = bytes::Bytes::from(vec![7; 30_000]);
    for _ in 0..100 {
        let payloads = [payload.clone(), payload.clone()];
        store.commit(&[ann.run_of(&payloads)], &Meta::default()).await.unwrap();
    }
    let full = store.stats().await.unwrap();
    assert!(full.commits == 100 && full.committed_bytes > 6_000_000 && full.written_bytes > 6_000_000);
    assert!(full.disk_bytes > 6_000_000 && full.memory_bytes > 0);
    store.prune(&[(ann.id(), 198)]).await.unwrap();
    store.mark_closed().await.unwrap();
    store.load_node().await.unwrap();
    let small = store.stats().await.unwrap().disk_bytes;
    assert!(small < full.disk_bytes / 2, "{small} of {}", full.disk_bytes);
    assert_eq!(store.read(ann.id(), 199, usize::MAX).await.unwrap().len(), 1);
    assert_eq!(Redb::NAME, "redb");
}
