//! A state and what has gone into it.

use std::collections::BTreeMap;
use std::sync::Arc;

use gossip_proto::{EntryId, LogEntry, LogId, OrderKey, Seq};

use crate::{FoldError, StateMaterializer};

/// What went into the state of a view and what did not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ViewReport {
    /// Entries folded.
    pub folded: u64,
    /// Entries passed over, the same on every replica: their fold failed or their payload is
    /// absent.
    pub skipped: u64,
    /// The newest failed fold.
    pub last_failure: Option<(EntryId, FoldError)>,
    /// Entries that arrived after the history they belong into was pruned: not in the state.
    pub late: u64,
    /// Entries of the stream are or were missing here when the view needed them: replicas with
    /// a longer memory may have another state.
    pub partial: bool,
}

/// A state, the last key in it, and how far it contains each log.
#[derive(Debug)]
pub(super) struct Progress<S> {
    pub(super) state: Arc<S>,
    pub(super) key: Option<OrderKey>,
    pub(super) heights: BTreeMap<LogId, Seq>,
    pub(super) folded: u64,
    pub(super) skipped: u64,
    pub(super) last_failure: Option<(EntryId, FoldError)>,
}

impl<S> Clone for Progress<S> {
    fn clone(&self) -> Self {
        Self {
            state: self.state.clone(),
            key: self.key.clone(),
            heights: self.heights.clone(),
            folded: self.folded,
            skipped: self.skipped,
            last_failure: self.last_failure.clone(),
        }
    }
}

impl<S: Clone> Progress<S> {
    pub(super) fn new(initial: S) -> Self {
        Self {
            state: Arc::new(initial),
            key: None,
            heights: BTreeMap::new(),
            folded: 0,
            skipped: 0,
            last_failure: None,
        }
    }

    pub(super) fn height(&self, log: &LogId) -> Seq {
        self.heights.get(log).copied().unwrap_or(0)
    }

    /// How many entries went into it.
    pub(super) fn position(&self) -> u64 {
        self.folded + self.skipped
    }

    /// Folds one entry; the state is copied first if a reader or checkpoint shares it.
    pub(super) fn fold<M: StateMaterializer<State = S>>(&mut self, rules: &M, entry: &LogEntry) {
        self.key = Some(entry.key());
        let height = self.heights.entry(entry.id().log).or_default();
        *height = entry.sequence().max(*height);
        if entry.bytes().is_none() {
            self.skipped += 1;
            return;
        }
        match rules.fold(Arc::make_mut(&mut self.state), entry) {
            Ok(()) => self.folded += 1,
            Err(failure) => {
                tracing::debug!(entry = %entry.id(), %failure, "entry skipped by a view");
                self.skipped += 1;
                self.last_failure = Some((entry.id(), failure));
            }
        }
    }

    pub(super) fn report(&self, late: u64, partial: bool) -> ViewReport {
        ViewReport {
            folded: self.folded,
            skipped: self.skipped,
            last_failure: self.last_failure.clone(),
            late,
            partial,
        }
    }
}
