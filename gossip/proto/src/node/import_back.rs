//! Imported runs that fill a hole of what is held, as runs from a peer do that was asked for them.

use super::accept::Batch;
use super::fill::{Fit, fit};
use super::holes::keeps;
use super::{CommandError, ImportPart, Node};
use crate::wire::DeltaRun;
use crate::{LogId, SeqRange, StoredRun};

impl Node {
    /// Takes runs that fill one hole from its upper end down; what does not is left out. The store
    /// refuses what is of another chain than what lies above the hole.
    pub(super) fn take_filling_part(
        &mut self,
        id: LogId,
        part: &ImportPart,
        batch: &mut Batch,
    ) -> Result<(), CommandError> {
        let Some(log) = self.logs.get(&id) else { return Err(CommandError::UnknownLog(id)) };
        if log.rare().filling > 0 || log.rare().pruning > 0 {
            return Err(CommandError::Busy);
        }
        let Some(first) = part.runs.first() else { return Ok(()) };
        let Some(hole) = log.holes().touched_by(&first.run.range()) else { return Ok(()) };
        if !self.is_wanted(id, hole, first) {
            return Ok(());
        }
        let (mut missing, mut end, mut fitting) = (hole, first.hash_at(hole.last), Vec::new());
        for StoredRun { prev, run } in &part.runs {
            let Ok(hash) = end else { break };
            match fit(id, &DeltaRun { prev: Some(*prev), run: run.clone() }, missing, hash) {
                Fit::Fills(stored) => {
                    (missing.last, end) = (stored.run.first() - 1, Ok(stored.prev));
                    fitting.push((stored, hash));
                }
                Fit::Apart => break,
                Fit::Wrong => return Err(CommandError::Invalid("a run that does not fit into its hole")),
            }
        }
        // What peers were asked for is coming here.
        self.refills.end(&id);
        fitting.into_iter().for_each(|(stored, hash)| self.queue_filling(id, stored, hash, batch));
        Ok(())
    }

    /// Whether what is missing here would be kept: gaps, and what never was here below a floor or was
    /// asked for. What was pruned stays away.
    fn is_wanted(&self, id: LogId, hole: SeqRange, upper: &StoredRun) -> bool {
        let Some(log) = self.logs.get(&id) else { return false };
        let end = SeqRange { first: hole.last, last: hole.last };
        let pruned = hole.last == log.holes().floor && log.holes().missed_in(end).is_empty();
        let newer = log.stored.height.saturating_sub(hole.last);
        let stamp = Some(upper.run.last_stamp());
        let kept =
            self.stream_of(log).is_some_and(|s| keeps(&s.record.retention, newer, stamp, self.now.wall.0));
        kept && (log.rare().asks_back || !pruned)
    }
}
