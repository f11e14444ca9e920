//! How many branches of a log are kept, and those that show nothing but the history we hold ourselves.
//!
//! Where a branch begins is shown by one history alone, so any member can offer the end of a log as a branch of
//! it, from any place. Whoever met another history there before has to be believed all the same. So such
//! *cuts* take no room from branches that do differ, are limited by themselves, and end an epoch of ours
//! seldom. Before a log of ours is parted for a branch, its own hashes are read to tell the two apart.

use std::collections::BTreeMap;
use std::time::Duration;

use super::forks::{AT_ONCE, ForkOp, Seen, Weighing};
use super::log::Log;
use super::ops::Op;
use super::{LinkId, Node, OpId};
use crate::{ChainHash, LogId, Seq, StoreFailure, StoreReply, StoreRequest, Tick};

/// Branches of one log that begin where others do, and are taken from peers. Whoever writes many histories of
/// one log gets no room for more.
const BRANCHES: usize = 8;
/// The same for branches beside which no other one begins: cuts, and those whose other side is not held yet.
const CUTS: usize = 64;
/// After a cut ended an epoch of ours none ends another one of the stream for so long.
const REST: Duration = Duration::from_secs(600);

pub(super) const MANY_BRANCHES: &str = "more branches of a log than are kept";
const MANY_CUTS: &str = "more places where a log is cut than are kept";

/// Branches of a log but one.
pub(super) struct Count {
    /// Those that begin where others do.
    differing: usize,
    lone: usize,
    /// Whether others begin where that one does.
    is_beside: bool,
}

impl Count {
    /// Why there is no room for that one, if there is none. `may_differ`: what it differs from may not be a
    /// branch yet. Where nothing is known beside it, more may come than of those that are known to be cuts: it may
    /// be one of two that differ.
    pub(super) fn refuses(&self, may_differ: bool) -> Option<&'static str> {
        let (branches, cuts) = (self.differing >= BRANCHES, self.lone >= CUTS);
        match (self.is_beside, may_differ) {
            (true, _) => branches.then_some(MANY_BRANCHES),
            (false, true) => (cuts && branches).then_some(MANY_CUTS),
            (false, false) => (self.lone >= CUTS + BRANCHES).then_some(MANY_CUTS),
        }
    }

    /// Whether there may be no room for one that is judged once and for all.
    pub(super) fn may_be_full(&self) -> bool {
        self.differing >= BRANCHES || self.lone >= CUTS
    }
}

impl Node {
    /// Counts the branches of a log beside one that begins at this place.
    pub(super) fn count_branches(&self, root: &LogId, id: &LogId, place: (Seq, ChainHash)) -> Count {
        let mut places = BTreeMap::<_, usize>::new();
        for (_, (at, hash)) in
            self.forks.families.get(root).into_iter().flatten().filter(|(other, _)| *other != id)
        {
            *places.entry((*at, hash.0)).or_default() += 1;
        }
        let lone = places.values().filter(|count| **count == 1).count();
        let differing = places.values().sum::<usize>() - lone;
        Count { differing, lone, is_beside: places.contains_key(&(place.0, place.1.0)) }
    }

    /// A branch shows that a log goes on otherwise from a place, or that it goes on so.
    pub(super) fn weigh_branch(
        &mut self,
        seen: Seen,
        log: LogId,
        (at, prev): (Seq, ChainHash),
        branch: LogId,
    ) {
        let held = self.logs.get(&log);
        let is_known = held.is_some_and(|held| held.knows_hash(at - 1) && held.knows_hash(at));
        if !is_known {
            return self.part_log(seen, log, at, prev);
        }
        if self.forks.weighing.len() >= AT_ONCE || self.forks.weighing.contains_key(&log) {
            return self.part_again(seen, log);
        }
        let request = StoreRequest::HashAt { log, positions: vec![at - 1, at] };
        let op = self.store(Op::Fork(ForkOp::Weigh(log)), request);
        self.forks.weighing.insert(log, Weighing { seen, at, prev, branch, op });
    }

    /// Our own hashes around the place are known.
    pub(super) fn on_weighed(&mut self, log: LogId, op: OpId, result: Result<StoreReply, StoreFailure>) {
        if self.forks.weighing.get(&log).is_none_or(|weighing| weighing.op != op) {
            return;
        }
        let Some(Weighing { seen, at, prev, branch, .. }) = self.forks.weighing.remove(&log) else { return };
        let Some(first) = self.logs.get(&branch).and_then(Log::branch) else { return };
        if let Ok(StoreReply::Hashes(hashes)) = result
            && hashes.first() == Some(&prev)
        {
            let is_cut = hashes.get(1) == Some(&first.first);
            let count = self.count_branches(&first.parent, &branch, (at - 1, prev));
            let full = if is_cut { count.lone >= CUTS } else { count.differing >= BRANCHES };
            if full {
                return self.refuse(seen, branch, if is_cut { MANY_CUTS } else { MANY_BRANCHES });
            }
            if is_cut
                && let Seen::Link(link) = seen
                && let Some(until) = self.spares_epoch(log)
            {
                return self.put_off(link, branch, until);
            }
        }
        self.part_log(seen, log, at, prev);
    }

    fn refuse(&mut self, seen: Seen, branch: LogId, why: &'static str) {
        if let (Seen::Link(link), Some(name)) = (seen, self.logs.name(&branch)) {
            self.set_apart(link, &name, branch, why);
        }
    }

    /// A branch is not asked for on a link before that.
    fn put_off(&mut self, link: LinkId, branch: LogId, until: Tick) {
        let Some((channel, _)) = self.log_place(&branch) else { return };
        let Some(shared) = self.shared(link, &channel) else { return };
        shared.todo.remove(&branch);
        shared.forks.insert(branch);
        self.lift_fork_at(link, branch, until);
    }

    /// A cut would end our epoch: until when it does not, if another one did before. Else it is noted.
    fn spares_epoch(&mut self, log: LogId) -> Option<Tick> {
        let stream = self.logs.get(&log).and_then(|log| self.stream_of(log))?;
        if stream.writer() != Some(log) || !self.record.id.is_key() {
            return None;
        }
        let (place, now) = (self.log_place(&log)?, self.now.tick);
        self.forks.spared.retain(|_, until| *until > now);
        let until = self.forks.spared.get(&place).copied();
        if until.is_none() {
            self.forks.spared.insert(place, now + REST);
        }
        until
    }
}
