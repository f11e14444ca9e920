//! Branches that peers offer: each begins where some history of its log ends, and that comes first.
//!
//! A branch of which nothing is held is taken where we know of the fork; of a sealed log only with its
//! beginning, which alone shows by which name a history goes. Else what follows its beginning must show that
//! there is one: our own history that holds the same place is parted there ([`super::fork_part`]), or may grow
//! up to it and no further, and the branch comes when it is asked for again. One that begins with the first
//! entry of its log has no floor: its first run is judged instead.

use std::collections::{BTreeMap, BTreeSet};

use super::accept::Batch;
use super::fork_cut::MANY_BRANCHES;
use super::forks::Seen;
use super::log::Log;
use super::{DropReason, LinkId, Node};
use crate::log::MAX_SEQ;
use crate::wire::{DeltaRun, FloorNote};
use crate::{Branch, ChainHash, ChannelId, LogId, LogName, Seq, StoredRun, Turn};

/// Where a branch is said to begin: the sequence before it, and the hash there.
type Place = (Seq, ChainHash);

/// What becomes of a branch of which nothing is held.
pub(super) enum Admission {
    Take,
    /// It comes again when the log it parts from was ended.
    Later,
    /// It comes again when the log it parts from is held so far.
    Awaits,
    /// Not in this session, and why.
    Never(&'static str),
}

impl Node {
    /// The floor of a log we hold nothing of, and what follows it.
    pub(super) fn take_first_floor(
        &mut self,
        link: LinkId,
        channel: &ChannelId,
        note: &FloorNote,
        runs: &[DeltaRun],
        batch: &mut Batch,
    ) {
        if note.floor > MAX_SEQ {
            // No log reaches so far.
            return;
        }
        if !self.is_new_branch(&note.log) || self.admits(link, note.log, (note.floor, note.hash), runs) {
            self.take_floor(channel, note, batch);
        }
    }

    /// Branches of a message that begin with the first entry of their log and may not come in.
    pub(super) fn barred(&mut self, link: LinkId, runs: &[DeltaRun]) -> BTreeSet<LogId> {
        let first = runs.iter().filter(|run| run.run.first() == 1).map(|run| run.run.log());
        let new: BTreeSet<LogId> = first.filter(|log| self.is_new_branch(log)).collect();
        let root = |log: &LogId| self.logs.name(log).map(|name| (0, name.root()));
        let new: Vec<_> = new.into_iter().filter_map(|log| Some((log, root(&log)?))).collect();
        new.into_iter()
            .filter(|(log, place)| !self.admits(link, *log, *place, runs))
            .map(|(log, _)| log)
            .collect()
    }

    fn is_new_branch(&self, log: &LogId) -> bool {
        self.logs.get(log).is_some_and(|log| log.pending().height == 0 && log.branch().is_some())
    }

    fn admits(&mut self, link: LinkId, log: LogId, place: Place, runs: &[DeltaRun]) -> bool {
        let Some(name) = self.logs.name(&log) else { return false };
        match self.judge_branch(Seen::Link(link), &name, log, place, runs) {
            Admission::Take => {
                self.forks.let_in(log, &name, place);
                true
            }
            Admission::Later | Admission::Awaits => false,
            Admission::Never(why) => {
                self.set_apart(link, &name, log, why);
                false
            }
        }
    }

    /// Whether a branch of which nothing is held may come in.
    pub(super) fn judge_branch(
        &mut self,
        seen: Seen,
        name: &LogName,
        log: LogId,
        place: Place,
        runs: &[DeltaRun],
    ) -> Admission {
        let Some(branch) = name.branch else { return Admission::Take };
        let root = LogName { branch: None, ..name.clone() };
        if root.id() != branch.parent {
            return Admission::Never("a branch of another log than it says");
        }
        let others = self.beside(&branch, &log, place);
        let count = self.count_branches(&branch.parent, &log, place);
        if let Some(why) = count.refuses(!others.is_empty()) {
            return Admission::Never(why);
        }
        // Of a file it is not told later.
        if seen == Seen::Hand && !others.is_empty() && count.may_be_full() {
            return Admission::Never(MANY_BRANCHES);
        }
        // Where histories part at the first entry nobody offers the log itself.
        if !self.know_log(root, branch.parent) {
            return Admission::Awaits;
        }
        let (at, prev) = (place.0 + 1, place.1);
        let is_known = self.knows_fork(&branch, place);
        let is_sealed = name.author.is_key();
        let is_enough = is_known && others.is_empty() && !is_sealed;
        let first = if is_enough { None } else { self.goes_on(name, log, (at, prev), runs) };
        let is_shown = first == Some(branch.first);
        let is_gone = runs.iter().all(|run| run.run.log() != log);
        let height = self.logs.get(&branch.parent).map_or(0, |root| root.stored.height);
        let is_below = height < place.0 || height == 0;
        match (is_shown, is_known) {
            (true, _) if !others.is_empty() => {
                others.into_iter().for_each(|other| self.weigh_branch(seen, other, (at, prev), log));
                Admission::Later
            }
            (false, _) if is_sealed && runs.iter().any(|run| self.may_be_left(&log, &run.run)) => {
                Admission::Later
            }
            // Where the author signs, nobody else may make two names of one history: whatever part of it was
            // offered from a place within it, a seal would vouch for that.
            (_, true) if is_shown || !is_sealed => Admission::Take,
            // Its author vouches for what came before, or nothing did: so far the log it parts from may
            // grow, no further.
            (true, false) if is_below && (is_sealed || at == 1) => {
                self.end_below(seen, branch.parent, Turn { at, prev, first: None });
                Admission::Later
            }
            // The log it parts from comes first.
            (true, _) if is_below => Admission::Awaits,
            (false, false) if is_below && first.is_none() && !is_gone => Admission::Awaits,
            // Its beginning was pruned, or all of it, and what it parts from is not held so far: both may come.
            (false, false) if is_below && !is_sealed => Admission::Take,
            (..) => Admission::Never("a branch whose place is not found"),
        }
    }

    /// Branches that a message was to bring, and did not, leave their places to others.
    pub(super) fn free_places(&mut self) {
        for log in std::mem::take(&mut self.forks.admitted) {
            self.free_place(&log);
        }
    }

    /// Nothing of a branch came to be stored: it is none of its family after all.
    pub(super) fn free_place(&mut self, id: &LogId) {
        let gone = self.logs.get(id).filter(|log| log.pending().height == 0 && !log.is_frozen());
        if let Some(branch) = gone.and_then(Log::branch) {
            self.forks.leave_family(id, &branch.parent);
        }
    }

    /// It is not asked for again in this session.
    pub(super) fn set_apart(&mut self, link: LinkId, name: &LogName, log: LogId, why: &'static str) {
        let Some(peer) = self.links.get(&link).map(|link| link.peer.clone()) else { return };
        let Some(shared) = self.shared(link, &name.channel) else { return };
        shared.todo.remove(&log);
        if shared.forks.insert(log) {
            self.drop_from(Some(peer), DropReason::Bound, why);
        }
    }

    /// Whether a history ends where this branch begins, or before: its beginning may have been pruned.
    fn knows_fork(&self, branch: &Branch, (floor, hash): Place) -> bool {
        let known = |id: &LogId| self.logs.get(id).and_then(Log::turn);
        let mut ends = self.histories(&branch.parent).filter_map(|id| known(&id));
        ends.any(|turn| turn.at <= floor || (turn.at, turn.prev) == (floor + 1, hash))
    }

    /// Other histories of the log of a branch that go on over its beginning, as far as is known.
    pub(super) fn beside(&self, branch: &Branch, id: &LogId, (at, hash): Place) -> Vec<LogId> {
        let reaches = |other: &LogId| {
            let Some(log) = self.logs.get(other).filter(|log| other != id && log.stored.height > 0) else {
                return false;
            };
            let is_empty = log.branch().is_some() && log.stored.height == at && log.holes().floor == at;
            let begins_there = is_empty || log.begins() == Some((at, hash));
            let is_over = log.holes().floor <= at && at <= log.stored.height && at < log.end();
            is_over && !begins_there && !self.forks.strangers.contains(&(*other, at, hash))
        };
        self.histories(&branch.parent).filter(reaches).collect()
    }

    /// A log and its branches.
    fn histories(&self, root: &LogId) -> impl Iterator<Item = LogId> + use<'_> {
        [*root].into_iter().chain(self.branches(root))
    }

    /// Branches of a log of which something is held or on its way to the store.
    fn branches(&self, root: &LogId) -> impl Iterator<Item = LogId> + use<'_> {
        self.forks.families.get(root).into_iter().flat_map(BTreeMap::keys).copied()
    }

    /// Whether the first run of a branch begins with the hash the branch is named by; else it is told.
    pub(super) fn begins_branch(&mut self, link: LinkId, name: &LogName, stored: &StoredRun) -> bool {
        let fits = self.fits_branch(name, stored);
        if !fits {
            let peer = self.links.get(&link).map(|link| link.peer.clone());
            self.drop_from(peer, DropReason::BrokenChain, "a branch that does not begin as its name says");
        }
        fits
    }

    pub(super) fn fits_branch(&self, name: &LogName, stored: &StoredRun) -> bool {
        let Some(branch) = name.branch else { return true };
        let first = stored.run.first();
        let begins = self.histories(&branch.parent).any(|id| {
            let turn = self.logs.get(&id).and_then(Log::turn);
            turn.is_some_and(|turn| (turn.at, turn.prev) == (first, stored.prev))
        });
        !begins || stored.hash_at(first).is_ok_and(|hash| hash == branch.first)
    }
}
