//! Forks: two histories under the name of one log.
//!
//! Where they part is searched with the peer ([`super::fork_search`]). Then the log ends there, on every
//! replica that learns of it, and each history that goes on is a log of its own, named by the log and its
//! first hash ([`Branch`]): an ordinary log that begins at a floor, and travels as one. What we hold of the
//! log above the place moves to the branch it belongs to ([`super::fork_part`]). A branch that is offered
//! shows the fork to those who did not hear of it ([`super::fork_branch`]), and one that is held to whoever
//! lost power in the midst of all that ([`super::fork_held`]).

use std::time::Duration;

use super::forks::{ForkOp, Seen, of_link};
use super::log::{Log, Tip};
use super::sealed::Vouch;
use super::{Event, LinkId, Node, OpId, Timer};
use crate::wire::DeltaRun;
use crate::{ChainHash, ChannelId, LogId, LogName, Seal, Seq, StoreFailure, StoreReply, StoredRun, Tick};

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
                self.notify(Event::ForkDetected { log: log.clone(), at, peer });
            }
            // If it is theirs, they must learn of it too; of several offers this is the last one.
            self.offer_some(id, channel, &[log_id]);
        }
        // Our own current log in another version: a clone of this device, or a restored backup. Where seals
        // are due only what carries them may end our epoch: anybody could make up the rest.
        if !log.author.is_key() {
            self.retire(log_id);
        }
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

    pub(super) fn on_fork_stored(
        &mut self,
        what: ForkOp,
        op: OpId,
        result: Result<StoreReply, StoreFailure>,
    ) {
        match what {
            ForkOp::Answer(link) => self.answer_positions(link, result),
            ForkOp::Search(link, log) => self.on_own_hashes(link, log, op, result),
            ForkOp::Part(log) => self.on_part_stored(log, op, result),
            ForkOp::Look(branch) => self.on_looked(branch, result),
            ForkOp::Weigh(log) => self.on_weighed(log, op, result),
        }
    }

    /// The same, whatever showed it.
    pub(super) fn part_again(&mut self, seen: Seen, log: LogId) {
        match seen {
            Seen::Link(link) => self.fork_again(link, log),
            Seen::Branch(branch) => self.look_again(branch, RETRY),
            Seen::Hand => {}
        }
    }

    /// What came to nothing may be tried again when the fork is seen again, but not at once: it could go on
    /// like that as fast as the link carries it.
    pub(super) fn fork_again(&mut self, link: LinkId, log: LogId) {
        self.lift_fork_at(link, log, self.now.tick + RETRY);
    }

    /// Until then it rests.
    pub(super) fn lift_fork_at(&mut self, link: LinkId, log: LogId, at: Tick) {
        if self.links.contains_key(&link) {
            self.forks.again.insert((link, log), at);
            self.timers.bring_forward(Timer::Search(link), at);
        }
    }

    /// Lets what came to nothing be tried again.
    pub(super) fn lift_forks(&mut self, link: LinkId) {
        let now = self.now.tick;
        let again = self.forks.again.range(of_link(link)).filter(|(_, at)| **at <= now);
        for key in again.map(|(key, _)| *key).collect::<Vec<_>>() {
            self.forks.again.remove(&key);
            let Some((channel, _)) = self.log_place(&key.1) else { continue };
            self.shared(link, &channel).into_iter().for_each(|shared| _ = shared.forks.remove(&key.1));
        }
    }

    /// What was set apart of a log and its branches may be asked for again, as far as it is meant. Whether
    /// anything was.
    pub(super) fn lift_apart(&mut self, name: &LogName, is_meant: impl Fn(&Log) -> bool) -> bool {
        let (first, mut any) = (name.first_log(), false);
        for link in self.established().collect::<Vec<_>>() {
            let logs = &self.logs;
            let is_kept =
                |id: &LogId| logs.get(id).is_none_or(|log| log.first_log() != first || !is_meant(log));
            let session = self.links.get_mut(&link).and_then(|link| link.session.as_mut());
            let shared = session.and_then(|session| session.shared.get_mut(&name.channel));
            let Some(shared) = shared else { continue };
            let before = shared.forks.len();
            shared.forks.retain(is_kept);
            any |= shared.forks.len() < before;
        }
        any
    }

    /// The first hash of what follows a place in a history, if these runs show it: they chain, and of a
    /// sealed log a seal vouches for them, or a branch that begins where they end.
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
                // A seal of what left it there vouches for this as well.
                Vouch::Nothing if self.left_at(&log, end).is_some() => return first,
                Vouch::Nothing => (at, prev) = (run.last() + 1, hash),
            }
        }
        None
    }

    /// A run contradicts a sealed log of ours: with our seal behind it somebody else writes as we do.
    pub(super) fn retire_for(&mut self, name: &LogName, received: &DeltaRun) {
        if self.is_vouched(name, received) {
            self.retire(received.run.log());
        }
    }

    /// Whether a run of a sealed log ends at a seal of its author, after the hash it says it follows.
    pub(super) fn is_vouched(&mut self, name: &LogName, received: &DeltaRun) -> bool {
        let DeltaRun { prev: Some(prev), run } = received else { return false };
        let Ok(hash) = run.verify(*prev) else { return false };
        let end = Tip { height: run.last(), hash, stamp: run.last_stamp() };
        self.vouch(name, end, run.seal().map(|seal| Seal::from_slice(seal))) == Vouch::Good
    }
}
