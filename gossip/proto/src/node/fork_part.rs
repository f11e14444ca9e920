//! Ending a log where it forks: what we hold of it above the place is committed to the branch it belongs
//! to, page by page, then the log is cut. Ended in the midst, both hold it, and it is done again when the
//! fork is seen again: a commit of what is known changes nothing.

use std::sync::Arc;

use super::accept::Batch;
use super::forks::{AT_ONCE, ForkOp, Parting, Step};
use super::log::{Log, Tip};
use super::ops::{Landed, Landing, Op};
use super::serve::PAGE;
use super::{Event, LinkId, Node};
use crate::{
    Branch, ChainHash, CommitItem, LogId, LogName, NodeId, Seq, StoreFailure, StoreReply, StoreRequest,
    StoredRun, Turn,
};

impl Node {
    /// Another history parts from a log at a place; `prev` is what it says is the hash before.
    pub(super) fn part_log(&mut self, link: LinkId, log: LogId, at: Seq, prev: Option<ChainHash>) {
        let Some(peer) = self.links.get(&link).map(|link| link.peer.clone()) else { return };
        self.part_log_by(link, peer, log, at, prev);
    }

    /// As [`Node::part_log`], where it was not learnt over a link.
    pub(super) fn part_log_by(
        &mut self,
        link: LinkId,
        peer: NodeId,
        log: LogId,
        at: Seq,
        prev: Option<ChainHash>,
    ) {
        let full = self.forks.parting.len() >= AT_ONCE || self.forks.parting.contains_key(&log);
        self.retire(log);
        let Some(held) = self.logs.get_mut(&log) else { return };
        let busy = !held.is_idle();
        let ends = held.end() < at || at > held.stored.height + 1 || at <= held.holes().floor;
        if full || busy || ends {
            return self.fork_again(link, log);
        }
        held.rare_mut().parting = true;
        let reached = at <= held.stored.height;
        self.forks.parting.insert(log, Parting { at, link, peer, prev, step: Step::Hashes });
        let positions = if reached { vec![at - 1, at] } else { vec![at - 1] };
        self.store(Op::Fork(ForkOp::Part(log)), StoreRequest::HashAt { log, positions });
    }

    /// The log does not reach so far yet: it will end there.
    pub(super) fn end_below(&mut self, link: LinkId, log: LogId, turn: Turn) {
        let Some(peer) = self.links.get(&link).map(|link| link.peer.clone()) else { return };
        self.end_below_by(link, peer, log, turn);
    }

    pub(super) fn end_below_by(&mut self, link: LinkId, peer: NodeId, log: LogId, turn: Turn) {
        let free = self.forks.parting.len() < AT_ONCE && !self.forks.parting.contains_key(&log);
        let idle = |held: &&mut Log| held.is_idle() && held.end() >= turn.at;
        let Some(held) = self.logs.get_mut(&log).filter(idle).filter(|_| free) else { return };
        held.rare_mut().parting = true;
        let step = Step::End(turn);
        self.forks.parting.insert(log, Parting { at: turn.at, link, peer, prev: Some(turn.prev), step });
        self.end_log(log, turn);
    }

    pub(super) fn on_part_stored(&mut self, log: LogId, result: Result<StoreReply, StoreFailure>) {
        let Some(parting) = self.forks.parting.get(&log) else { return };
        match (result, &parting.step) {
            (Ok(StoreReply::Hashes(hashes)), Step::Hashes) => self.name_branch(log, &hashes),
            (Ok(StoreReply::Runs(runs)), Step::Copy { .. }) => self.copy_tail(log, runs),
            (Ok(StoreReply::Saved), Step::End(turn)) => {
                let turn = *turn;
                self.parted(log, turn);
            }
            (Err(_), Step::End(_)) => {
                self.give_up_parting(&log);
                // Whether it ended, only the head can say.
                self.doubt(log);
            }
            _ => self.give_up_parting(&log),
        }
    }

    /// Nothing of it is lost: the log stays as it is until the fork is seen again.
    pub(super) fn give_up_parting(&mut self, id: &LogId) {
        let of_branch = |(log, parting): (&LogId, &Parting)| {
            let branch = if let Step::Copy { branch, .. } = &parting.step { Some(branch) } else { None };
            (log == id || branch == Some(id)).then_some(*log)
        };
        let Some(log) = self.forks.parting.iter().find_map(of_branch) else { return };
        let Some(parting) = self.forks.parting.remove(&log) else { return };
        if let Some(held) = self.logs.get_mut(&log) {
            held.rare_mut().parting = false;
        }
        self.fork_again(parting.link, log);
    }

    /// The hashes around the place are known: they name the branch.
    fn name_branch(&mut self, log: LogId, hashes: &[ChainHash]) {
        let Some(parting) = self.forks.parting.get(&log) else { return };
        let (at, told, link) = (parting.at, parting.prev, parting.link);
        let Some(held) = self.logs.get(&log) else { return self.give_up_parting(&log) };
        let Some(prev) = hashes.first().copied() else { return self.give_up_parting(&log) };
        if told.is_some_and(|told| told != prev) {
            // The two parted earlier, and the peer knows of neither.
            self.give_up_parting(&log);
            let (channel, name) = (held_channel(self, &log), self.logs.name(&log));
            if let (Some(channel), Some(name)) = (channel, name) {
                self.fork(link, &channel, (*name).clone(), log, at - 1);
            }
            return;
        }
        let turn = Turn { at, prev, first: hashes.get(1).copied() };
        let Some(first) = turn.first else { return self.end_log(log, turn) };
        let parent = held.branch().map_or(log, |branch| branch.parent);
        let Some(held) = self.logs.name_of(held) else { return self.give_up_parting(&log) };
        let name = LogName { branch: Some(Branch { parent, first }), ..held };
        let branch = name.id();
        if !self.know_log(name.clone(), branch) {
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
        if branch.stored.height >= held.stored.height {
            return self.end_log(log, turn);
        }
        let from = branch.stored.height.max(turn.at - 1) + 1;
        if let Some(Parting { step: Step::Copy { reading, .. }, .. }) = self.forks.parting.get_mut(&log) {
            *reading = true;
        }
        self.store(Op::Fork(ForkOp::Part(log)), StoreRequest::Read { log, from, budget: PAGE });
    }

    /// Commits a page to the branch.
    fn copy_tail(&mut self, log: LogId, runs: Vec<StoredRun>) {
        let Some(parting) = self.forks.parting.get_mut(&log) else { return };
        let Step::Copy { turn, name, branch, reading } = &mut parting.step else { return };
        *reading = false;
        let (turn, name, branch) = (*turn, name.clone(), *branch);
        let top = self.logs.get(&log).map_or(0, |log| log.stored.height);
        let mut batch = Batch::default();
        for stored in runs.into_iter().filter(|stored| stored.run.first() <= top) {
            if self.copy_run(&name, branch, turn, stored, &mut batch).is_none() {
                return self.give_up_parting(&log);
            }
        }
        if batch.items.is_empty() {
            return self.give_up_parting(&log);
        }
        let own = self.record.id.clone();
        self.commit_batch(&own, batch, None);
    }

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
        let Some(name) = self.logs.name(&log) else { return };
        self.store(Op::Fork(ForkOp::Part(log)), StoreRequest::Turn { log: name, turn });
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
        let links: Vec<LinkId> = self.established().collect();
        for link in links {
            if let Some(shared) = self.shared(link, &name.channel) {
                shared.forks.remove(&log);
                shared.todo.remove(&log);
            }
        }
        self.suspect(log);
        self.notify(Event::ForkDetected { log: (*name).clone(), at: turn.at, peer: parting.peer });
        self.compare_soon(&name.channel);
    }
}

fn held_channel(node: &Node, log: &LogId) -> Option<crate::ChannelId> {
    node.log_place(log).map(|(channel, _)| channel)
}
