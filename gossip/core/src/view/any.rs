//! Folding in arrival order, for rules that commute.

use std::collections::BTreeMap;

use gossip_proto::{LogEntry, LogId, Seq, SeqRange};

use super::ViewReport;
use super::progress::Progress;
use crate::StateMaterializer;

/// A state that takes entries as they come.
pub(super) struct Any<M: StateMaterializer> {
    rules: M,
    pub(super) head: Progress<M::State>,
    pub(super) partial: bool,
    /// What was passed over, to be taken if it comes after all.
    holes: BTreeMap<LogId, Vec<SeqRange>>,
}

impl<M: StateMaterializer> Any<M> {
    pub(super) fn new(rules: M) -> Self {
        let head = Progress::new(rules.initial());
        Self { rules, head, partial: false, holes: BTreeMap::new() }
    }

    /// Holes remembered of one log; more stay holes.
    const HOLES: usize = 1024;

    /// Notes what was not delivered.
    pub(super) fn miss(&mut self, gaps: &[(LogId, SeqRange)]) {
        self.partial |= !gaps.is_empty();
        for (log, range) in gaps {
            let holes = self.holes.entry(*log).or_default();
            if holes.len() < Self::HOLES {
                holes.push(*range);
            }
        }
    }

    /// Folds what is new: above the height of its log, or in a hole below it. So nothing counts
    /// twice.
    pub(super) fn take(&mut self, entries: &[LogEntry]) {
        for entry in entries {
            let (log, at) = (entry.id().log, entry.sequence());
            if self.fills(log, at) || at > self.head.height(&log) {
                self.head.fold(&self.rules, entry);
            }
        }
    }

    /// Takes an entry out of the hole it lies in, if it lies in one.
    fn fills(&mut self, log: LogId, at: Seq) -> bool {
        let Some(holes) = self.holes.get_mut(&log) else { return false };
        let Some(found) = holes.iter().position(|hole| hole.contains(at)) else { return false };
        let hole = holes.swap_remove(found);
        let around = [SeqRange { last: at - 1, ..hole }, SeqRange { first: at + 1, ..hole }];
        holes.extend(around.into_iter().filter(|rest| rest.first <= rest.last));
        true
    }

    pub(super) fn report(&self) -> ViewReport {
        self.head.report(0, self.partial)
    }
}
