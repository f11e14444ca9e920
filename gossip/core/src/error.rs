//! What can go wrong for an application, and what to do about it.

use std::path::PathBuf;

use gossip_proto::node::{CommandError, ConfigError, NodeState};
use gossip_proto::{Cursor, EntryId, IdError, LogId, NodeId, SeqRange};

use crate::registry::PluginError;
use crate::{FileError, PortError, StoreError};

/// Why a call on a [`Coordinator`](crate::Coordinator) or one of its handles failed. Nothing is
/// left half done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A name breaks the rules for ids: use another one.
    #[error(transparent)]
    Id(#[from] IdError),
    /// Not possible in this state of the node: start, stop or resume it first.
    #[error("not possible while the node is {state:?}")]
    State {
        /// Where the node stands.
        state: NodeState,
    },
    /// The node refused the command; the cause says why.
    #[error(transparent)]
    Command(CommandError),
    /// The store failed; [`StoreError::fault`] says what to do.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// A transport failed.
    #[error("transport: {0}")]
    Port(#[from] PortError),
    /// No transport of this node understands the address: add one that does.
    #[error("no transport understands the address {address}")]
    NoTransport {
        /// As given.
        address: String,
    },
    /// Entries in this range are not held any more; what follows them is. Calling again goes on
    /// behind them.
    #[error("entries {}..={} of log {log} are not held any more", range.first, range.last)]
    Gap {
        /// The log.
        log: LogId,
        /// What is missing.
        range: SeqRange,
    },
    /// The cursor was made by another store: subscribe from the start.
    #[error("cursor {cursor} belongs to another store")]
    ForeignCursor {
        /// As given.
        cursor: Cursor,
    },
    /// The cursor lies beyond the newest arrival of the store, which lost entries since the cursor
    /// was made: subscribe from the start.
    #[error("cursor {cursor} lies beyond the end of the store")]
    CursorBeyondEnd {
        /// As given.
        cursor: Cursor,
    },
    /// A page was asked for at an entry this stream does not hold.
    #[error("entry {0} is not held in this stream")]
    UnknownEntry(EntryId),
    /// A channel file could not be written or read.
    #[error("channel file: {0}")]
    File(#[from] FileError),
    /// An argument is out of its range.
    #[error("invalid: {0}")]
    Invalid(&'static str),
    /// The view cannot go on; its last state stays readable.
    #[error("the view ended: {0}")]
    ViewEnded(String),
    /// The node's tasks have ended without a shutdown, as when their runtime was dropped.
    #[error("the node's tasks have ended")]
    Ended,
}

impl From<CommandError> for Error {
    fn from(error: CommandError) -> Self {
        match error {
            CommandError::State { state } => Self::State { state },
            CommandError::Invalid(what) => Self::Invalid(what),
            other => Self::Command(other),
        }
    }
}

/// Why a coordinator could not be built.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BuildError {
    /// No store was given and no default one is linked.
    #[error("no store: give one with `.store(…)`, or link a crate that registers the store \"memory\"")]
    NoStore,
    /// A name breaks the rules for ids.
    #[error(transparent)]
    Id(#[from] IdError),
    /// The store belongs to another node: use its id (give none), or another store.
    #[error("the store belongs to node {stored}, not to {given}")]
    OtherNode {
        /// Whose store it is.
        stored: NodeId,
        /// The id given.
        given: NodeId,
    },
    /// An id and an identity were given that do not belong together: give one of them.
    #[error("the identity is that of node {key}, not of {given}")]
    OtherKey {
        /// Whose identity it is.
        key: NodeId,
        /// The id given.
        given: NodeId,
    },
    /// The id is a key and its secret half is neither in the store nor given: give the identity.
    #[error("the identity of node {id} is not in the store: give it with `.identity(…)`")]
    KeyMissing {
        /// The id in question.
        id: NodeId,
    },
    /// The file that is to hold the identity cannot be read, or holds something else.
    #[error("the identity in {}: {error}", path.display())]
    IdentityFile {
        /// The file.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// A setting makes no sense.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// A plugin asked for by name could not be built.
    #[error(transparent)]
    Plugin(#[from] PluginError),
    /// An address in a configuration is none.
    #[error(transparent)]
    Address(PortError),
    /// The store failed while it was read.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// The operating system gave no randomness.
    #[error("no randomness from the operating system: {0}")]
    Randomness(String),
    /// `build` must be called inside a tokio runtime, which will run the node's tasks.
    #[error("not inside a tokio runtime")]
    NoRuntime,
}
