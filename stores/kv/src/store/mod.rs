//! The store: its traits, each method one read or one turn.

mod entries;
mod records;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use gossip_core::proto::Durability;
use gossip_core::{Store, StoreResult};

use crate::engine::{Engine, Opener};
use crate::host::Host;
use crate::options::OpenOptions;

/// A store in one directory.
///
/// Clones share the open files. Its methods need a tokio runtime: the engine works on its blocking
/// threads. A write whose future is dropped before its turn came has not begun; after that it
/// completes. After a failed disk operation it is opened again by itself with the next one; while the disk
/// keeps failing, after growing pauses of at most a second, and operations in between fail with `Transient`.
/// After `mark_closed`, which closes the files, only `load_node` and `mark_open` open it again; what
/// else comes, or was under way, fails with [`Closed`](gossip_core::proto::Fault).
///
/// What a commit promises when it returns is chosen with [`OpenOptions::durability`]:
///
/// - [`Sync`](Durability::Sync): it is on stable storage.
/// - [`Group(delay)`](Durability::Group): it survives the end of the process, and is on stable storage
///   `delay` (and the time a sync takes) later, while the runtime it was committed on runs. When that
///   fails the next write fails with `Unknown`, and it is tried again, after growing pauses of at most a
///   second, whether one comes or not.
/// - [`Buffered`](Durability::Buffered): it survives the end of the process. It is on stable storage
///   after the next record or mark, which are always synced, or when the engine comes to it.
///
/// Power loss takes what is not on stable storage: the newest commits, never one from between others,
/// and never one that was synced. Records (channels, streams, peers, node, marks, snapshots), and also
/// `prune`, `replace`, `isolate` and `remove`, are on stable storage when they return, and with
/// them everything committed before.
pub struct KvStore<E: Engine> {
    pub(crate) host: Arc<Host<E>>,
}

impl<E: Engine> KvStore<E> {
    /// Opens the store in a directory with the default options, or makes a new one there; blocks.
    ///
    /// # Errors
    /// As [`OpenOptions::open`].
    pub fn open(directory: impl Into<PathBuf>) -> StoreResult<Self> {
        Self::options(directory).open()
    }

    /// Says how to open the store in a directory.
    pub fn options(directory: impl Into<PathBuf>) -> OpenOptions<E> {
        OpenOptions::new(directory.into())
    }

    /// Over an engine that is opened in another way, a failing disk in a test say; blocks.
    ///
    /// # Errors
    /// Whatever the opener fails with, and as [`OpenOptions::open`].
    pub fn with_opener(opener: Opener<E>, durability: Durability) -> StoreResult<Self> {
        Ok(Self { host: Arc::new(Host::new(opener, durability)?) })
    }
}

impl<E: Engine> Clone for KvStore<E> {
    fn clone(&self) -> Self {
        Self { host: self.host.clone() }
    }
}

impl<E: Engine> fmt::Debug for KvStore<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KvStore").field("engine", &E::NAME).finish_non_exhaustive()
    }
}

impl<E: Engine> Store for KvStore<E> {
    fn name(&self) -> &str {
        E::NAME
    }

    fn durability(&self) -> Durability {
        self.host.durability
    }
}
