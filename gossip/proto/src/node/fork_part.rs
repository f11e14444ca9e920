//! Ending a log where it forks: what we hold of it above the place is committed to the branch it belongs
//! to, page by page, then the log is cut. Ended in the midst, both hold it, and it is done again when the
//! fork is seen again, in the branch at the latest ([`super::fork_held`]): a commit of what is known changes
//! nothing.

use std::cmp::Ordering;
use std::sync::Arc;

use super::accept::Batch;
use super::forks::{AT_ONCE, ForkOp, Parting, Seen, Step};
use super::log::{Log, Tip};
use super::ops::{Landed, Landing, Op};
use super::serve::{AHEAD, PAGE};
use super::{Event, Node, OpId};
use crate::{
    ChainHash, CommitItem, Fault, LogId, LogName, NodeId, Seq, StoreFailure, StoreReply, StoreRequest,
    StoredRun, Turn,
};

impl Node {
    /// Another history parts from a log at a place; `prev` is what it says is the hash before.
    pub(super) fn part_log(&mut self, seen: Seen, log: LogId, at: Seq, prev: ChainHash) {
        let Some(peer) = self.witness(seen) else { return };
        let full = self.forks.parting.len() >= AT_ONCE || self.forks.parting.contains_key(&log);
        // What is on its way into it, or to be parted from it first, is not to find it shorter.
        let is_closed = self.erasures.is_about(&log) || self.forks.is_closed(&log);
        let Some(held) = self.logs.get_mut(&log) else { return };
        let busy = !held.is_idle() || is_closed;
        let ends = held.end() < at || at > held.stored.height + 1 || at <= held.holes().floor;
        if full || busy || ends {
            self.retire(log);
            return self.part_again(seen, log);
        }
        held.rare_mut().parting = true;
        let reached = held.holes().next_held(at) <= held.stored.height;
        let positions = if reached { vec![at - 1, at] } else { vec![at - 1] };
        let is_known = positions.iter().all(|at| held.knows_hash(*at));
        self.retire(log);
        self.forks.parting.insert(log, Parting { at, seen, peer, prev, waits: None, step: Step::Hashes });
        if !is_known {
            // A gap: what lies beyond it has no name.
            return self.leave_apart(log);
        }
        self.store_part(log, StoreRequest::HashAt { log, positions });
    }

    /// Who is told to hold the other history: ourselves, where we do.
    fn witness(&self, seen: Seen) -> Option<NodeId> {
        match seen {
            Seen::Link(link) => self.links.get(&link).map(|link| link.peer.clone()),
            Seen::Branch(_) | Seen::Hand => Some(self.record.id.clone()),
        }
    }

    /// The log does not reach so far yet: it will end there.
    pub(super) fn end_below(&mut self, seen: Seen, log: LogId, turn: Turn) {
        let Some(peer) = self.witness(seen) else { return };
        let free = self.forks.parting.len() < AT_ONCE && !self.forks.parting.contains_key(&log);
        let idle = |held: &&mut Log| held.is_idle() && held.end() >= turn.at;
        let Some(held) = self.logs.get_mut(&log).filter(idle).filter(|_| free) else { return };
        held.rare_mut().parting = true;
        let step = Step::End(turn);
        self.forks
            .parting
            .insert(log, Parting { at: turn.at, seen, peer, prev: turn.prev, waits: None, step });
        self.retire(log);
        self.end_log(log, turn);
    }

    /// The next step of a parting waits for the store.
    fn store_part(&mut self, log: LogId, request: StoreRequest) {
        let op = self.store(Op::Fork(ForkOp::Part(log)), request);
        self.wait_to_part(&log, op);
    }

    pub(super) fn wait_to_part(&mut self, log: &LogId, op: OpId) {
        self.forks.parting.get_mut(log).into_iter().for_each(|parting| parting.waits = Some(op));
    }

    /// The parting of a log that waits for this. What an earlier one waited for says nothing of it: it may be of
    /// another place, or of what was removed since.
    pub(super) fn awaited(&self, log: &LogId, op: OpId) -> Option<&Parting> {
        self.forks.parting.get(log).filter(|parting| parting.waits == Some(op))
    }

    pub(super) fn on_part_stored(&mut self, log: LogId, op: OpId, result: Result<StoreReply, StoreFailure>) {
        let Some(parting) = self.awaited(&log, op) else { return };
        match (result, &parting.step) {
            (Ok(StoreReply::Hashes(hashes)), Step::Hashes) => self.name_branch(log, &hashes),
            (Ok(StoreReply::Runs(runs)), Step::Copy { .. }) => self.copy_tail(log, runs),
            (Ok(StoreReply::Hashes(hashes)), Step::Compare { turn, .. }) => {
                let (turn, held) = (*turn, self.logs.get(&log).map(|held| held.stored.hash));
                if hashes.first().copied() == held { self.end_log(log, turn) } else { self.leave_apart(log) }
            }
            (Ok(StoreReply::Saved), Step::End(turn)) => {
                let turn = *turn;
                self.parted(log, turn);
            }
            (Err(_), Step::End(_)) => {
                self.give_up_parting(&log);
                // Whether it ended, only the head can say.
                self.doubt(log);
            }
            (Err(failure), _) if failure.fault == Fault::Corrupt => self.mend_parting(log),
            (Err(failure), _) if failure.fault == Fault::Rejected => self.leave_apart(log),
            _ => self.give_up_parting(&log),
        }
    }

    /// Nothing of it is lost: the log stays as it is until the fork is seen again.
    pub(super) fn give_up_parting(&mut self, id: &LogId) {
        if let Some((log, seen)) = self.stop_parting(id) {
            self.part_again(seen, log);
        }
    }

    /// Ends the parting of a log, or the one to a branch.
    fn stop_parting(&mut self, id: &LogId) -> Option<(LogId, Seen)> {
        let fills = |(_, parting): &(&LogId, &Parting)| parting.step.branch() == Some(id);
        let own = self.forks.parting.get_key_value(id);
        let log = *own.or_else(|| self.forks.parting.iter().find(fills))?.0;
        let parting = self.forks.parting.remove(&log)?;
        if let Some(held) = self.logs.get_mut(&log) {
            held.rare_mut().parting = false;
        }
        Some((log, parting.seen))
    }

    /// The hash before the place is another one here: the other history is not of this log, or the two
    /// parted earlier and the peer knows of neither.
    fn part_elsewhere(&mut self, log: LogId, at: Seq, told: ChainHash) {
        self.forks.note_stranger(log, at - 1, told);
        let Some((_, seen)) = self.stop_parting(&log) else { return };
        let Some(name) = self.logs.name(&log) else { return };
        match seen {
            Seen::Link(link) if name.branch.is_none() => {
                self.fork(link, &name.channel, (*name).clone(), log, at - 1);
            }
            Seen::Link(_) => self.compare_soon(&name.channel),
            Seen::Branch(_) | Seen::Hand => {}
        }
        self.look_beside(log);
    }

    /// What followed the place is not what the branch of its name holds there, where they differ again further
    /// on and nobody offered that; or it cannot be told, because something is missing. Both stay as they are.
    pub(super) fn leave_apart(&mut self, log: LogId) {
        let Some(Parting { at, prev, peer, .. }) = self.forks.parting.get(&log) else { return };
        let (at, prev, peer) = (*at, *prev, peer.clone());
        self.forks.note_stranger(log, at - 1, prev);
        self.stop_parting(&log);
        if let Some(name) = self.logs.name(&log) {
            self.notify(Event::ForkDetected { log: (*name).clone(), at, peer });
        }
        self.look_beside(log);
    }

    /// The hashes around the place are known: they name the branch.
    fn name_branch(&mut self, log: LogId, hashes: &[ChainHash]) {
        let Some(parting) = self.forks.parting.get(&log) else { return };
        let (at, told) = (parting.at, parting.prev);
        let Some(held) = self.logs.get(&log) else { return self.give_up_parting(&log) };
        let Some(prev) = hashes.first().copied() else { return self.give_up_parting(&log) };
        if told != prev {
            return self.part_elsewhere(log, at, told);
        }
        let turn = Turn { at, prev, first: hashes.get(1).copied() };
        let Some(first) = turn.first else { return self.end_log(log, turn) };
        let Some(held) = self.logs.name_of(held) else { return self.give_up_parting(&log) };
        let name = held.branching(first);
        let branch = name.id();
        if branch == log {
            // It begins there itself.
            return self.part_elsewhere(log, at, told);
        }
        let is_filled = self.forks.parting.values().any(|other| other.step.branch() == Some(&branch));
        if is_filled || !self.know_log(name.clone(), branch) {
            return self.give_up_parting(&log);
        }
        if let Some(parting) = self.forks.parting.get_mut(&log) {
            parting.step = Step::Copy { turn, name: Arc::new(name), branch, reading: false };
        }
        self.go_on_parting(branch);
    }

    /// Something of a branch was stored: reads on, or ends the log when all of it was.
    pub(super) fn go_on_parting(&mut self, id: LogId) {
        let copies = |(log, parting): (&LogId, &Parting)| match &parting.step {
            Step::Copy { turn, branch, reading: false, .. } if *branch == id => Some((*log, *turn)),
            _ => None,
        };
        let Some((log, turn)) = self.forks.parting.iter().find_map(copies) else { return };
        let (Some(held), Some(branch)) = (self.logs.get(&log), self.logs.get(&id)) else {
            return self.give_up_parting(&log);
        };
        if branch.rare().in_flight > 0 {
            return;
        }
        if branch.is_frozen() || branch.rare().parting {
            return self.give_up_parting(&log);
        }
        if let Some(further) = branch.turn().filter(|turn| turn.at <= held.stored.height) {
            return self.part_further(log, further);
        }
        let (ours, theirs) = (held.stored, branch.stored);
        match theirs.height.cmp(&ours.height) {
            Ordering::Less => self.read_tail(log, theirs.height.max(turn.at - 1) + 1),
            Ordering::Equal if theirs.hash == ours.hash => self.end_log(log, turn),
            Ordering::Equal => self.leave_apart(log),
            Ordering::Greater => {
                if let Some(parting) = self.forks.parting.get_mut(&log) {
                    parting.step = Step::Compare { turn, branch: id };
                }
                let request = StoreRequest::HashAt { log: id, positions: vec![ours.height] };
                self.store_part(log, request);
            }
        }
    }

    /// What follows the place goes on over the end of the branch it belongs to: that comes first.
    fn part_further(&mut self, log: LogId, turn: Turn) {
        if self.forks.strangers.contains(&(log, turn.at - 1, turn.prev)) {
            return self.leave_apart(log);
        }
        if let Some((_, seen)) = self.stop_parting(&log) {
            self.part_log(seen, log, turn.at, turn.prev);
        }
    }

    fn read_tail(&mut self, log: LogId, from: Seq) {
        let is_sealed = self.logs.name(&log).is_some_and(|name| name.author.is_key());
        let budget = if is_sealed { AHEAD } else { PAGE };
        if let Some(Parting { step: Step::Copy { reading, .. }, .. }) = self.forks.parting.get_mut(&log) {
            *reading = true;
        }
        self.store_part(log, StoreRequest::Read { log, from, budget });
    }

    /// Commits a page to the branch.
    fn copy_tail(&mut self, log: LogId, mut runs: Vec<StoredRun>) {
        let Some(parting) = self.forks.parting.get_mut(&log) else { return };
        let Step::Copy { turn, name, branch, reading } = &mut parting.step else { return };
        *reading = false;
        let (turn, name, branch) = (*turn, name.clone(), *branch);
        let top = self.logs.get(&log).map_or(0, |log| log.stored.height);
        runs.retain(|stored| stored.run.first() <= top);
        if runs.is_empty() {
            // A hole reaches up to the end: what was lost here comes with the branch, from others.
            return self.end_log(log, turn);
        }
        if name.author.is_key()
            && let Some(last) = runs.iter().rposition(|stored| stored.run.seal().is_some())
        {
            // The branch stands at a seal, whatever happens next.
            runs.truncate(last + 1);
        }
        let mut batch = Batch::default();
        for stored in runs {
            if self.copy_run(&name, branch, turn, stored, &mut batch).is_none() {
                // Nothing of this page is on its way.
                self.logs.get_mut(&branch).into_iter().for_each(|held| held.set_pending(held.stored));
                return self.leave_apart(log);
            }
        }
        if batch.items.is_empty() {
            return self.give_up_parting(&log);
        }
        let own = self.record.id.clone();
        self.commit_batch(&own, batch, None);
    }

    /// `None` where the branch holds something else, or the run does not hold together.
    fn copy_run(
        &mut self,
        name: &Arc<LogName>,
        branch: LogId,
        turn: Turn,
        stored: StoredRun,
        batch: &mut Batch,
    ) -> Option<()> {
        let tip = self.logs.get(&branch)?.pending();
        let from = tip.height.max(turn.at - 1) + 1;
        let stored = if stored.run.range().contains(from) { stored.cut_front(from).ok()? } else { stored };
        let floor = stored.run.first() - 1;
        if floor > tip.height {
            // The branch begins here, or what lies between is not held of the log either.
            let (hash, stamp) = (stored.prev, tip.stamp);
            let end = Tip { height: floor, hash, stamp };
            let item = CommitItem::Adopt { log: name.clone(), floor, hash, stamp, seal: None };
            let what = Landed::Floor { from: tip.height };
            self.queue(batch, item, Landing { name: name.clone(), log: branch, end, what });
        } else if stored.prev != tip.hash {
            return None;
        }
        let hash = stored.hash_at(stored.run.last()).ok()?;
        let StoredRun { prev, run } = stored.relabel(branch)?;
        let end = Tip { height: run.last(), hash, stamp: run.last_stamp() };
        self.logs.get_mut(&branch)?.set_pending(end);
        let what = Landed::Run(run.clone());
        let item = CommitItem::Run { log: name.clone(), prev, run, end: hash };
        // It was judged when it came in.
        self.queue(batch, item, Landing { name: name.clone(), log: branch, end, what });
        Some(())
    }

    fn end_log(&mut self, log: LogId, turn: Turn) {
        if let Some(parting) = self.forks.parting.get_mut(&log) {
            parting.step = Step::End(turn);
        }
        let Some(name) = self.logs.name(&log) else { return self.give_up_parting(&log) };
        self.store_part(log, StoreRequest::Turn { log: name, turn });
    }

    /// The log ends, for good: every link may learn of it in the ordinary way.
    fn parted(&mut self, log: LogId, turn: Turn) {
        let Some(parting) = self.forks.parting.remove(&log) else { return };
        let Some(name) = self.logs.name(&log) else { return };
        let Some(held) = self.logs.get_mut(&log) else { return };
        held.rare_mut().parting = false;
        let old = held.stored;
        held.end_at(turn);
        held.outdate();
        let new = held.stored;
        if let Some(channel) = self.channels.get_mut(&name.channel) {
            channel.move_log(log, &name.stream, &old, &new);
        }
        for link in self.established().collect::<Vec<_>>() {
            self.shared(link, &name.channel).into_iter().for_each(|shared| _ = shared.todo.remove(&log));
        }
        self.lift_apart(&name, |_| true);
        self.suspect(log);
        self.notify(Event::ForkDetected { log: (*name).clone(), at: turn.at, peer: parting.peer });
        self.move_erasures(&name, log, turn);
        self.look_beside(log);
        self.compare_soon(&name.channel);
    }
}
