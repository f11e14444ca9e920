//! Syncing in the background what was committed without.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use gossip_core::StoreError;
use gossip_core::proto::Fault;

use crate::engine::Engine;
use crate::host::Host;
use crate::patience::pause_after;

const SYNCING: &str = "syncing earlier commits";

/// Sees to it that what is applied now is synced within `delay`. A task runs only while there is
/// something to sync, and does not keep the store open.
pub(crate) fn schedule<E: Engine>(host: &Arc<Host<E>>, delay: Duration) {
    after(host, delay, (delay, 0));
}

/// The next sync after a pause; so many before it failed.
fn after<E: Engine>(host: &Arc<Host<E>>, delay: Duration, (pause, failed): (Duration, u32)) {
    if !host.unsynced.load(Ordering::Acquire) || host.scheduled.swap(true, Ordering::AcqRel) {
        return;
    }
    let scheduled = Scheduled(Arc::downgrade(host));
    tokio::spawn(async move {
        tokio::time::sleep(pause).await;
        let Some(host) = scheduled.0.upgrade() else { return };
        let next = match host.sync(SYNCING).await {
            Ok(()) => (delay, 0),
            Err(error) if error.fault == Fault::Closed => return,
            Err(error) => {
                tell(&host, error);
                (pause_after(failed), failed.saturating_add(1))
            }
        };
        // Off before the look at what came meanwhile: whoever commits from now on schedules for itself.
        drop(scheduled);
        after(&host, delay, next);
    });
}

/// The next write is told, also when a later sync works: the engine was opened again for that, and shows
/// what came to the disk, which may be less than what was committed.
fn tell<E: Engine>(host: &Host<E>, error: StoreError) {
    tracing::error!(%error, "commits could not be synced: the next one will fail");
    let told = StoreError::new(Fault::Unknown, SYNCING, error);
    *host.sync_failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
}

/// Takes the mark off also when the runtime ends before the task.
struct Scheduled<E: Engine>(Weak<Host<E>>);

impl<E: Engine> Drop for Scheduled<E> {
    fn drop(&mut self) {
        if let Some(host) = self.0.upgrade() {
            host.scheduled.swap(false, Ordering::AcqRel);
        }
    }
}
