//! Which failure means what to the caller.

use std::error::Error;
use std::io::{self, ErrorKind};

use gossip_core::StoreError;
use gossip_core::proto::Fault;

/// Why an operation came to nothing, or may have happened all the same.
#[derive(Debug)]
pub enum Failure {
    /// We say so: refused or damaged.
    Ours(Fault, Box<dyn Error + Send + Sync>),
    /// The rules of continuity say so.
    Refused(StoreError),
    /// The engine says so.
    Engine {
        /// What the caller should do. `Unknown` when the batch may have been applied.
        fault: Fault,
        /// The engine may refuse service, or show what is not on the disk, until it is opened again.
        reopen: bool,
        /// The cause.
        source: Box<dyn Error + Send + Sync>,
    },
}

impl Failure {
    /// The request itself is wrong.
    pub fn rejected(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Ours(Fault::Rejected, why.into())
    }

    /// What is stored is damaged.
    pub fn corrupt(why: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Ours(Fault::Corrupt, why.into())
    }

    /// The engine failed and is as usable as before.
    pub fn engine(fault: Fault, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Engine { fault, reopen: false, source: source.into() }
    }

    /// The engine failed and must be opened again before it can be trusted.
    pub fn broken(fault: Fault, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Engine { fault, reopen: true, source: source.into() }
    }

    /// What the caller should do.
    #[must_use]
    pub fn fault(&self) -> Fault {
        match self {
            Self::Ours(fault, _) | Self::Engine { fault, .. } => *fault,
            Self::Refused(error) => error.fault,
        }
    }

    /// Whether the engine must be opened again before it can be trusted.
    #[must_use]
    pub fn needs_reopening(&self) -> bool {
        matches!(self, Self::Engine { reopen: true, .. })
    }

    /// The same for the caller of a store.
    #[must_use]
    pub fn into_store_error(self, doing: &'static str) -> StoreError {
        match self {
            Self::Ours(fault, why) | Self::Engine { fault, source: why, .. } => {
                StoreError::new(fault, doing, why)
            }
            Self::Refused(error) => error,
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self::Refused(error)
    }
}

/// What a failed disk operation means while nothing was written.
#[must_use]
pub fn of_io(error: &io::Error) -> Fault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => Fault::Full,
        ErrorKind::InvalidData | ErrorKind::UnexpectedEof => Fault::Corrupt,
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => Fault::Rejected,
        _ => Fault::Transient,
    }
}
