//! What peers hold of a log beyond the place where it ends here.
//!
//! A log ends where a branch was shown to begin, before that branch comes in: whoever offers it gives it again. They
//! may not, if power goes at the only one who held it. Then nobody else knows of the fork, and what they hold beyond
//! the place is one of its histories all the same. It comes in as the branch it is; by that they learn where
//! the log ends.

use super::accept::Batch;
use super::log::Log;
use super::{LinkId, Node};
use crate::wire::{DeltaRun, FloorNote};
use crate::{ChainHash, ChannelId, LogId, LogName, NodeId, Run, Seq, Stamp, StoredRun};

impl Node {
    /// How far peers can tell of something of a log: up to where it ends, unless what follows is wanted too.
    pub(super) fn reach(&self, id: &LogId) -> Seq {
        let end = self.logs.get(id).map_or(Seq::MAX, Log::end);
        if end < Seq::MAX && self.lacks_branch(id) { Seq::MAX } else { end }
    }

    /// Whether nothing is held or on its way that follows where a log ends.
    fn lacks_branch(&self, id: &LogId) -> bool {
        let Some(log) = self.logs.get(id) else { return false };
        let Some(turn) = log.turn().filter(|turn| turn.first.is_none()) else { return false };
        let (root, place) = (log.first_log(), (turn.at - 1, turn.prev));
        // Where the beginning of a branch was pruned nobody knows where that was.
        let pruned = |log: &LogId| self.logs.get(log).is_some_and(|log| log.begins().is_none());
        let begins_there = |(log, begins): (&LogId, &(Seq, ChainHash))| {
            *begins == place || begins.0 >= turn.at && pruned(log)
        };
        let mut family = self.forks.families.get(&root).into_iter().flatten();
        !family.any(begins_there) && self.count_branches(&root, id, place).refuses(false).is_none()
    }

    /// A run that lies beyond where its log ends, from someone who does not know that it does.
    pub(super) fn take_beyond(
        &mut self,
        link: LinkId,
        (channel, peer): (&ChannelId, &NodeId),
        name: &LogName,
        run: &Run,
        batch: &mut Batch,
    ) {
        let Some(turn) = self.logs.get(&name.id()).and_then(Log::turn) else { return };
        let place = (turn.at - 1, turn.prev);
        if run.first() == turn.at && self.lacks_branch(&name.id()) {
            self.begin_branch((channel, peer), name, place, run, batch);
        }
        let family = self.forks.families.get(&name.first_log()).into_iter().flatten();
        let here: Vec<LogId> = family.filter(|(_, begins)| **begins == place).map(|(log, _)| *log).collect();
        for log in here {
            let Some(held) = self.logs.get(&log) else { continue };
            let tip = held.pending();
            let moved = StoredRun { prev: tip.hash, run: run.clone() }.relabel(log);
            let follows = run.first() == tip.height + 1 && run.verify(tip.hash).is_ok();
            if let Some(StoredRun { run, .. }) = moved.filter(|_| follows) {
                return self.take_run(link, channel, peer, DeltaRun { prev: None, run }, batch);
            }
        }
    }

    /// Begins the branch that a run is the first one of, where that follows from the place.
    fn begin_branch(
        &mut self,
        (channel, peer): (&ChannelId, &NodeId),
        name: &LogName,
        (floor, hash): (Seq, ChainHash),
        run: &Run,
        batch: &mut Batch,
    ) {
        let stored = StoredRun { prev: hash, run: run.clone() };
        let Ok(first) = stored.hash_at(run.first()) else { return };
        if run.verify(hash).is_err() {
            return;
        }
        let name = name.branching(first);
        let log = name.id();
        if !self.know_log(name.clone(), log) {
            return self.tell_crowded(peer);
        }
        self.forks.let_in(log, &name, (floor, hash));
        let note = FloorNote { log, floor, hash, stamp: Stamp::ZERO, seal: None };
        self.take_floor(channel, &note, batch);
    }
}
