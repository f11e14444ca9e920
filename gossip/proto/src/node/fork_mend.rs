//! Damage that is met where a log is parted: made a gap, as everywhere, then all begins anew.

use super::forks::Step;
use super::repair::Mending;
use super::{Node, OpId};
use crate::{Fault, LogId, Seq, SeqRange, StoreFailure};

impl Node {
    /// What the step of a parting was to read is damaged.
    pub(super) fn mend_parting(&mut self, log: LogId) {
        let Some(parting) = self.forks.parting.get(&log) else { return };
        let place = match &parting.step {
            Step::Hashes | Step::End(_) => Some((log, parting.at)),
            Step::Copy { branch, turn, .. } => {
                self.logs.get(branch).zip(self.logs.get(&log)).map(|(copy, held)| {
                    (log, held.holes().next_held(copy.stored.height.max(turn.at - 1) + 1))
                })
            }
            Step::Compare { branch, .. } => self.logs.get(&log).map(|held| (*branch, held.stored.height)),
        };
        match place {
            Some((damaged, at)) => self.isolate_for_part(log, damaged, at),
            None => self.give_up_parting(&log),
        }
    }

    fn isolate_for_part(&mut self, log: LogId, damaged: LogId, at: Seq) {
        let op = self.isolate(damaged, at, Mending::Parting { log, at });
        self.wait_to_part(&log, op);
    }

    /// The damage is a gap now, or was not found at this place; or nobody can say.
    pub(super) fn part_mended(
        &mut self,
        log: LogId,
        op: OpId,
        at: Seq,
        found: &Result<Option<SeqRange>, StoreFailure>,
    ) {
        let Some(parting) = self.awaited(&log, op) else { return };
        let is_lasting = |failure: &StoreFailure| matches!(failure.fault, Fault::Corrupt | Fault::Rejected);
        match (found, &parting.step) {
            (Ok(Some(_)), _) => self.give_up_parting(&log),
            (Err(failure), _) if !is_lasting(failure) => self.give_up_parting(&log),
            // Two hashes were read.
            (_, Step::Hashes) if at == parting.at => self.isolate_for_part(log, log, at - 1),
            _ => self.leave_apart(log),
        }
    }
}
