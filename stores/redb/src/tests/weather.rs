//! A disk that fails as a test wishes.

use std::io::{self, ErrorKind};
use std::ops::Bound;
use std::sync::{Arc, Mutex};

use gossip_testkit::store::{Cannot, FaultSwitch, Moment};
use redb::backends::FileBackend;
use redb::{BackendError, StorageBackend};

/// What the disk refuses to do just now.
#[derive(Debug, Default)]
pub(super) struct Weather(Mutex<Option<Moment>>);

impl Weather {
    fn now(&self) -> Option<Moment> {
        *self.0.lock().unwrap()
    }

    /// At the beginning of a write.
    fn write(&self) -> io::Result<()> {
        match self.now() {
            Some(Moment::Write) => Err(io::Error::other("no device")),
            Some(Moment::Space) => Err(ErrorKind::StorageFull.into()),
            _ => Ok(()),
        }
    }
}

impl FaultSwitch for Weather {
    fn fail(&self, moment: Moment) -> Result<(), Cannot> {
        *self.0.lock().unwrap() = Some(moment);
        Ok(())
    }

    fn heal(&self) {
        *self.0.lock().unwrap() = None;
    }
}

/// A file under the weather.
#[derive(Debug)]
pub(super) struct Exposed {
    pub(super) file: FileBackend,
    pub(super) weather: Arc<Weather>,
}

impl StorageBackend for Exposed {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.weather.write()?;
        self.file.set_len(len)
    }

    /// redb syncs once in a commit, behind everything it writes: with an error for an answer the commit
    /// was done.
    fn sync_data(&self) -> io::Result<()> {
        match self.weather.now() {
            Some(Moment::Sync) => Err(io::Error::other("the disk says no")),
            Some(Moment::Answer) => {
                self.file.sync_data()?;
                Err(io::Error::other("the answer is lost"))
            }
            _ => self.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.weather.write()?;
        if self.weather.now() == Some(Moment::Torn) {
            self.file.write(offset, &data[..data.len() / 2])?;
            return Err(io::Error::other("the device went away"));
        }
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

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.file.query_lock_range(start, end)
    }
}
