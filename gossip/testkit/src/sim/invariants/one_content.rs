//! One position of one log has one content, on all disks and for all time.

use std::collections::{BTreeMap, BTreeSet};

use gossip_proto::{ChainHash, CommitItem, LogId, LogName, Seq, StoreRequest};

use super::{Check, Invariant};
use crate::sim::fact::{Fact, Scene};

#[derive(Debug, Default)]
pub(super) struct OneContent {
    /// Logs of a restored backup, which nobody could keep from forking, and their branches where it was restored
    /// again.
    may_fork: BTreeSet<LogId>,
    known: BTreeMap<(LogId, Seq), ChainHash>,
}

impl OneContent {
    fn meet(&mut self, log: &LogName, position: Seq, hash: ChainHash) -> Check {
        let known = *self.known.entry((log.id(), position)).or_insert(hash);
        if known == hash || self.may_fork.contains(&log.id()) || self.may_fork.contains(&log.first_log()) {
            return Ok(());
        }
        let log = log.id();
        Err(format!("{log:?} at {position}: {hash:?} here, {known:?} elsewhere or before"))
    }
}

impl Invariant for OneContent {
    fn name(&self) -> &'static str {
        "one_content"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        if let Fact::Restored(may_fork) = &scene.fact {
            self.may_fork.extend(*may_fork);
        }
        let Fact::Written(StoreRequest::Commit { items, .. }) = &scene.fact else { return Ok(()) };
        for item in items {
            match item {
                CommitItem::Run { log, prev, run, .. } | CommitItem::Fill { log, prev, run, .. } => {
                    for (position, hash) in (run.first()..).zip(run.hashes(*prev)) {
                        self.meet(log, position, hash)?;
                    }
                }
                CommitItem::Adopt { log, floor, hash, .. } => self.meet(log, *floor, *hash)?,
            }
        }
        Ok(())
    }
}
