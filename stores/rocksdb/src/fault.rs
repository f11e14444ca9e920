//! Which failure means what to the caller.
//!
//! RocksDB's C interface hands errors over as text; what they are is read from it.

use std::path::Path;

use gossip_core::proto::Fault;
use gossip_core::{StoreError, StoreResult};
use gossip_store_kv::Failure;
use rocksdb::{Error, ErrorKind};

pub(crate) const OPENING: &str = "opening the store";

/// A failed read: nothing was changed, and the next one may succeed.
pub(crate) fn of_read(error: Error) -> Failure {
    let fault = match error.kind() {
        ErrorKind::Corruption => Fault::Corrupt,
        // A file of large runs is opened when something in it is read: all of them must be there.
        ErrorKind::IOError if error.as_ref().contains("No such file or directory") => Fault::Corrupt,
        _ => Fault::Transient,
    };
    Failure::engine(fault, error)
}

/// A failed write, or sync.
///
/// After most of them RocksDB refuses writes until it is opened again. After a full disk it does not
/// have to be: it looks by itself every few seconds whether there is space again, and reads go on
/// meanwhile, which opening again would put at risk, as it writes.
pub(crate) fn of_write(error: Error) -> Failure {
    let text = error.as_ref();
    match error.kind() {
        ErrorKind::InvalidArgument | ErrorKind::NotSupported => Failure::engine(Fault::Rejected, error),
        ErrorKind::ShutdownInProgress => Failure::broken(Fault::Transient, error),
        // What did not fit into the log is not whole in it, and what is not whole is not replayed. A
        // sync that finds no space is another matter: the batch was written.
        _ if is_full(text) && !is_of_sync(text) => Failure::engine(Fault::Full, error),
        _ if is_full(text) => Failure::engine(Fault::Unknown, error),
        _ => Failure::broken(Fault::Unknown, error),
    }
}

/// What keeps a database from being opened.
pub(crate) fn of_open(path: &Path, error: &Error) -> StoreError {
    let text = error.as_ref();
    let holds = |part: &str| text.contains(part);
    if of_its_notes(error) {
        return refused(Fault::Rejected, path, &"someone else is just opening or closing it");
    }
    if holds("lock hold by current process") || holds("While lock file") {
        return refused(
            Fault::Rejected,
            path,
            &"it is open already, in another process or by another handle of this one",
        );
    }
    let fault = match error.kind() {
        _ if is_full(text) => Fault::Full,
        _ if holds("Permission denied") || holds("Read-only file system") => Fault::Rejected,
        // Of a database that has a beginning all files must be there.
        ErrorKind::Corruption | ErrorKind::NotFound => Fault::Corrupt,
        ErrorKind::IOError if holds("No such file or directory") => Fault::Corrupt,
        ErrorKind::InvalidArgument | ErrorKind::NotSupported => Fault::Rejected,
        _ => Fault::Transient,
    };
    refused(fault, path, error)
}

/// Before it locks anything RocksDB tidies up its notes for people (`LOG.old.…`): two who open a
/// database at once take these away from under each other. No file of the data is gone.
pub(crate) fn of_its_notes(error: &Error) -> bool {
    error.as_ref().contains("LOG.old")
}

/// A database was not to be there, and is.
pub(crate) fn is_there_already(error: &Error) -> bool {
    error.as_ref().contains("error_if_exists")
}

fn is_full(text: &str) -> bool {
    ["No space left on device", "Quota exceeded", "Disk quota exceeded"]
        .iter()
        .any(|full| text.contains(full))
}

/// Whether it was a sync that failed. What was being done is told before the path, in which any word may
/// stand.
fn is_of_sync(text: &str) -> bool {
    let mut doing = text.split("hile ").skip(1).filter_map(|doing| doing.split(':').next());
    doing.any(|doing| doing.to_ascii_lowercase().contains("sync"))
}

/// Why it is not opened.
pub(crate) fn refused(fault: Fault, path: &Path, why: &dyn std::fmt::Display) -> StoreError {
    StoreError::new(fault, OPENING, format!("{}: {why}", path.display()))
}

/// The same as a result.
pub(crate) fn refuse<T>(fault: Fault, path: &Path, why: &dyn std::fmt::Display) -> StoreResult<T> {
    Err(refused(fault, path, why))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_sync_that_failed_wherever_the_store_lies() {
        let full = |doing: &str, path: &str| {
            format!("IO error: No space left on device: {doing}: {path}: No space left on device")
        };
        for doing in ["While fdatasync", "While fsync", "while fcntl(F_FULLFSYNC)"] {
            let text = full(doing, "/data/000004.log");
            assert!(is_full(&text) && is_of_sync(&text), "{text}");
        }
        for path in ["/data/000004.log", "/home/ann/sync/gossip.rocksdb/000004.log"] {
            let text = full("While appending to file", path);
            assert!(is_full(&text) && !is_of_sync(&text), "{text}");
        }
    }
}
