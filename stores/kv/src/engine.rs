//! What a store needs of an engine: ordered tables, snapshots, and batches that happen or do not.

use std::ops::Deref;
use std::path::PathBuf;

use gossip_core::StoreResult;

use crate::edits::Edits;
use crate::fault::Failure;
use crate::keys::Span;

/// A table: bytes to bytes, ordered by the bytes of the keys.
///
/// What lies in them is said in the module `layout`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The entries.
    Runs,
    /// Full names of the logs.
    Names,
    /// What moves in the heads of the logs.
    Heads,
    /// The logs of a channel in order.
    ByChannel,
    /// The logs of a stream in order.
    ByStream,
    /// The order in which entries came.
    Arrivals,
    /// Channel records.
    Channels,
    /// Stream records.
    Streams,
    /// Peer records.
    Peers,
    /// Snapshots and cursors.
    Snapshots,
    /// Single values.
    Meta,
}

impl Table {
    /// All tables, in the order of their numbers (`table as usize`).
    pub const ALL: [Self; 11] = [
        Self::Runs,
        Self::Names,
        Self::Heads,
        Self::ByChannel,
        Self::ByStream,
        Self::Arrivals,
        Self::Channels,
        Self::Streams,
        Self::Peers,
        Self::Snapshots,
        Self::Meta,
    ];

    /// Its name in the engine. Part of the format: it never changes.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runs => "runs",
            Self::Names => "names",
            Self::Heads => "heads",
            Self::ByChannel => "logs by channel",
            Self::ByStream => "logs by stream",
            Self::Arrivals => "arrivals",
            Self::Channels => "channels",
            Self::Streams => "streams",
            Self::Peers => "peers",
            Self::Snapshots => "snapshots",
            Self::Meta => "meta",
        }
    }
}

/// Whether the engine is opened for the first time in this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Opening {
    /// By the app: what is not there yet is made.
    First,
    /// After a failed disk operation or a release: what was there must be there. A disk that went
    /// away must not come back as an empty store: [`Fault::Transient`](gossip_core::proto::Fault).
    Again,
}

/// Opens an engine, see [`Engine::opener`].
pub type Opener<E> = Box<dyn FnMut(Opening) -> StoreResult<E> + Send>;

/// An engine that keeps [`Table`]s in a directory. All methods block and are called on blocking
/// threads only, save [`Engine::apply_at_once`].
///
/// The store calls `apply`, `apply_at_once`, `sync` and `close` from one thread at a time, `view` and `stats` from
/// any.
pub trait Engine: Send + Sync + Sized + 'static {
    /// Short name for logs and configurations, as in `redb`.
    const NAME: &'static str;

    /// What can be tuned beside the durability.
    type Options: Default + Clone + Send + Sync + 'static;

    /// A snapshot, see [`Engine::view`].
    type View<'e>: View
    where
        Self: 'e;

    /// How to open the engine in a directory. The opener is called the first time the store is opened
    /// and each time it has to be opened again; what must be known from one time to the next (what could
    /// not be synced, say) lives in it. It blocks.
    ///
    /// A new engine must be there whole or not at all, also when the process is killed while making it:
    /// where the engine itself cannot promise that, it is made aside with [`crate::lay_out`] called on
    /// it and moved into place. Otherwise the store lays out an engine without a format by itself.
    ///
    /// The opener fails with `Rejected`: in use already, of someone else, not a place one can write to.
    /// `Corrupt`: damaged. `Full`: no space. `Transient`: any other failure of the disk. Never a panic,
    /// whatever lies there.
    fn opener(directory: PathBuf, options: Self::Options) -> Opener<Self>;

    /// All that was applied before, and nothing that is applied later. It never sees half a batch.
    ///
    /// # Errors
    /// A failure of the engine.
    fn view(&self) -> Result<Self::View<'_>, Failure>;

    /// Applies a batch in its order, all of it or nothing, also across a crash; later views see it.
    ///
    /// With `sync` it and everything applied before is on stable storage on return. Without, it
    /// survives the end of the process (also `kill -9`); what power loss takes is a tail of the batches
    /// applied since the last sync, never one from the middle and never one that was synced.
    ///
    /// # Errors
    /// A [`Failure`] with [`Fault::Unknown`](gossip_core::proto::Fault) when the batch may have been
    /// applied, and any other fault only when it certainly was not. After a failure that says
    /// [`Failure::needs_reopening`] the engine is dropped and opened again; what that engine then shows is
    /// what is on stable storage, whatever a cache of the operating system still holds.
    fn apply(&self, edits: Edits, sync: bool) -> Result<(), Failure>;

    /// As [`Engine::apply`] without `sync`, where that needs nothing but the processor and the memory of the
    /// operating system; `false`, and nothing is applied, where it would have to wait: for a disk, for
    /// other work of the engine. It is called outside of blocking threads. The default always says so.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    fn apply_at_once(&self, _edits: &Edits) -> Result<bool, Failure> {
        Ok(false)
    }

    /// Brings everything applied so far to stable storage.
    ///
    /// # Errors
    /// As [`Engine::apply`].
    fn sync(&self) -> Result<(), Failure>;

    /// What it takes and has written.
    ///
    /// # Errors
    /// A failure of the engine.
    fn stats(&self) -> Result<EngineStats, Failure>;

    /// Syncs, gives free space back as far as that is quickly done, and lets go of all files and
    /// locks. Dropping the engine lets go of them as well, without the rest.
    ///
    /// # Errors
    /// As [`Engine::apply`]; the files are let go anyhow.
    fn close(self) -> Result<(), Failure>;
}

/// A consistent snapshot of all tables. One nobody wrote to is empty.
pub trait View {
    /// The value under a key.
    ///
    /// # Errors
    /// A failure of the engine, or damage it noticed.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value<'_>>, Failure>;

    /// Rows with keys in a span, from its start up or from its end down. An empty or inverted span
    /// has no rows.
    ///
    /// # Errors
    /// As [`View::get`].
    fn scan(&self, table: Table, span: &Span, order: Order) -> Result<Box<dyn Rows + '_>, Failure>;
}

/// In which order rows come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Lowest key first.
    Up,
    /// Highest key first.
    Down,
}

/// Key and value of a row.
pub type KeyValue<'r> = (&'r [u8], &'r [u8]);

/// Rows of a scan, one at a time: key and value are valid until the next one is asked for, so that an
/// engine need not copy them.
pub trait Rows {
    /// The next row; `None` at the end, and from then on.
    ///
    /// # Errors
    /// As [`View::get`].
    fn next(&mut self) -> Result<Option<KeyValue<'_>>, Failure>;
}

/// A value an engine holds, or a copy of it.
pub struct Value<'v>(Box<dyn AsRef<[u8]> + 'v>);

impl<'v> Value<'v> {
    /// From whatever keeps the bytes in place.
    pub fn new(held: impl AsRef<[u8]> + 'v) -> Self {
        Self(Box::new(held))
    }
}

impl Deref for Value<'_> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        (*self.0).as_ref()
    }
}

impl std::fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Value({} bytes)", self.len())
    }
}

/// What an engine takes and has written since it was opened; zero for what it cannot tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct EngineStats {
    /// Bytes in its files.
    pub disk_bytes: u64,
    /// Bytes of memory in its caches and buffers.
    pub memory_bytes: u64,
    /// Bytes written to its files.
    pub written_bytes: u64,
}
