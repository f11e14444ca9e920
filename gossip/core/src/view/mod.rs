//! Views: the running result of folding a stream.

mod any;
mod checkpoint;
mod progress;
mod task;
#[cfg(test)]
mod tests;
mod total;

use std::sync::Arc;

use tokio::sync::{oneshot, watch};
use tokio::task::AbortHandle;

pub use self::progress::ViewReport;
use self::task::Published;
use crate::handle::Counted;
use crate::stream::StreamRef;
use crate::{Error, StateMaterializer};

/// The running result of folding a stream; from [`EventStream::view`](crate::EventStream::view).
///
/// Readers get the state behind an `Arc`: reading never waits for folding. The view ends when it is
/// dropped, when its stream is removed and when the node shuts down; its last state stays readable.
pub struct View<S> {
    state: watch::Receiver<Published<S>>,
    task: AbortHandle,
}

impl<S: Send + Sync + 'static> View<S> {
    pub(crate) async fn open<M: StateMaterializer<State = S>>(
        at: Arc<StreamRef>,
        materializer: M,
        waiting: watch::Receiver<u64>,
    ) -> Result<Self, Error> {
        let counted = Counted::new(&at.shared, |meters| &meters.views);
        let (ready, is_ready) = oneshot::channel();
        let (publish, state) = watch::channel(Published::begin(materializer.initial()));
        let run = task::run(at, materializer, waiting, publish, ready, counted);
        let view = Self { state, task: tokio::spawn(run).abort_handle() };
        match is_ready.await {
            Ok(result) => result.map(|()| view),
            Err(_) => Err(Error::Ended),
        }
    }

    /// The state now.
    #[must_use]
    pub fn get(&self) -> Arc<S> {
        self.state.borrow().state.clone()
    }

    /// Waits for a state newer than the last one this method returned (or the first one of the
    /// view). Several changes at once count as one. Cancel safe.
    ///
    /// # Errors
    /// [`Error::ViewEnded`] when no newer state will come.
    pub async fn changed(&mut self) -> Result<Arc<S>, Error> {
        let changed = self.state.changed().await;
        let published = self.state.borrow_and_update();
        match (&published.ended, changed) {
            (Some(reason), _) => Err(Error::ViewEnded(reason.clone())),
            (None, Err(_)) => Err(Error::ViewEnded("the node has shut down".into())),
            (None, Ok(())) => Ok(published.state.clone()),
        }
    }

    /// Waits until the state is as wished; at once if it already is. Cancel safe.
    ///
    /// # Errors
    /// [`Error::ViewEnded`] when that can no longer become true.
    pub async fn wait_for(&self, mut wished: impl FnMut(&S) -> bool) -> Result<Arc<S>, Error> {
        let mut state = self.state.clone();
        loop {
            {
                let published = state.borrow_and_update();
                if wished(&published.state) {
                    return Ok(published.state.clone());
                }
                if let Some(reason) = &published.ended {
                    return Err(Error::ViewEnded(reason.clone()));
                }
            }
            if state.changed().await.is_err() {
                return Err(Error::ViewEnded("the node has shut down".into()));
            }
        }
    }

    /// How many entries the state does not contain because they could not be folded.
    #[must_use]
    pub fn skipped(&self) -> u64 {
        self.state.borrow().report.skipped
    }

    /// What went into the state and what did not.
    #[must_use]
    pub fn report(&self) -> ViewReport {
        self.state.borrow().report.clone()
    }
}

impl<S> Drop for View<S> {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl<S> std::fmt::Debug for View<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("View").field("report", &self.state.borrow().report).finish_non_exhaustive()
    }
}
