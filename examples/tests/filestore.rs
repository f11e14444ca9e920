//! The example store keeps the contract of a store, also when its disk fails.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::fs;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use gossip::proto::{Meta, Scope};
use gossip::{EntryRepository, Fault, LogId, Seq, Store};
use gossip_examples::filestore::{Disk, FileStore};
use gossip_testkit::fixture::LogWriter;
use gossip_testkit::store::{Cannot, FaultSwitch, Moment, StoreHarness};

struct OneFile {
    directory: tempfile::TempDir,
    weather: Arc<Weather>,
}

impl StoreHarness for OneFile {
    const DURABLE: bool = true;

    fn create() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), weather: Arc::default() }
    }

    async fn open(&self) -> Arc<dyn Store> {
        let weather = self.weather.clone();
        let wrap = |file| Box::new(Exposed { file, weather }) as Box<dyn Disk>;
        Arc::new(FileStore::open_on(&self.path(), wrap).unwrap())
    }

    async fn damage(&self, _: LogId, _: Seq) -> Result<(), Cannot> {
        Err(Cannot("it refuses to open a damaged file: what it serves is in memory"))
    }

    fn faults(&self) -> Result<Arc<dyn FaultSwitch>, Cannot> {
        Ok(self.weather.clone())
    }
}

gossip_testkit::store_conformance!(OneFile);

impl OneFile {
    fn path(&self) -> PathBuf {
        self.directory.path().join("store")
    }
}

/// When the disk fails.
#[derive(Default)]
struct Weather(Mutex<Option<Moment>>);

impl FaultSwitch for Weather {
    fn fail(&self, moment: Moment) -> Result<(), Cannot> {
        *self.0.lock().unwrap() = Some(moment);
        Ok(())
    }

    fn heal(&self) {
        *self.0.lock().unwrap() = None;
    }
}

/// A file that fails as the weather says.
struct Exposed {
    file: File,
    weather: Arc<Weather>,
}

impl Exposed {
    fn now(&self) -> Option<Moment> {
        *self.weather.0.lock().unwrap()
    }
}

impl Disk for Exposed {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        match self.now() {
            Some(Moment::Write) => Err(io::Error::other("no device")),
            Some(Moment::Space) => Err(ErrorKind::StorageFull.into()),
            Some(Moment::Torn) => {
                Disk::write(&mut self.file, at, &bytes[..bytes.len() / 2])?;
                Err(io::Error::other("the device went away"))
            }
            _ => Disk::write(&mut self.file, at, bytes),
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        match self.now() {
            Some(Moment::Sync) => Err(io::Error::other("no device")),
            Some(Moment::Answer) => self.file.sync().and(Err(io::Error::other("no answer"))),
            _ => self.file.sync(),
        }
    }

    fn cut(&mut self, length: u64) -> io::Result<()> {
        self.file.cut(length)
    }
}

async fn three_commits(place: &OneFile) -> Vec<usize> {
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let mut ends = Vec::new();
    for _ in 0..3 {
        ends.push(fs::metadata(place.path()).unwrap().len() as usize);
        store.commit(&[ann.run(2)], &Meta::default()).await.unwrap();
    }
    ends
}

#[tokio::test]
async fn a_torn_end_is_cut_off_wherever_it_tore() {
    let place = OneFile::create();
    let starts = three_commits(&place).await;
    let whole = fs::read(place.path()).unwrap();
    for length in starts[2]..whole.len() {
        for garbage in [&b""[..], &[0; 9], &[0xff; 40]] {
            let torn = [&whole[..length], garbage].concat();
            if torn.starts_with(&whole) {
                continue;
            }
            fs::write(place.path(), torn).unwrap();
            let store = place.open().await;
            assert_eq!(store.usage(&Scope::All).await.unwrap().entries, 4, "{length} bytes");
            drop(store);
            assert_eq!(fs::read(place.path()).unwrap(), whole[..starts[2]]);
        }
    }
}

/// Whoever sends an entry chooses what is in it.
#[tokio::test]
async fn a_frame_inside_a_torn_one_is_not_taken_for_a_later_one() {
    let place = OneFile::create();
    three_commits(&place).await;
    let store = place.open().await;
    store.save_snapshot("copy of the file", fs::read(place.path()).unwrap().into()).await.unwrap();
    drop(store);
    let whole = fs::read(place.path()).unwrap();
    fs::write(place.path(), &whole[..whole.len() - 1]).unwrap();
    let store = FileStore::open(&place.path()).expect("it is torn, not damaged");
    assert_eq!(store.usage(&Scope::All).await.unwrap().entries, 6);
}

#[tokio::test]
async fn a_damaged_middle_is_told() {
    let place = OneFile::create();
    let starts = three_commits(&place).await;
    let whole = fs::read(place.path()).unwrap();
    for at in starts[1]..starts[2] {
        let mut damaged = whole.clone();
        damaged[at] ^= 0x10;
        fs::write(place.path(), &damaged).unwrap();
        let error = FileStore::open(&place.path()).err().expect("damaged");
        assert_eq!(error.fault, Fault::Corrupt, "byte {at}: {error}");
        assert_eq!(fs::read(place.path()).unwrap(), damaged, "and left as it is");
    }
}

#[tokio::test]
async fn one_process_at_a_time_has_it_open() {
    let place = OneFile::create();
    let store = FileStore::open(&place.path()).unwrap();
    let error = FileStore::open(&place.path()).err().expect("locked");
    assert_eq!(error.fault, Fault::Rejected, "{error}");
    drop(store);
    FileStore::open(&place.path()).unwrap();
}

#[tokio::test]
async fn what_was_refused_leaves_no_frame() {
    let place = OneFile::create();
    let store = place.open().await;
    let mut ann = LogWriter::new("c", "s", "ann");
    let (first, second) = (ann.run(1), ann.run(1));
    let before = store.stats().await.unwrap().disk_bytes;
    store.commit(std::slice::from_ref(&second), &Meta::default()).await.unwrap_err();
    assert_eq!(store.stats().await.unwrap().disk_bytes, before);
    store.commit(&[first, second], &Meta::default()).await.unwrap();
    drop(store);
    assert_eq!(place.open().await.usage(&Scope::All).await.unwrap().entries, 2);
}

#[tokio::test]
async fn what_failed_is_gone_before_the_next_frame() {
    let place = OneFile::create();
    let store = place.open().await;
    place.weather.fail(Moment::Sync).unwrap();
    let error = store.save_snapshot("key", vec![7; 5000].into()).await.unwrap_err();
    assert_eq!(error.fault, Fault::Unknown);
    place.weather.heal();
    store.save_snapshot("key", vec![8; 5].into()).await.unwrap();
    let told = store.stats().await.unwrap().disk_bytes;
    assert_eq!(fs::metadata(place.path()).unwrap().len(), told, "nothing hangs on behind it");
}
