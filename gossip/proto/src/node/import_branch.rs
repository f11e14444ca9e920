//! Branches of forks that are imported: as from a peer, the fork has to be known or shown, and comes first.

use super::fork_branch::Admission;
use super::forks::Seen;
use super::{CommandError, Node};
use crate::wire::DeltaRun;
use crate::{ChainHash, LogId, LogName, Seq, StoredRun};

impl Node {
    /// Whether a branch of which nothing is held may be taken from a file, where it begins like that. Where it
    /// shows a fork that is not known here, the log it parts from is ended first: busy until it is.
    pub(super) fn admit_branch(
        &mut self,
        id: LogId,
        part: &[StoredRun],
        place: (Seq, ChainHash),
    ) -> Result<(), CommandError> {
        let first = self.logs.get(&id).filter(|log| log.pending().height == 0 && log.branch().is_some());
        let Some(name) = first.and_then(|log| self.logs.name_of(log)) else { return Ok(()) };
        let runs = part.iter().map(|stored| DeltaRun { prev: None, run: stored.run.clone() });
        let runs: Vec<DeltaRun> = runs.collect();
        match self.judge_branch(Seen::Hand, &name, id, place, &runs) {
            Admission::Take => {
                self.forks.let_in(id, &name, place);
                Ok(())
            }
            Admission::Later => Err(CommandError::Busy),
            Admission::Awaits => {
                Err(CommandError::Unplaced { log: id, why: "a branch of a log that is not held up to there" })
            }
            Admission::Never(why) => Err(CommandError::Unplaced { log: id, why }),
        }
    }

    pub(super) fn check_branch(&self, name: &LogName, stored: &StoredRun) -> Result<(), CommandError> {
        match self.fits_branch(name, stored) {
            true => Ok(()),
            false => Err(CommandError::Invalid("a branch that does not begin as its name says")),
        }
    }
}
