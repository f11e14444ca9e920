//! A file that says: not every batch in the log was synced before the next one.
//!
//! Then power loss may leave the log in pieces at its end, and nothing that was promised is lost by
//! dropping them. Without the mark pieces are damage, see [`crate::wal`].

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

const NAME: &str = "gossip-unsynced";

/// The mark of one database.
#[derive(Debug)]
pub(crate) struct Mark {
    directory: PathBuf,
}

impl Mark {
    pub(crate) fn of(directory: &Path) -> Self {
        Self { directory: directory.to_owned() }
    }

    pub(crate) fn is_set(&self) -> io::Result<bool> {
        self.directory.join(NAME).try_exists()
    }

    /// Sets it, on stable storage: a batch that is not synced may be written now.
    pub(crate) fn set(&self) -> io::Result<()> {
        File::create(self.directory.join(NAME))?;
        sync_directory(&self.directory)
    }

    /// Clears it: all that is in the log is synced. It may come back with a loss of power.
    pub(crate) fn clear(&self) -> io::Result<()> {
        match fs::remove_file(self.directory.join(NAME)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// A new file is there after power loss only once its directory says so.
pub(crate) fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(directory)?.sync_all() } else { Ok(()) }
}
