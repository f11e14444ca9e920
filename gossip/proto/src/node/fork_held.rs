//! What the branches we hold say of the histories beside them.
//!
//! A branch begins where other histories of its log end. That is seen to before it comes in
//! ([`super::fork_branch`]); but power may be lost after what followed the place was copied and before the
//! log was cut, a branch may be imported, and a log beside it may be given to us by someone who does not know
//! of the fork. So branches are looked at when the node starts, and when they or a log beside them came to
//! reach over the beginning: whoever holds the same place and goes on is parted there. Until that was done
//! nothing is taken into the branch, so that what is copied to it meets nothing but itself.

use std::collections::BTreeMap;
use std::time::Duration;

use super::forks::{ForkOp, Seen};
use super::log::{Log, Tip};
use super::ops::Op;
use super::repair::Mending;
use super::{Node, Timer};
use crate::{ChainHash, Fault, LogId, Run, Seq, SeqRange, StoreFailure, StoreReply, StoreRequest, Turn};

/// What has to wait is looked at again after so long.
const PAUSE: Duration = Duration::from_secs(2);

impl Node {
    /// A branch that the store holds at the start.
    pub(super) fn load_branch(&mut self, id: LogId) {
        let log = self.logs.get(&id).filter(|log| log.is_written());
        if let Some((log, branch)) = log.and_then(|log| Some((log, log.branch()?))) {
            let place = log.starts().unwrap_or((0, ChainHash([0; 32])));
            self.forks.families.entry(branch.parent).or_default().entry(id).or_insert(place);
            self.forks.unsure.insert(id, self.now.tick);
        }
    }

    /// A log reached a height above `from`: a branch that is new, or one that goes on over the beginning of
    /// others.
    pub(super) fn note_growth(&mut self, id: LogId, from: Seq) {
        let Some(log) = self.logs.get(&id) else { return };
        let (upto, first, starts) = (log.stored.height, log.first_log(), log.starts());
        if starts.is_some_and(|(at, _)| from <= at && at < upto) {
            self.load_branch(id);
        }
        self.suspect_family(first, id, from, upto);
    }

    /// Branches that begin within what a log beside them now holds more.
    fn suspect_family(&mut self, root: LogId, id: LogId, from: Seq, upto: Seq) {
        let Some(family) = self.forks.families.get(&root) else { return };
        let near = |branch: &&LogId| {
            let begins = self.logs.get(branch).and_then(Log::begins);
            **branch != id && begins.is_some_and(|(at, _)| from <= at && at <= upto)
        };
        for branch in family.keys().filter(near) {
            self.forks.unsure.insert(*branch, self.now.tick);
        }
        self.look_at_branches();
    }

    /// Something came into a hole of a log: the place of a fork that lay there may be known now.
    pub(super) fn note_filled(&mut self, id: LogId, range: SeqRange) {
        let Some(log) = self.logs.get(&id) else { return };
        let near = range.first - 1..=range.last;
        let (first, starts) = (log.first_log(), log.starts());
        self.forks.strangers.retain(|(log, at, _)| *log != id || !near.contains(at));
        if starts.is_some_and(|(at, _)| near.contains(&at)) {
            self.load_branch(id);
        }
        self.suspect_family(first, id, *near.start(), *near.end());
    }

    /// What could not be done beside a branch is tried again.
    pub(super) fn look_again(&mut self, branch: LogId, after: Duration) {
        self.forks.unsure.insert(branch, self.now.tick + after);
        self.timers.bring_forward(Timer::Forks, self.now.tick + after);
    }

    /// Looks at the branches whose time has come, one after the other. Those that nothing goes on beside are
    /// done.
    pub(super) fn look_at_branches(&mut self) {
        while self.forks.looking.is_none() {
            let now = self.now.tick;
            let due = self.forks.unsure.iter().find(|(_, at)| **at <= now).map(|(branch, _)| *branch);
            let Some(id) = due else {
                // What the timer was set for may have been done before.
                let next = self.forks.unsure.values().min().copied();
                return next.into_iter().for_each(|at| self.timers.bring_forward(Timer::Forks, at));
            };
            let Some(log) = self.logs.get(&id) else {
                self.forks.unsure.remove(&id);
                continue;
            };
            match (log.begins(), log.starts()) {
                (Some(place), _) => self.part_beside(id, place),
                (None, Some((at, _))) if log.holes().floor == at && log.knows_hash(at + 1) => {
                    self.forks.looking = Some(id);
                    let request = StoreRequest::HashAt { log: id, positions: vec![at + 1] };
                    self.store(Op::Fork(ForkOp::Look(id)), request);
                }
                _ => _ = self.forks.unsure.remove(&id),
            }
        }
    }

    /// The first hash held of a branch is known: where it is the one of its name, it begins there.
    pub(super) fn on_looked(&mut self, id: LogId, result: Result<StoreReply, StoreFailure>) {
        self.forks.looking = None;
        match (result, self.logs.get_mut(&id)) {
            (Ok(StoreReply::Hashes(found)), Some(log)) => {
                match log.verify_beginning(found.first().copied()) {
                    true => self.lift_left(id),
                    false => _ = self.forks.unsure.remove(&id),
                }
            }
            (Err(failure), Some(log)) if failure.fault == Fault::Corrupt => {
                let at = log.starts().map_or(1, |(at, _)| at + 1);
                self.forks.unsure.remove(&id);
                self.isolate(id, at, Mending::Refill);
            }
            (Err(failure), Some(_)) if failure.fault != Fault::Rejected => self.look_again(id, PAUSE),
            _ => _ = self.forks.unsure.remove(&id),
        }
        self.look_at_branches();
    }

    /// Ends whatever goes on over the beginning of a branch.
    fn part_beside(&mut self, id: LogId, (at, prev): (Seq, ChainHash)) {
        let branch = self.logs.get(&id).and_then(Log::branch);
        let others = branch.map_or_else(Vec::new, |branch| self.beside(&branch, &id, (at, prev)));
        if others.is_empty() {
            self.forks.unsure.remove(&id);
            return;
        }
        self.look_again(id, PAUSE);
        others.into_iter().for_each(|other| self.part_log(Seen::Branch(id), other, at + 1, prev));
    }

    /// Something beside the branches of a log ended, or came to nothing.
    pub(super) fn look_beside(&mut self, log: LogId) {
        let root = self.logs.get(&log).map_or(log, Log::first_log);
        let family = self.forks.families.get(&root).into_iter().flat_map(BTreeMap::keys);
        let waiting = family.filter(|id| self.forks.unsure.contains_key(*id)).copied();
        for id in waiting.collect::<Vec<_>>() {
            let place = self.logs.get(&id).and_then(|log| log.branch().zip(log.begins()));
            if place.is_some_and(|(branch, place)| self.beside(&branch, &id, place).is_empty()) {
                self.forks.unsure.remove(&id);
            }
        }
    }

    /// Whether a run of a log may end where a branch begins: that was not read yet.
    pub(super) fn may_be_left(&self, id: &LogId, run: &Run) -> bool {
        let root = self.logs.get(id).map_or(*id, Log::first_log);
        let family = self.forks.families.get(&root).into_iter().flat_map(BTreeMap::keys);
        let unread =
            family.filter(|id| self.forks.unsure.contains_key(*id)).filter_map(|id| self.logs.get(id));
        let mut starts = unread.filter(|log| log.begins().is_none()).filter_map(Log::starts);
        run.log() == *id && starts.any(|(at, hash)| (at, hash.check()) == (run.last(), run.check()))
    }

    /// It is known where a sealed branch begins, which vouches for what it left: that may be asked for again.
    fn lift_left(&mut self, id: LogId) {
        let Some(name) = self.logs.name(&id).filter(|name| name.author.is_key()) else { return };
        if self.lift_apart(&name, |log| log.pending().height == 0) {
            self.compare_soon(&name.channel);
        }
    }

    /// The end of a log at this place, if a branch that is held begins there.
    pub(super) fn left_at(&self, id: &LogId, end: Tip) -> Option<Turn> {
        let begins = self.family(id).any(|begins| begins == Some((end.height, end.hash)));
        begins.then_some(Turn { at: end.height + 1, prev: end.hash, first: None })
    }

    /// Where the branches beside a log begin, as far as they are held.
    pub(super) fn family(&self, id: &LogId) -> impl Iterator<Item = Option<(Seq, ChainHash)>> + use<'_> {
        let root = self.logs.get(id).map_or(*id, Log::first_log);
        let others = self.forks.families.get(&root).into_iter().flat_map(BTreeMap::keys);
        others.filter_map(|id| self.logs.get(id)).map(Log::begins)
    }
}
