//! Failing disks: what the caller is told, and that service resumes.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gossip_core::proto::{Durability, Fault, Meta};
use gossip_core::{EntryRepository, NodeRepository, StoreError};
use gossip_testkit::fixture::LogWriter;
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

use crate::open::open_database;
use crate::{Redb, RedbStore, Tuning};

/// What the disk refuses to do just now.
#[derive(Debug, Default)]
struct Weather {
    writes: Mutex<Option<ErrorKind>>,
    syncs: Mutex<Option<ErrorKind>>,
    opens: Mutex<Option<ErrorKind>>,
}

impl Weather {
    fn check(of: &Mutex<Option<ErrorKind>>) -> io::Result<()> {
        of.lock().unwrap().map_or(Ok(()), |kind| Err(kind.into()))
    }
}

fn set(of: &Mutex<Option<ErrorKind>>, kind: Option<ErrorKind>) {
    *of.lock().unwrap() = kind;
}

#[derive(Debug)]
struct Disk {
    file: FileBackend,
    weather: Arc<Weather>,
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        Weather::check(&self.weather.writes)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Weather::check(&self.weather.syncs)?;
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        Weather::check(&self.weather.writes)?;
        self.file.write(offset, data)
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
}

fn store(directory: &Path) -> (RedbStore, Arc<Weather>) {
    let weather = Arc::new(Weather::default());
    let (path, sky, ledger) = (directory.join("test.redb"), weather.clone(), Arc::default());
    let opener = move |_| {
        let failed = |why: String| StoreError::new(Fault::Transient, "opening the store", why);
        Weather::check(&sky.opens).map_err(|why| failed(why.to_string()))?;
        let file = File::options().read(true).write(true).create(true).truncate(false).open(&path);
        let file = FileBackend::new(file.map_err(|why| failed(why.to_string()))?);
        let disk = Disk { file: file.map_err(|why| failed(why.to_string()))?, weather: sky.clone() };
        let database =
            open_database(disk, &Tuning::default(), &ledger).map_err(|why| failed(why.to_string()))?;
        Redb::new(database, ledger.clone(), None).map_err(|why| why.into_store_error("opening the store"))
    };
    (RedbStore::with_opener(Box::new(opener), Durability::Sync).unwrap(), weather)
}

#[tokio::test]
async fn a_full_disk_is_told_and_nothing_was_written() {
    let place = tempfile::tempdir().unwrap();
    let (store, weather) = store(place.path());
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    set(&weather.writes, Some(ErrorKind::StorageFull));
    let item = ann.run(1);
    let error = store.commit(std::slice::from_ref(&item), &Meta::default()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Full, "{error}");
    set(&weather.writes, None);
    assert_eq!(store.last_arrival().await.unwrap().0, 1);
    store.commit(&[item], &Meta::default()).await.unwrap();
    assert_eq!(store.last_arrival().await.unwrap().0, 2);
}

#[tokio::test]
async fn a_failed_sync_leaves_the_outcome_open_and_service_resumes() {
    let place = tempfile::tempdir().unwrap();
    let (store, weather) = store(place.path());
    let mut ann = LogWriter::new("c", "s", "ann");
    store.commit(&[ann.run(1)], &Meta::default()).await.unwrap();
    set(&weather.syncs, Some(ErrorKind::Other));
    let item = ann.run(1);
    let error = store.commit(std::slice::from_ref(&item), &Meta::default()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Unknown, "{error}");
    set(&weather.syncs, None);
    let height = store.read(ann.id(), 1, usize::MAX).await.unwrap().last().unwrap().run.last();
    assert!(height == 1 || height == 2);
    store.commit(&[item], &Meta::default()).await.unwrap();
    assert_eq!(store.last_arrival().await.unwrap().0, 2, "once, however it had come out");
}

#[tokio::test]
async fn while_it_cannot_be_opened_again_callers_are_told_to_come_back() {
    let place = tempfile::tempdir().unwrap();
    let (store, weather) = store(place.path());
    set(&weather.syncs, Some(ErrorKind::Other));
    assert!(store.mark_open().await.is_err());
    set(&weather.opens, Some(ErrorKind::NotFound));
    for _ in 0..2 {
        assert_eq!(store.incarnation().await.unwrap_err().fault, Fault::Transient);
    }
    set(&weather.opens, None);
    set(&weather.syncs, None);
    store.incarnation().await.unwrap();
    store.mark_open().await.unwrap();
    assert!(store.mark_open().await.unwrap());
}
