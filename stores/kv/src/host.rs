//! The engine, who may write to it next, and its recovery after failed disk operations.

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use gossip_core::proto::{Durability, Fault};
use gossip_core::{StoreError, StoreResult};
use tokio::sync::{Mutex as TurnMutex, OwnedMutexGuard};
use tokio::task::{JoinError, spawn_blocking};

use crate::engine::{Engine, Opener, Opening};
use crate::fault::Failure;
use crate::format::prepare;
use crate::haste::Haste;
use crate::memory::Memory;
use crate::patience::Patience;
use crate::turn::{Lazy, Turn};

/// What a write leaves to the time after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum When {
    /// On stable storage on return.
    Now,
    /// As the durability of the store says.
    AsPromised,
}

/// One call of the store.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Call {
    pub(crate) doing: &'static str,
    /// It belongs to a start, and may open what was closed.
    starts: bool,
}

impl Call {
    /// One that a start makes.
    pub(crate) const fn of_a_start(doing: &'static str) -> Self {
        Self { doing, starts: true }
    }
}

impl From<&'static str> for Call {
    /// One that finds the store open or fails: whoever closed it may have left the files to others.
    fn from(doing: &'static str) -> Self {
        Self { doing, starts: false }
    }
}

/// Where the engine is.
pub(crate) enum Place<E> {
    Open(E),
    /// It could not be opened again yet.
    Away,
    /// The owner closed the store.
    Closed {
        cleanly: bool,
    },
}

/// An engine in use.
pub(crate) struct Host<E: Engine> {
    opener: Mutex<Opener<E>>,
    /// Operations share the lock, opening again takes it alone; it is waited for by blocking threads only.
    pub(crate) engine: RwLock<Place<E>>,
    /// It must be opened again first: it was released, or may not be trusted after a failure.
    pub(crate) stale: AtomicBool,
    /// Rises with each release: what began before must not open the files again by accident.
    pub(crate) released: AtomicU64,
    /// Rises each time it is opened again: what was remembered of it before may not hold any more.
    pub(crate) opened: AtomicU64,
    patience: Patience,
    pub(crate) haste: Haste,
    /// Which store this is; one put in its place is refused.
    incarnation: u64,
    /// Writers wait here, without a thread each, and can still give up.
    turn: Arc<TurnMutex<Memory>>,
    pub(crate) durability: Durability,
    /// Something was applied and not synced yet.
    pub(crate) unsynced: AtomicBool,
    /// A sync in the background is on its way.
    pub(crate) scheduled: AtomicBool,
    /// A sync in the background failed and nobody was told yet.
    pub(crate) sync_failed: Mutex<Option<StoreError>>,
    /// Commits since the store was opened, and bytes of runs in them.
    pub(crate) commits: AtomicU64,
    pub(crate) committed_bytes: AtomicU64,
}

const OPENING: &str = "opening the store";

impl<E: Engine> Host<E> {
    /// Opens the engine; blocks.
    pub(crate) fn new(mut opener: Opener<E>, durability: Durability) -> StoreResult<Self> {
        let engine = opener(Opening::First)?;
        let prepared = prepare(&engine, Opening::First);
        let incarnation = prepared.map_err(|failure| failure.into_store_error(OPENING))?;
        Ok(Self {
            opener: Mutex::new(opener),
            engine: RwLock::new(Place::Open(engine)),
            stale: AtomicBool::new(false),
            released: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            patience: Patience::default(),
            haste: Haste::default(),
            incarnation,
            turn: Arc::default(),
            durability,
            unsynced: AtomicBool::new(false),
            scheduled: AtomicBool::new(false),
            sync_failed: Mutex::new(None),
            commits: AtomicU64::new(0),
            committed_bytes: AtomicU64::new(0),
        })
    }

    /// Reads on a blocking thread.
    pub(crate) async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl Into<Call>,
        work: impl FnOnce(&E) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        let call = call.into();
        let (host, begun) = (self.clone(), self.released.load(Ordering::Acquire));
        let reading = move || host.with_engine(begun, call, work);
        let read = spawn_blocking(reading).await;
        read.unwrap_or_else(|error| Err(self.lost(Fault::Transient, call.doing, error)))
    }

    /// Runs `work` on a blocking thread and applies what it wants changed, or nothing when it fails.
    ///
    /// Until its turn comes a write can be given up by dropping the future; then it completes.
    pub(crate) async fn write<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl Into<Call>,
        when: When,
        work: impl FnOnce(&mut Turn<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        let begun = self.released.load(Ordering::Acquire);
        let turn = self.turn().await;
        let sync = when == When::Now || self.durability == Durability::Sync;
        self.hand_over(begun, call.into(), turn, sync, work).await
    }

    pub(crate) async fn hand_over<T: Send + 'static>(
        self: &Arc<Self>,
        begun: u64,
        call: Call,
        turn: OwnedMutexGuard<Memory>,
        sync: bool,
        work: impl FnOnce(&mut Turn<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        let host = self.clone();
        let writing = move || host.apply(begun, call, turn, sync, work);
        let written = spawn_blocking(writing).await;
        written.unwrap_or_else(|error| Err(self.lost(Fault::Unknown, call.doing, error)))
    }

    fn apply<T>(
        &self,
        begun: u64,
        call: Call,
        mut turn: OwnedMutexGuard<Memory>,
        sync: bool,
        work: impl FnOnce(&mut Turn<'_>) -> Result<T, Failure>,
    ) -> StoreResult<T> {
        self.tell_failed_sync()?;
        // A write that ends in a panic leaves nothing remembered.
        let mut memory = std::mem::take(&mut *turn);
        let done = self.with_engine(begun, call, |engine| {
            let opened = self.opened.load(Ordering::Acquire);
            if memory.of != opened {
                memory = Memory::new(opened, None);
            }
            let view = Lazy::new(engine);
            let mut writing = Turn::new(&view, &memory);
            let value = match work(&mut writing) {
                Ok(value) => value,
                Err(failure) if failure.needs_reopening() => return Err(failure),
                Err(failure) => return Ok(Err(failure.into_store_error(call.doing))),
            };
            let sync = sync && !(writing.is_lax() && self.durability != Durability::Sync);
            let (edits, kept) = writing.finish();
            drop(view);
            if !edits.is_empty() {
                engine.apply(edits, sync)?;
                self.unsynced.store(!sync, Ordering::Release);
                if sync {
                    self.patience.reset();
                }
            }
            kept.remember(&mut memory);
            Ok(Ok(value))
        });
        // What failed in the engine may have happened: what is remembered is worth nothing then.
        if done.is_ok() {
            *turn = memory;
        }
        done?
    }

    /// Brings everything to stable storage.
    pub(crate) async fn sync(self: &Arc<Self>, doing: &'static str) -> StoreResult<()> {
        let turn = self.turn().await;
        let host = self.clone();
        let syncing = move || {
            let _turn = turn;
            if !host.unsynced.load(Ordering::Acquire) {
                return Ok(());
            }
            let begun = host.released.load(Ordering::Acquire);
            host.with_engine(begun, doing.into(), Engine::sync)?;
            // Not before it has happened: what failed or panicked is still to be done.
            host.unsynced.store(false, Ordering::Release);
            host.patience.reset();
            Ok(())
        };
        spawn_blocking(syncing).await.unwrap_or_else(|error| Err(self.lost(Fault::Unknown, doing, error)))
    }

    pub(crate) async fn turn(&self) -> OwnedMutexGuard<Memory> {
        self.turn.clone().lock_owned().await
    }

    /// Closes the engine, so that others can open it however many handles are left here; the next
    /// start opens it again. It was closed cleanly if `marked` and everything here went well; the next
    /// release before a start answers the same.
    pub(crate) async fn release(
        self: &Arc<Self>,
        doing: &'static str,
        marked: StoreResult<()>,
    ) -> StoreResult<()> {
        let turn = self.turn().await;
        let host = self.clone();
        let releasing = move || {
            let mut turn = turn;
            *turn = Memory::default();
            let mut place = host.engine.write().unwrap_or_else(PoisonError::into_inner);
            if let Place::Closed { cleanly } = *place {
                return if cleanly { Ok(()) } else { marked };
            }
            host.released.fetch_add(1, Ordering::AcqRel);
            host.stale.store(true, Ordering::Release);
            let closed = match std::mem::replace(&mut *place, Place::Closed { cleanly: false }) {
                Place::Open(engine) => engine.close(),
                _ => Ok(()),
            };
            let closed = marked.and(closed.map_err(|failure| failure.into_store_error(doing)));
            *place = Place::Closed { cleanly: closed.is_ok() };
            host.unsynced.store(false, Ordering::Release);
            host.patience.reset();
            closed
        };
        spawn_blocking(releasing).await.unwrap_or_else(|error| Err(self.lost(Fault::Unknown, doing, error)))
    }

    fn with_engine<T>(
        &self,
        begun: u64,
        call: Call,
        work: impl FnOnce(&E) -> Result<T, Failure>,
    ) -> StoreResult<T> {
        self.reopen_if_stale(begun, call)?;
        let place = self.engine.read().unwrap_or_else(PoisonError::into_inner);
        let engine = match &*place {
            Place::Open(engine) => engine,
            Place::Away => {
                return Err(StoreError::new(Fault::Transient, call.doing, "the store is being opened again"));
            }
            Place::Closed { .. } => return Err(closed(call)),
        };
        work(engine).map_err(|failure| self.failed(call, failure))
    }

    pub(crate) fn failed(&self, call: Call, failure: Failure) -> StoreError {
        if failure.needs_reopening() {
            tracing::warn!("a disk operation failed: the store will be opened again");
            self.stale.store(true, Ordering::Release);
        }
        failure.into_store_error(call.doing)
    }

    fn reopen_if_stale(&self, begun: u64, call: Call) -> StoreResult<()> {
        if !self.stale.load(Ordering::Acquire) {
            return Ok(());
        }
        let mut place = self.engine.write().unwrap_or_else(PoisonError::into_inner);
        let was_closed = matches!(*place, Place::Closed { .. });
        if self.released.load(Ordering::Acquire) != begun || (was_closed && !call.starts) {
            return Err(closed(call));
        }
        if self.stale.load(Ordering::Acquire) {
            if !self.patience.may_try() {
                let why = "the disk keeps failing: the store will be opened again in a moment";
                return Err(StoreError::new(Fault::Transient, call.doing, why));
            }
            // First out with the old one: it holds the locks of the files. A start that fails leaves it closed.
            if !was_closed {
                *place = Place::Away;
            }
            *place = Place::Open(self.open_again()?);
            self.opened.fetch_add(1, Ordering::AcqRel);
            self.stale.store(false, Ordering::Release);
        }
        Ok(())
    }

    fn open_again(&self) -> StoreResult<E> {
        let mut opener = self.opener.lock().unwrap_or_else(PoisonError::into_inner);
        let engine = opener(Opening::Again).inspect_err(|error| {
            // Someone else has it, say: no failure of the disk, and to be told as it is.
            if error.fault == Fault::Rejected {
                self.patience.reset();
            }
        })?;
        let found = prepare(&engine, Opening::Again).map_err(|failure| failure.into_store_error(OPENING))?;
        if found != self.incarnation {
            let why = "another store lies in the place of the one that was open";
            return Err(StoreError::new(Fault::Rejected, OPENING, why));
        }
        Ok(engine)
    }

    pub(crate) fn tell_failed_sync(&self) -> StoreResult<()> {
        let failed = self.sync_failed.lock().unwrap_or_else(PoisonError::into_inner).take();
        failed.map_or(Ok(()), Err)
    }

    /// The work never ran because the runtime ends, or it panicked: then the engine is not trusted.
    fn lost(&self, panicked: Fault, doing: &'static str, error: JoinError) -> StoreError {
        if error.is_cancelled() {
            return StoreError::new(Fault::Closed, doing, error);
        }
        self.stale.store(true, Ordering::Release);
        StoreError::new(panicked, doing, error)
    }
}

fn closed(call: Call) -> StoreError {
    StoreError::new(Fault::Closed, call.doing, "the store was closed")
}

impl<E: Engine> fmt::Debug for Host<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("stale", &self.stale).finish_non_exhaustive()
    }
}
