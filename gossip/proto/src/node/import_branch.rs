//! Branches of forks that are imported: as from a peer, the fork has to be known or shown, and comes first.

use super::fork::BRANCHES;
use super::log::Log;
use super::{CommandError, LinkId, Node};
use crate::wire::{DeltaRun, FloorNote};
use crate::{LogId, LogName, StoredRun, Turn};

/// In the place of the link over which a fork was learnt.
const BY_HAND: LinkId = LinkId(u64::MAX);
const OTHER: CommandError = CommandError::Invalid("a branch that does not begin as its name says");

impl Node {
    /// Whether the floor of a log of which nothing is held may be taken from a file. Where a branch shows a
    /// fork that is not known here, the log it parts from is ended first: busy until it is.
    pub(super) fn admit_floor(
        &mut self,
        id: LogId,
        part: &[StoredRun],
        note: &FloorNote,
    ) -> Result<(), CommandError> {
        let first = self.logs.get(&id).filter(|log| log.pending().height == 0);
        let branch = first.and_then(|log| Some((self.logs.name_of(log)?, log.branch()?)));
        let Some((name, branch)) = branch else { return Ok(()) };
        let root = LogName { branch: None, ..name.clone() };
        if root.id() != branch.parent {
            return Err(CommandError::Invalid("a branch of a log of another name"));
        }
        if self.branches(&branch.parent).count() >= BRANCHES {
            return Err(CommandError::Invalid("more branches of one log than are taken"));
        }
        if self.knows_fork(&branch, note) {
            return Ok(());
        }
        let runs = part.iter().map(|stored| DeltaRun { prev: None, run: stored.run.clone() });
        let place = (note.floor + 1, note.hash);
        if self.goes_on(&name, id, place, &runs.collect::<Vec<_>>()) != Some(branch.first) {
            return Err(OTHER);
        }
        self.show_fork(root, note)?;
        Err(CommandError::Busy)
    }

    /// Ends the log that a branch parts from.
    fn show_fork(&mut self, root: LogName, note: &FloorNote) -> Result<(), CommandError> {
        let (id, is_sealed) = (root.id(), root.author.is_key());
        if !self.know_log(root, id) {
            return Err(CommandError::Invalid("more logs than this node remembers"));
        }
        let Some(branch) = self.logs.get(&note.log).and_then(Log::branch) else { return Ok(()) };
        let height = self.logs.get(&id).map_or(0, |log| log.stored.height);
        let (at, prev, own) = (note.floor + 1, note.hash, self.record.id.clone());
        match self.passing(&branch, note.floor) {
            Some(log) => self.part_log_by(BY_HAND, own, log, at, Some(prev)),
            // The author vouches for what came before.
            None if is_sealed && height < note.floor => {
                self.end_below_by(BY_HAND, own, id, Turn { at, prev, first: None });
            }
            None => return Err(CommandError::Invalid("a branch of a log that is not held up to there")),
        }
        Ok(())
    }

    pub(super) fn check_branch(&self, name: &LogName, stored: &StoredRun) -> Result<(), CommandError> {
        if self.fits_branch(name, stored) { Ok(()) } else { Err(OTHER) }
    }
}
