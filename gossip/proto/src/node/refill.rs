//! Asking for holes: gaps always, what lies below a floor when the application wants it.
//!
//! A hole is filled from its upper end down. The chain hash there is read from the store before each
//! question, so nothing of a hole is kept in memory but where it lies; what answers is right when its
//! end hash is that one. A log is asked of one peer at a time. A peer that has nothing is left alone
//! for a while, longer each time, so that a hole nobody can fill costs next to nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::holes::keeps;
use super::holey::Holey;
use super::ops::Op;
use super::pieces::MESSAGE;
use super::repair::Mending;
use super::{Class, CommandError, CommandId, LinkId, Node, NodeState, OpId, Reply, Timer};
use crate::wire::{Back, BackLog, Message};
use crate::{
    ChainHash, ChannelId, Fault, LogHead, LogId, MAX_RUN_BYTES, NodeId, Seq, SeqRange, StoreFailure,
    StoreReply, StoreRequest, StoredRun, StreamId, Tick,
};

/// Logs asked for at once, and of one link.
pub(super) const AT_ONCE: usize = 8;
pub(super) const OF_LINK: usize = 2;
/// Holes remembered as asked for in vain, for each channel of a link.
const SPENT: usize = 4096;
/// Bytes asked for at once.
const BUDGET: usize = 4 * MAX_RUN_BYTES;
/// An answer is waited for at most this long without anything coming on its link,
const PATIENCE: Duration = Duration::from_secs(30);
/// and this long without any of it coming: a slot is not for whoever keeps it busy with nothing.
const PATIENCE_MAX: Duration = Duration::from_secs(120);
/// A link that brought nothing is left alone first so long, doubling up to
const PAUSE: Duration = Duration::from_secs(2);
/// this long.
pub(super) const PAUSE_MAX: Duration = Duration::from_secs(600);

/// Holes known and asked for.
#[derive(Debug, Default)]
pub(super) struct Refills {
    /// Logs that may have a hole worth asking for.
    pub(super) holey: Holey,
    pub(super) at_work: BTreeMap<LogId, Refill>,
    #[cfg(test)]
    pub(super) looks: usize,
}

/// A log that is being asked for.
#[derive(Debug)]
pub(super) struct Refill {
    pub(super) link: LinkId,
    pub(super) step: Step,
}

#[derive(Debug)]
pub(super) enum Step {
    /// The head is being read, or the run after a gap: where is the hole, and what is the hash there?
    Reading {
        op: OpId,
        hole: SeqRange,
        /// The run after it.
        after: bool,
    },
    Asked(Asked),
}

/// A question on its way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) serial: u64,
    pub(super) hole: SeqRange,
    /// The uppermost sequence that is still missing, and the chain hash there.
    pub(super) below: Seq,
    pub(super) hash: ChainHash,
    pub(super) budget: usize,
    pub(super) deadline: Tick,
    /// Longest the deadline may be put off before more of the answer comes.
    pub(super) end: Tick,
    pub(super) gained: bool,
    /// The last part of the answer came; it may have overtaken others.
    pub(super) ended: bool,
}

/// A link that had nothing for a hole.
#[derive(Debug)]
pub(super) struct Spent {
    tries: u32,
    until: Tick,
}

impl Spent {
    pub(super) fn until(&self) -> Tick {
        self.until
    }
}

impl Refills {
    pub(super) fn begin(&mut self, log: LogId, refill: Refill) {
        self.at_work.insert(log, refill);
        self.holey.asked(log);
    }

    pub(super) fn forget_log(&mut self, log: &LogId) {
        self.holey.remove(log);
        self.at_work.remove(log);
    }

    pub(super) fn forget_link(&mut self, link: LinkId) {
        let asked = self.at_work.iter().filter(|(_, refill)| refill.link == link);
        let asked: Vec<LogId> = asked.map(|(log, _)| *log).collect();
        asked.iter().for_each(|log| self.end(log));
    }

    pub(super) fn of_link(&self, link: LinkId) -> usize {
        self.at_work.values().filter(|refill| refill.link == link).count()
    }

    /// Bytes asked for, of one link or of all.
    pub(super) fn budget(&self, link: Option<LinkId>) -> usize {
        let wanted = |refill: &&Refill| link.is_none_or(|link| refill.link == link);
        let budget = |refill: &Refill| match &refill.step {
            Step::Asked(asked) => asked.budget,
            Step::Reading { .. } => 0,
        };
        self.at_work.values().filter(wanted).map(budget).sum()
    }

    /// The question that an answer on a link belongs to.
    pub(super) fn asked(&mut self, link: LinkId, serial: u64) -> Option<(LogId, &mut Asked)> {
        self.at_work.iter_mut().find_map(|(log, refill)| match &mut refill.step {
            Step::Asked(asked) if refill.link == link && asked.serial == serial => Some((*log, asked)),
            _ => None,
        })
    }

    /// Something came on a link: answers that are on their way get more time.
    pub(super) fn extend(&mut self, link: LinkId, until: Tick) {
        for refill in self.at_work.values_mut().filter(|refill| refill.link == link) {
            if let Step::Asked(asked) = &mut refill.step {
                asked.deadline = asked.deadline.max(until.min(asked.end));
            }
        }
    }

    pub(super) fn end(&mut self, log: &LogId) {
        if self.at_work.remove(log).is_some() {
            self.holey.answered(*log);
        }
    }
}

impl Node {
    /// The application wants more history of a stream than is held.
    pub(super) fn ask_back(&mut self, id: CommandId, channel: ChannelId, stream: StreamId) {
        if self.state == NodeState::ShutDown {
            return self.reply(id, Err(CommandError::State { state: self.state }));
        }
        let open = self.open_channel(&channel).map(|found| found.open_stream(&stream));
        let place = match open {
            Err(error) => return self.reply(id, Err(error)),
            Ok(None) => return self.reply(id, Err(CommandError::UnknownStream(channel, stream))),
            Ok(Some(open)) => open.logs,
        };
        let logs: Vec<LogId> = self.logs.of(place).map(|log| log.id).collect();
        for id in logs {
            if let Some(log) = self.logs.get_mut(&id) {
                log.rare_mut().asks_back = true;
                self.suspect(id);
            }
        }
        self.reply(id, Ok(Reply::Done));
        self.refill();
    }

    pub(super) fn on_refill_read(&mut self, id: LogId, op: OpId, result: Result<StoreReply, StoreFailure>) {
        let Some(Refill { link, step: Step::Reading { op: of, hole, after } }) =
            self.refills.at_work.get(&id)
        else {
            return;
        };
        if *of != op {
            return;
        }
        let (link, hole, after) = (*link, *hole, *after);
        match result {
            Ok(StoreReply::Head(Some(head))) if !after => self.locate(id, link, hole, &head),
            Ok(StoreReply::Runs(runs)) if after => self.joined(id, link, hole, &runs),
            Err(failure) if failure.fault == Fault::Corrupt && after => {
                self.spend(link, id, hole.last);
                self.isolate(id, hole.last + 1, Mending::Refill);
            }
            _ => self.spend(link, id, hole.last),
        }
    }

    /// The head says whether the hole is still there, and often the hash at its end.
    fn locate(&mut self, id: LogId, link: LinkId, hole: SeqRange, head: &LogHead) {
        let gap = head.gaps.iter().find(|gap| gap.last == hole.last).copied();
        match gap {
            None if head.floor == hole.last => self.question(id, link, hole, head.floor_hash),
            None => self.spend(link, id, hole.last),
            Some(gap) if gap.last == head.height => self.question(id, link, gap, head.hash),
            Some(gap) => {
                let request = StoreRequest::Read { log: id, from: gap.last + 1, budget: 1 };
                let op = self.store(Op::Refill(id), request);
                let step = Step::Reading { op, hole: gap, after: true };
                self.refills.begin(id, Refill { link, step });
            }
        }
    }

    /// The run after a gap knows the hash at its end, and how old the gap must be.
    fn joined(&mut self, id: LogId, link: LinkId, gap: SeqRange, runs: &[StoredRun]) {
        let next = runs.first().filter(|stored| stored.run.range().contains(gap.last + 1));
        let found = next.and_then(|next| Some((next.run.first_stamp(), next.hash_at(gap.last).ok()?)));
        let Some(log) = self.logs.get(&id) else { return };
        let newer = log.stored.height.saturating_sub(gap.last);
        let kept = |stamp| {
            self.stream_of(log)
                .is_some_and(|s| keeps(&s.record.retention, newer, Some(stamp), self.now.wall.0))
        };
        match found {
            Some((stamp, hash)) if kept(stamp) => self.question(id, link, gap, hash),
            _ => self.spend(link, id, gap.last),
        }
    }

    /// Asks a peer for the upper end of a hole.
    fn question(&mut self, id: LogId, link: LinkId, hole: SeqRange, hash: ChainHash) {
        let room = self.room(link);
        let Some((name, _)) = self.log_place(&id) else { return };
        let Some(open) = self.links.get(&link) else { return };
        let Some(tag) = open.session.as_ref().and_then(|s| s.shared.get(&name)).map(|shared| shared.tag)
        else {
            self.refills.end(&id);
            return;
        };
        if room < MAX_RUN_BYTES || open.congested {
            self.refills.end(&id);
            return self.timers.bring_forward(Timer::Refill, self.now.tick + PAUSE);
        }
        let small = open.limits.max_frame < MESSAGE;
        let budget = room.min(if small { MAX_RUN_BYTES } else { BUDGET });
        let patience = open.rtt.backoff(2, PATIENCE).max(Duration::from_millis(500));
        let deadline = self.now.tick + patience.max(open.pace * 8);
        let log = BackLog { log: id, above: hole.first - 1, below: hole.last, check: hash.check() };
        let serial = serial_of(&log);
        let below = hole.last;
        let end = self.now.tick + PATIENCE_MAX;
        let (gained, ended) = (false, false);
        let asked = Asked { serial, hole, below, hash, budget, deadline, end, gained, ended };
        self.refills.begin(id, Refill { link, step: Step::Asked(asked) });
        self.timers.bring_forward(Timer::Refill, deadline);
        let back = Back { tag, serial, budget: budget as u64, logs: vec![log] };
        self.send(link, &Message::Back(back), Class::Live);
    }

    /// A link brought nothing for a hole: it is left alone for a while.
    pub(super) fn spend(&mut self, link: LinkId, id: LogId, below: Seq) {
        self.refills.end(&id);
        let Some((name, _)) = self.log_place(&id) else { return };
        let now = self.now.tick;
        let before = self.shared(link, &name).and_then(|shared| shared.spent.get(&(id, below)));
        let tries = before.map_or(0, |spent| spent.tries + 1);
        let pause = self.rng.jitter((PAUSE * (1 << tries.min(16))).min(PAUSE_MAX));
        let until = now + pause;
        if let Some(shared) = self.shared(link, &name) {
            if shared.spent.len() >= SPENT {
                // More than can be remembered: nothing is asked of it for long, then all anew.
                shared.spent.clear();
                shared.rests_until = now + PAUSE_MAX;
            }
            shared.spent.insert((id, below), Spent { tries, until });
            self.timers.bring_forward(Timer::Refill, until);
        }
    }

    /// What a peer sent for a hole could not be stored.
    pub(super) fn spend_peer(&mut self, peer: &NodeId, id: LogId, below: Seq) {
        let links = self.peers.get(peer).map(|peer| peer.links.clone()).unwrap_or_default();
        links.into_iter().for_each(|link| self.spend(link, id, below));
    }

    /// Gives up on answers that did not come, and asks again whom it is time to ask.
    pub(super) fn expire_refills(&mut self) {
        let now = self.now.tick;
        let late = self.refills.at_work.iter().filter_map(|(id, refill)| match &refill.step {
            Step::Asked(asked) if asked.deadline <= now => Some((*id, refill.link, asked.below)),
            _ => None,
        });
        let late: Vec<_> = late.collect();
        late.into_iter().for_each(|(id, link, below)| self.spend(link, id, below));
        let open = self.refills.at_work.values().filter_map(|refill| match &refill.step {
            Step::Asked(asked) => Some(asked.deadline),
            Step::Reading { .. } => None,
        });
        if let Some(next) = open.min() {
            self.timers.bring_forward(Timer::Refill, next);
        }
        self.refill();
    }
}

impl Asked {
    /// Some of the answer came.
    pub(super) fn gain(&mut self, down_to: Seq, hash: ChainHash, now: Tick) {
        (self.below, self.hash, self.gained) = (down_to - 1, hash, true);
        self.end = now + PATIENCE_MAX;
    }
}

/// Names a question by what it asks for, apart from wants: those have odd serials.
fn serial_of(log: &BackLog) -> u64 {
    let mut hasher = blake3::Hasher::new_derive_key("gossip 1 back serial");
    hasher
        .update(&log.log.0)
        .update(&log.above.to_le_bytes())
        .update(&log.below.to_le_bytes())
        .update(&log.check.0);
    let mut serial = [0; 8];
    serial.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    (u64::from_le_bytes(serial) >> 32 | 3) - 1
}
