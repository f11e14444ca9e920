//! Which failure means what to the caller.

use std::io::{self, ErrorKind};

use gossip_core::StoreError;
use gossip_core::proto::Fault;
use redb::{CommitError, Error, StorageError, TableError, TransactionError};

/// Why a transaction came to nothing, or may have.
#[derive(Debug)]
pub(crate) enum Failure {
    /// We say so: refused or damaged.
    Ours(Fault, Box<dyn std::error::Error + Send + Sync>),
    /// The rules of continuity say so.
    Refused(StoreError),
    /// The database failed before the commit: nothing happened.
    Before(Error),
    /// The database failed in the commit: it may have happened.
    Committing(Error),
}

impl Failure {
    pub(crate) fn rejected(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Ours(Fault::Rejected, why.into())
    }

    pub(crate) fn corrupt(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Ours(Fault::Corrupt, why.into())
    }

    /// Whether redb may refuse service from now on until the file was opened again.
    pub(crate) fn needs_reopening(&self) -> bool {
        let (Self::Before(error) | Self::Committing(error)) = self else { return false };
        matches!(
            error,
            Error::Io(_)
                | Error::PreviousIo
                | Error::LockPoisoned(_)
                | Error::DatabaseClosed
                | Error::Backend(_)
        )
    }

    pub(crate) fn into_store_error(self, doing: &'static str) -> StoreError {
        match self {
            Self::Ours(fault, why) => StoreError::new(fault, doing, why),
            Self::Refused(error) => error,
            Self::Before(error) => StoreError::new(before(&error), doing, error),
            Self::Committing(error) => StoreError::new(committing(&error), doing, error),
        }
    }
}

/// What a failed disk operation means while nothing was written.
pub(crate) fn of_io(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::Full,
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Fault::Corrupt,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Fault::Rejected,
        _ => Fault::Transient,
    }
}

fn before(error: &Error) -> Fault {
    match error {
        Error::Io(error) => of_io(error),
        Error::Corrupted(_)
        | Error::TableTypeMismatch { .. }
        | Error::TypeDefinitionChanged { .. }
        | Error::TableIsMultimap(_)
        | Error::TableDoesNotExist(_) => Fault::Corrupt,
        Error::ValueTooLarge(_) => Fault::Rejected,
        // The next operation opens the file again.
        _ => Fault::Transient,
    }
}

/// redb makes a commit visible by one last write of its header, which never grows the file: when
/// space ran out it was not reached. Any other failure may have hit after it.
fn committing(error: &Error) -> Fault {
    match error {
        Error::Io(error) if of_io(error) == Fault::Full => Fault::Full,
        Error::Corrupted(_) => Fault::Corrupt,
        Error::PreviousIo => Fault::Transient,
        _ => Fault::Unknown,
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Before(error.into())
    }
}

impl From<TableError> for Failure {
    fn from(error: TableError) -> Self {
        Self::Before(error.into())
    }
}

impl From<TransactionError> for Failure {
    fn from(error: TransactionError) -> Self {
        Self::Before(error.into())
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        Self::Committing(error.into())
    }
}
