//! Small commits that are not synced, made where they are asked for.
//!
//! Such a commit takes a few microseconds; a thread that has to be woken for it, and its caller after it,
//! take ten times as long. It is left to a thread all the same when it would have to read, when the engine
//! would make it wait, and for a while after one took long: what no engine can promise (that the system
//! has room for what it writes, say) then holds up the caller once and not again and again.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gossip_core::proto::{CommitItem, Durability, Fault};
use gossip_core::{StoreError, StoreResult};
use tokio::time::Instant;

use crate::engine::{Engine, Order, Rows, Table, Value, View};
use crate::fault::Failure;
use crate::host::{Call, Host, Place};
use crate::keys::Span;
use crate::memory::Memory;
use crate::turn::Turn;

/// Above it the work is worth a thread.
const BYTES: usize = 16 << 10;
const ITEMS: usize = 32;

/// Whether a batch is soon written.
pub(crate) fn is_small(batch: &[CommitItem]) -> bool {
    let bytes = |item: &CommitItem| match item {
        CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => run.encoded().len(),
        CommitItem::Adopt { .. } => 0,
    };
    batch.len() <= ITEMS && batch.iter().map(bytes).sum::<usize>() <= BYTES
}

/// Whether writes may be made where they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Haste(Mutex<Option<Instant>>);

impl Haste {
    /// A write should not take longer than this.
    const SOON: Duration = Duration::from_millis(2);
    /// So long they are left to threads after one that did.
    const REST: Duration = Duration::from_secs(1);

    fn is_due(&self, now: Instant) -> bool {
        let mut rests = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rests.take_if(|until| *until <= now);
        rests.is_none()
    }

    fn note(&self, begun: Instant, ended: Instant) {
        if ended.duration_since(begun) > Self::SOON {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(ended + Self::REST);
        }
    }
}

impl<E: Engine> Host<E> {
    /// As [`Host::write`] with what the store promises, for work that is short and may be begun twice.
    pub(crate) async fn write_swiftly<T: Send + 'static>(
        self: &Arc<Self>,
        call: impl Into<Call>,
        work: impl Fn(&mut Turn<'_>) -> Result<T, Failure> + Send + 'static,
    ) -> StoreResult<T> {
        let (call, sync) = (call.into(), self.durability == Durability::Sync);
        let released = self.released.load(Ordering::Acquire);
        let mut turn = self.turn().await;
        let begun = Instant::now();
        if !sync && self.haste.is_due(begun) {
            let done = self.at_once(call, &mut turn, &work);
            self.haste.note(begun, Instant::now());
            if let Some(done) = done {
                return done;
            }
        }
        self.hand_over(released, call, turn, sync, work).await
    }

    /// `None`, and nothing has happened, when it needs a thread.
    fn at_once<T>(
        &self,
        call: Call,
        memory: &mut Memory,
        work: &impl Fn(&mut Turn<'_>) -> Result<T, Failure>,
    ) -> Option<StoreResult<T>> {
        if self.stale.load(Ordering::Acquire) || memory.of != self.opened.load(Ordering::Acquire) {
            return None;
        }
        let place = self.engine.try_read().ok()?;
        let Place::Open(engine) = &*place else { return None };
        if let Err(error) = self.tell_failed_sync() {
            return Some(Err(error));
        }
        // A write that fails in the engine or ends in a panic leaves nothing remembered.
        let mut kept = std::mem::take(memory);
        let tried = catch_unwind(AssertUnwindSafe(|| self.attempt(engine, &mut kept, work)));
        let done = match tried {
            Ok(Ok(done)) => done,
            Ok(Err(failure)) => return Some(Err(self.failed(call, failure))),
            Err(_) => {
                self.stale.store(true, Ordering::Release);
                return Some(Err(StoreError::new(Fault::Unknown, call.doing, "the store panicked")));
            }
        };
        *memory = kept;
        done.map(|done| done.map_err(|refused| refused.into_store_error(call.doing)))
    }

    /// What became of the work, `None` when it needs a thread; an error outside is the engine's.
    fn attempt<T>(
        &self,
        engine: &E,
        memory: &mut Memory,
        work: &impl Fn(&mut Turn<'_>) -> Result<T, Failure>,
    ) -> Result<Option<Result<T, Failure>>, Failure> {
        let view = Blind::default();
        let mut turn = Turn::new(&view, memory);
        let value = work(&mut turn);
        let (edits, kept) = turn.finish();
        if view.0.get() {
            return Ok(None);
        }
        let value = match value {
            Ok(value) => value,
            Err(refused) => return Ok(Some(Err(refused))),
        };
        if !edits.is_empty() {
            if !engine.apply_at_once(&edits)? {
                return Ok(None);
            }
            self.unsynced.store(true, Ordering::Release);
        }
        kept.remember(memory);
        Ok(Some(Ok(value)))
    }
}

/// Shows nothing, and notes that somebody looked: what comes of that does not count.
#[derive(Default)]
struct Blind(Cell<bool>);

impl Blind {
    fn look<T>(&self) -> Result<T, Failure> {
        self.0.set(true);
        Err(Failure::rejected("reading is for threads"))
    }
}

impl View for Blind {
    fn get(&self, _: Table, _: &[u8]) -> Result<Option<Value<'_>>, Failure> {
        self.look()
    }

    fn scan(&self, _: Table, _: &Span, _: Order) -> Result<Box<dyn Rows + '_>, Failure> {
        self.look()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_a_write_that_took_long_others_are_left_to_threads_for_a_while() {
        let (haste, begun) = (Haste::default(), Instant::now());
        haste.note(begun, begun + Haste::SOON);
        assert!(haste.is_due(begun), "that was soon");
        let ended = begun + Haste::SOON * 2;
        haste.note(begun, ended);
        assert!(!haste.is_due(ended + Haste::REST / 2));
        assert!(haste.is_due(ended + Haste::REST));
    }
}
