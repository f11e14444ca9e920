//! Forks: two histories under the name of one log.
//!
//! Where they part is searched with the peer ([`super::fork_search`]). Then the log ends there, on every
//! replica that learns of it, and each history that goes on is a log of its own, named by the log and its
//! first hash ([`Branch`]): an ordinary log that begins at a floor, and travels as one. What we hold of the
//! log above the place moves to the branch it belongs to ([`super::fork_part`]).

use std::time::Duration;

use super::accept::Batch;
use super::forks::ForkOp;
use super::log::{Log, Tip};
use super::sealed::Vouch;
use super::{DropReason, Event, LinkId, Node};
use crate::wire::{DeltaRun, FloorNote};
use crate::{
    Branch, ChainHash, ChannelId, LogId, LogName, Seal, Seq, StoreFailure, StoreReply, StoredRun, Turn,
};

/// Branches of one log that are taken from peers. Whoever writes many histories of one log gets no room
/// for more.
pub(super) const BRANCHES: usize = 8;

/// A search that came to nothing rests so long.
const RETRY: Duration = Duration::from_secs(1);
/// The wire version that can search.
const SEARCHES: u8 = 2;

impl Node {
    /// A peer holds another history of a log than we do: the place is searched, once in a session.
    pub(super) fn fork(&mut self, id: LinkId, channel: &ChannelId, log: LogName, log_id: LogId, at: Seq) {
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        let speaks = self.spoken(id) >= SEARCHES;
        let Some(shared) = self.shared(id, channel) else { return };
        shared.todo.remove(&log_id);
        if shared.forks.insert(log_id) {
            if speaks {
                self.search_fork(id, channel, log_id, at);
            } else {
                self.notify(Event::ForkDetected { log, at, peer });
            }
            // If it is theirs, they must learn of it too; of several offers this is the last one.
            self.offer_some(id, channel, &[log_id]);
        }
        // Our own current log in another version: a clone of this device, or a restored backup.
        self.retire(log_id);
    }

    /// A run does not continue our chain: it may be of another history. Searched like a fork that was seen;
    /// but nothing is done before it is found. False when that is under way.
    pub(super) fn look_for_fork(&mut self, id: LinkId, channel: &ChannelId, log: LogId, last: Seq) -> bool {
        let holds = self.logs.get(&log).is_some_and(|log| log.stored.height > 0);
        let searches = self.spoken(id) >= SEARCHES && holds;
        let new = searches && self.shared(id, channel).is_some_and(|shared| shared.forks.insert(log));
        if new {
            self.search_fork(id, channel, log, last);
        }
        new
    }

    pub(super) fn on_fork_stored(&mut self, what: ForkOp, result: Result<StoreReply, StoreFailure>) {
        match what {
            ForkOp::Answer(link) => self.answer_positions(link, result),
            ForkOp::Search(link, log) => self.on_own_hashes(link, log, result),
            ForkOp::Part(log) => self.on_part_stored(log, result),
        }
    }

    /// What came to nothing may be tried again when the fork is seen again, but not at once: it could go on
    /// like that as fast as the link carries it.
    pub(super) fn fork_again(&mut self, link: LinkId, log: LogId) {
        if self.links.contains_key(&link) {
            self.forks.again.insert((link, log), self.now.tick + RETRY);
        }
    }

    /// Lets what came to nothing be tried again.
    pub(super) fn lift_forks(&mut self, link: LinkId) {
        let now = self.now.tick;
        let again = self.forks.again.iter().filter(|((of, _), at)| *of == link && **at <= now);
        for key in again.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.forks.again.remove(&key);
            let Some((channel, _)) = self.log_place(&key.1) else { continue };
            self.shared(link, &channel).into_iter().for_each(|shared| _ = shared.forks.remove(&key.1));
        }
    }

    /// The floor of a log we hold nothing of, and what follows it. That of a branch is taken where we know of
    /// the fork; else what follows must show that there is one, and the fork comes first.
    pub(super) fn take_first_floor(
        &mut self,
        link: LinkId,
        channel: &ChannelId,
        note: &FloorNote,
        runs: &[DeltaRun],
        batch: &mut Batch,
    ) {
        let first = self.logs.get(&note.log).filter(|log| log.pending().height == 0);
        let branch = first.and_then(|log| Some((self.logs.name_of(log)?, log.branch()?)));
        let Some((name, branch)) = branch else { return self.take_floor(channel, note, batch) };
        if self.branches(&branch.parent).count() >= BRANCHES {
            return self.set_apart(link, channel, note.log);
        }
        if self.knows_fork(&branch, note) {
            return self.take_floor(channel, note, batch);
        }
        let Some(height) = self.logs.get(&branch.parent).map(|log| log.stored.height) else { return };
        let (at, prev) = (note.floor + 1, note.hash);
        let is_shown = self.goes_on(&name, note.log, (at, prev), runs) == Some(branch.first);
        match self.passing(&branch, note.floor).filter(|_| is_shown) {
            Some(log) => self.part_log(link, log, at, Some(prev)),
            // Its author vouches for what came before: so far the log it parts from may grow, no further.
            None if is_shown && height < note.floor && name.author.is_key() => {
                self.end_below(link, branch.parent, Turn { at, prev, first: None });
            }
            // The log it parts from comes first.
            None if height < note.floor => {}
            None => self.set_apart(link, channel, note.log),
        }
    }

    /// The first hash of what follows a place in a history, if these runs show it: they chain, and of a
    /// sealed log a seal vouches for them.
    pub(super) fn goes_on(
        &mut self,
        name: &LogName,
        log: LogId,
        (mut at, mut prev): (Seq, ChainHash),
        runs: &[DeltaRun],
    ) -> Option<ChainHash> {
        let mut first = None;
        for DeltaRun { run, .. } in runs.iter().filter(|run| run.run.log() == log) {
            if run.first() != at {
                continue;
            }
            let hash = run.verify(prev).ok()?;
            first = first.or_else(|| StoredRun { prev, run: run.clone() }.hash_at(at).ok());
            if !name.author.is_key() {
                return first;
            }
            let end = Tip { height: run.last(), hash, stamp: run.last_stamp() };
            match self.vouch(name, end, run.seal().map(|seal| Seal::from_slice(seal))) {
                Vouch::Good => return first,
                Vouch::Bad => return None,
                Vouch::Nothing => (at, prev) = (run.last() + 1, hash),
            }
        }
        None
    }

    /// It is not asked for again in this session.
    fn set_apart(&mut self, link: LinkId, channel: &ChannelId, log: LogId) {
        if let Some(shared) = self.shared(link, channel) {
            shared.forks.insert(log);
            shared.todo.remove(&log);
        }
    }

    /// Whether a history ends where this branch begins, or before: its beginning may have been pruned.
    pub(super) fn knows_fork(&self, branch: &Branch, note: &FloorNote) -> bool {
        let known = |id: &LogId| self.logs.get(id).and_then(Log::turn);
        let mut ends = self.histories(&branch.parent).filter_map(|id| known(&id));
        ends.any(|turn| turn.at <= note.floor || (turn.at, turn.prev) == (note.floor + 1, note.hash))
    }

    /// A history of a log that reaches over a place.
    pub(super) fn passing(&self, branch: &Branch, at: Seq) -> Option<LogId> {
        let reaches = |id: &LogId| {
            let log = self.logs.get(id);
            log.is_some_and(|log| log.holes().floor <= at && at <= log.stored.height && at < log.end())
        };
        self.histories(&branch.parent).find(reaches)
    }

    /// A log and its branches.
    fn histories(&self, root: &LogId) -> impl Iterator<Item = LogId> {
        [*root].into_iter().chain(self.branches(root))
    }

    /// Branches of a log of which something is held.
    pub(super) fn branches(&self, root: &LogId) -> impl Iterator<Item = LogId> + use<'_> {
        let root = *root;
        let stream = self.logs.get(&root).and_then(|log| self.stream_of(log));
        let held =
            stream.into_iter().flat_map(|stream| self.logs.of(stream.logs)).filter(|log| log.is_written());
        let of_root = move |log: &&Log| log.branch().is_some_and(|branch| branch.parent == root);
        held.filter(of_root).map(|log| log.id)
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
