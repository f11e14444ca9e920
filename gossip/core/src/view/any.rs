//! Folding in arrival order, for rules that commute.

use gossip_proto::LogEntry;

use super::ViewReport;
use super::progress::Progress;
use crate::StateMaterializer;

/// A state that takes entries as they come.
pub(super) struct Any<M: StateMaterializer> {
    rules: M,
    pub(super) head: Progress<M::State>,
    pub(super) partial: bool,
}

impl<M: StateMaterializer> Any<M> {
    pub(super) fn new(rules: M) -> Self {
        let head = Progress::new(rules.initial());
        Self { rules, head, partial: false }
    }

    /// Folds what is new; the height of its log decides, so nothing counts twice.
    pub(super) fn take(&mut self, entries: &[LogEntry]) {
        for entry in entries {
            if entry.sequence() > self.head.height(&entry.id().log) {
                self.head.fold(&self.rules, entry);
            }
        }
    }

    pub(super) fn report(&self) -> ViewReport {
        self.head.report(0, self.partial)
    }
}
