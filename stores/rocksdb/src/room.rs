//! Whether a disk that was full has room again, where RocksDB does not find out by itself.
//!
//! RocksDB looks every few seconds and goes on, unless what it would have to write first needs more
//! than it sees. Opening it again always helps then, but on a disk still full it would end reads as
//! well: so that waits until a file of some size could be written.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// So long RocksDB is left to itself.
const ALONE: Duration = Duration::from_secs(10);
/// The disk is tried no more often than this.
const PAUSE: Duration = Duration::from_secs(1);
/// What must fit.
const BYTES: usize = 4 << 20;
const NAME: &str = "gossip-room";

/// When the disk was found full, and when it was tried.
#[derive(Debug, Default)]
pub(crate) struct Room(Mutex<Option<(Instant, Instant)>>);

impl Room {
    /// A write succeeded.
    pub(crate) fn found(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// A write did not fit. True when it has not for a while although there is room.
    pub(crate) fn missed(&self, directory: &Path) -> bool {
        let now = Instant::now();
        let mut since = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (first, tried) = since.get_or_insert((now, now));
        if now.duration_since(*first) < ALONE || now.duration_since(*tried) < PAUSE {
            return false;
        }
        *tried = now;
        is_there(directory).is_ok()
    }
}

fn is_there(directory: &Path) -> io::Result<()> {
    let path = directory.join(NAME);
    let written = File::create(&path).and_then(|mut file| {
        file.write_all(&vec![0; BYTES])?;
        file.sync_all()
    });
    fs::remove_file(&path)?;
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_tried_only_after_a_while() {
        let place = tempfile::tempdir().unwrap();
        let room = Room::default();
        assert!(!room.missed(place.path()));
        let long_ago = Instant::now().checked_sub(ALONE + PAUSE).unwrap();
        *room.0.lock().unwrap() = Some((long_ago, long_ago));
        assert!(room.missed(place.path()));
        assert!(!room.missed(place.path()), "tried a moment ago");
        room.found();
        assert!(!room.missed(place.path()), "RocksDB gets its time again");
        *room.0.lock().unwrap() = Some((long_ago, long_ago));
        assert!(!room.missed(&place.path().join("gone")), "nothing can be written there");
        assert_eq!(fs::read_dir(place.path()).unwrap().count(), 0);
    }
}
