//! Transactions off the async threads, and recovery after failed disk operations.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use gossip_core::proto::Fault;
use gossip_core::{StoreError, StoreResult};
use redb::{Database, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};
use tokio::sync::Mutex;
use tokio::task::{JoinError, spawn_blocking};

use crate::fault::Failure;

/// Opens the database, the first time and after a failure.
pub(crate) type Opener = Box<dyn Fn() -> StoreResult<Database> + Send + Sync>;

/// The database and who may write to it next.
pub(crate) struct Engine {
    opener: Opener,
    /// `None` while it could not be opened again, and after [`Engine::release`]. Operations share
    /// the lock, opening again takes it alone; it is held by blocking threads only.
    database: RwLock<Option<Database>>,
    /// The file must be opened again first: it was released, or a disk operation failed, after
    /// which redb refuses service.
    stale: AtomicBool,
    /// Writers wait here, without a thread each, and can still give up.
    turn: Arc<Mutex<()>>,
}

impl Engine {
    /// Opens the database; blocks.
    pub(crate) fn new(opener: Opener) -> StoreResult<Self> {
        let database = opener()?;
        Ok(Self {
            opener,
            database: RwLock::new(Some(database)),
            stale: AtomicBool::new(false),
            turn: Arc::default(),
        })
    }

    /// Runs a read transaction on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        work: impl FnOnce(&ReadTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        let engine = self.clone();
        let reading = move || engine.with_database(doing, |database| work(&database.begin_read()?));
        spawn_blocking(reading).await.unwrap_or_else(|error| Err(lost(Fault::Transient, doing, error)))
    }

    /// Runs a write transaction on a blocking thread and commits it durably, or not at all when
    /// `work` fails.
    ///
    /// Until its turn comes a write can be given up by dropping the future; then it completes.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        doing: &'static str,
        work: impl FnOnce(&WriteTransaction) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        let turn = self.turn.clone().lock_owned().await;
        let engine = self.clone();
        let writing = move || {
            let _turn = turn;
            engine.with_database(doing, |database| transact(database, work))
        };
        spawn_blocking(writing).await.unwrap_or_else(|error| Err(lost(Fault::Unknown, doing, error)))
    }

    /// Closes the file, so that others can open it however many handles are left here; the next
    /// operation opens it again.
    pub(crate) async fn release(self: &Arc<Self>, doing: &'static str) -> StoreResult<()> {
        let turn = self.turn.clone().lock_owned().await;
        let engine = self.clone();
        let releasing = move || {
            let _turn = turn;
            let mut database = engine.database.write().unwrap_or_else(PoisonError::into_inner);
            engine.stale.store(true, Ordering::Release);
            *database = None;
        };
        spawn_blocking(releasing).await.map_err(|error| lost(Fault::Unknown, doing, error))
    }

    fn with_database<T>(
        &self,
        doing: &'static str,
        work: impl FnOnce(&Database) -> Result<T, Failure>,
    ) -> StoreResult<T> {
        self.reopen_if_stale()?;
        let database = self.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = database.as_ref() else {
            return Err(StoreError::new(Fault::Transient, doing, "the store is being opened again"));
        };
        work(database).map_err(|failure| {
            if failure.needs_reopening() {
                tracing::warn!("a disk operation failed: the store will be opened again");
                self.stale.store(true, Ordering::Release);
            }
            failure.into_store_error(doing)
        })
    }

    fn reopen_if_stale(&self) -> StoreResult<()> {
        if !self.stale.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut database = self.database.write().unwrap_or_else(PoisonError::into_inner);
        if self.stale.load(Ordering::Acquire) {
            // First out with the old one: it holds the lock of the file.
            *database = None;
            *database = Some((self.opener)()?);
            self.stale.store(false, Ordering::Release);
        }
        Ok(())
    }
}

impl fmt::Debug for Engine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Engine").field("stale", &self.stale).finish_non_exhaustive()
    }
}

fn transact<T>(
    database: &Database,
    work: impl FnOnce(&WriteTransaction) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let mut transaction = database.begin_write()?;
    // It is the default of redb; the promise of this store does not hang on that.
    let durable = transaction.set_durability(Durability::Immediate);
    durable.map_err(|error| Failure::corrupt(error.to_string()))?;
    match work(&transaction) {
        Ok(value) => {
            transaction.commit()?;
            Ok(value)
        }
        Err(failure) => {
            transaction.abort()?;
            Err(failure)
        }
    }
}

/// The work never ran because the runtime ends, or it panicked.
fn lost(panicked: Fault, doing: &'static str, error: JoinError) -> StoreError {
    let fault = if error.is_cancelled() { Fault::Closed } else { panicked };
    StoreError::new(fault, doing, error)
}
