//! What peers hold of a log beyond the place where it ends here.
//!
//! A log ends where a branch was shown to begin, before that branch comes in: whoever offers it gives it again. They
//! may not, if power goes at the only one who held it. Then nobody else knows of the fork, and what they hold beyond
//! the place is one of its histories all the same. It comes in as the branch it is; by that they learn where
//! the log ends.

use std::collections::BTreeMap;

use super::accept::Batch;
use super::log::Log;
use super::{LinkId, Node};
use crate::wire::{DeltaRun, FloorNote};
use crate::{Branch, ChannelId, LogId, LogName, NodeId, Seq, Stamp, StoredRun};

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
        let mut family = self.forks.families.get(&root).into_iter().flat_map(BTreeMap::values);
        !family.any(|begins| *begins == place)
            && self.count_branches(&root, id, place).refuses(false).is_none()
    }

    /// A run that follows where its log ends, from someone who does not know that it does.
    pub(super) fn take_beyond(
        &mut self,
        link: LinkId,
        (channel, peer): (&ChannelId, &NodeId),
        name: &LogName,
        stored: &StoredRun,
        batch: &mut Batch,
    ) {
        if !self.lacks_branch(&name.id()) {
            return;
        }
        let (at, prev, parent) = (stored.run.first(), stored.prev, name.first_log());
        let Ok(first) = stored.hash_at(at) else { return };
        let name = LogName { branch: Some(Branch { parent, first }), ..name.clone() };
        let log = name.id();
        if !self.know_log(name.clone(), log) {
            return self.tell_crowded(peer);
        }
        let Some(StoredRun { run, .. }) = stored.relabel(log) else { return };
        self.forks.let_in(log, &name, (at - 1, prev));
        let floor = FloorNote { log, floor: at - 1, hash: prev, stamp: Stamp::ZERO, seal: None };
        self.take_floor(channel, &floor, batch);
        self.take_run(link, channel, peer, DeltaRun { prev: None, run }, batch);
    }
}
