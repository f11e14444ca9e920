//! Which failure of redb means what to the caller.

use gossip_core::proto::Fault;
use gossip_store_kv::{Failure, of_io};
use redb::Error;

/// The database failed before a commit, or without one: nothing happened.
pub(crate) fn before(error: impl Into<Error>) -> Failure {
    let error = error.into();
    let fault = match &error {
        Error::Io(error) => of_io(error),
        Error::Corrupted(_)
        | Error::TableTypeMismatch { .. }
        | Error::TypeDefinitionChanged { .. }
        | Error::TableIsMultimap(_)
        | Error::TableDoesNotExist(_) => Fault::Corrupt,
        Error::ValueTooLarge(_) => Fault::Rejected,
        // The next operation opens the file again.
        _ => Fault::Transient,
    };
    failure(fault, error)
}

/// The database failed in a commit: it may have happened. redb makes a commit visible by one last
/// write of its header, which never grows the file: when space ran out for a write, it was not
/// reached. Any other failure may have hit after it.
pub(crate) fn committing(error: impl Into<Error>, sync_failed: bool) -> Failure {
    let error = error.into();
    let fault = match &error {
        _ if sync_failed => Fault::Unknown,
        Error::Io(error) if of_io(error) == Fault::Full => Fault::Full,
        Error::Corrupted(_) => Fault::Corrupt,
        Error::PreviousIo => Fault::Transient,
        _ => Fault::Unknown,
    };
    failure(fault, error)
}

/// After some failures redb refuses service until the file was opened again.
fn failure(fault: Fault, error: Error) -> Failure {
    let refuses = matches!(
        error,
        Error::Io(_) | Error::PreviousIo | Error::LockPoisoned(_) | Error::DatabaseClosed | Error::Backend(_)
    );
    if refuses { Failure::broken(fault, error) } else { Failure::engine(fault, error) }
}
