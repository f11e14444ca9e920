//! Syncing in the background what was committed without.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError, Weak};
use std::time::Duration;

use gossip_core::StoreError;
use gossip_core::proto::Fault;

use crate::engine::Engine;
use crate::host::Host;

const SYNCING: &str = "syncing earlier commits";

/// Sees to it that what is applied now is synced within `delay`. A task runs only while there is
/// something to sync, and does not keep the store open.
pub(crate) fn schedule<E: Engine>(host: &Arc<Host<E>>, delay: Duration) {
    if !host.unsynced.load(Ordering::Acquire) || host.scheduled.swap(true, Ordering::AcqRel) {
        return;
    }
    let scheduled = Scheduled(Arc::downgrade(host));
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        let host = scheduled.0.upgrade();
        drop(scheduled);
        let Some(host) = host else { return };
        if let Err(error) = host.sync(SYNCING).await {
            tracing::error!(%error, "commits could not be synced: the next one will fail");
            let told = StoreError::new(Fault::Unknown, SYNCING, error);
            *host.sync_failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
        }
    });
}

/// Takes the mark off also when the runtime ends before the task.
struct Scheduled<E: Engine>(Weak<Host<E>>);

impl<E: Engine> Drop for Scheduled<E> {
    fn drop(&mut self) {
        if let Some(host) = self.0.upgrade() {
            host.scheduled.store(false, Ordering::Release);
        }
    }
}
