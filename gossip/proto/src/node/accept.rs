//! Received runs: checked against the chain we hold, then handed to the store.

use std::sync::Arc;

use super::admin::Job;
use super::log::{Log, Tip};
use super::ops::{Commit, Landed, Landing, Op};
use super::sealed::{Staged, Staging};
use super::{CommandId, DropReason, Event, LinkId, Node, Timer};
use crate::log::MAX_SEQ;
use crate::wire::{Delta, DeltaRun, FloorNote};
use crate::{
    ChainHash, ChannelId, CommitItem, LogId, LogName, Meta, NodeId, Observed, RunEntry, Seq, Stamp,
    StoreRequest, StoredRun, StreamRecord, Turn,
};

/// Runs of one message that passed the checks.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) items: Vec<CommitItem>,
    pub(super) landings: Vec<Landing>,
    pub(super) bytes: usize,
    /// Of sealed logs, until the message is judged as a whole.
    pub(super) staged: Staging,
    /// Runs that were known.
    known: usize,
}

impl Batch {
    /// How many entries it brings.
    pub(super) fn entries(&self) -> u64 {
        let count = |item: &CommitItem| match item {
            CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => run.count(),
            CommitItem::Adopt { .. } => 0,
        };
        self.items.iter().map(count).sum()
    }
}

/// What becomes of a received run.
#[allow(clippy::large_enum_variant, reason = "lives on the stack for a moment")]
pub(super) enum Verdict {
    /// Continues our chain: to be stored.
    Take(StoredRun, ChainHash),
    /// Nothing new.
    Known,
    /// Begins after what we hold, or cannot be placed.
    Ahead,
    /// Contradicts what we hold.
    Fork,
    /// Contradicts itself.
    Broken(&'static str),
}

impl Node {
    pub(super) fn on_delta(&mut self, id: LinkId, delta: Delta) {
        let Some((name, _)) = self.shared_by_tag(id, delta.tag) else { return };
        let Some(link) = self.links.get(&id).filter(|link| !link.strikes.is_deaf(self.now.tick)) else {
            return;
        };
        let peer = link.peer.clone();
        let bytes: usize = delta.runs.iter().map(|run| run.run.encoded().len()).sum();
        let (serial, end) = (delta.serial, delta.end);
        if serial != 0 && self.take_back(id, &name, &peer, &delta) {
            return self.extend_wants(id);
        }
        // What nobody asked for counts as pushed, whatever it calls itself.
        let pushed = !self.fetches.expects(id, serial);
        let full = self.store_bytes + bytes > self.config.store_budget_bytes.saturating_mul(2);
        let closed = self.channels.get(&name).is_none_or(|channel| channel.removing);
        // Unasked runs are taken only while there is room; digests bring back what is left out.
        if !(closed || pushed && (full || !self.is_active() || self.now.tick < self.fetches.store_ready_at()))
        {
            self.take_delta(id, &name, &peer, delta);
        }
        if serial != 0 {
            if end {
                self.end_claim(id, serial);
            }
            self.answered(id, &name, serial, bytes, end);
            self.fetch(id);
            self.fetch_starved();
        }
    }

    fn take_delta(&mut self, id: LinkId, name: &ChannelId, peer: &NodeId, delta: Delta) {
        let mut room = true;
        self.leave_out_unchosen(id, name, delta.names.iter().map(|(stream, ..)| stream));
        for (stream, author, epoch, branch) in delta.names {
            let log = LogName { channel: name.clone(), stream, author, epoch, branch };
            let log_id = log.id();
            // What is left out here is dropped: the peer did not know that yet.
            room &= self.leaves_out(id, name, &log.stream) || self.know_log(log, log_id);
        }
        if !room {
            self.tell_crowded(peer);
        }
        let mut batch = Batch::default();
        self.weigh_claims(id, &delta.runs);
        for note in &delta.floors {
            // Only as an answer: a floor says nothing once others were asked.
            let height = self.logs.get(&note.log).map_or(0, |log| log.pending().height);
            let is_asked = self.fetches.asked(id, delta.serial, note.log, height);
            if is_asked && !self.leaves_out_log(id, name, &note.log) {
                self.take_first_floor(id, name, note, &delta.runs, &mut batch);
            }
        }
        let barred = self.barred(id, &delta.runs);
        let (first, count) =
            (delta.runs.first().map(|run| (run.run.log(), run.run.last())), delta.runs.len());
        for run in delta.runs {
            if !barred.contains(&run.run.log()) {
                self.take_run(id, name, peer, run, &mut batch);
            }
        }
        self.settle_seals(id, peer, &mut batch);
        let now = self.now.tick;
        if let Some(shared) = self.shared(id, name) {
            shared.moved = Some(now);
            if !batch.items.is_empty() {
                shared.tries = 0;
            }
        }
        let again = first.filter(|_| batch.known == count);
        self.tend_tree(id, name, delta.serial, again, !batch.items.is_empty());
        self.commit_batch(peer, batch, None);
        self.free_places();
    }

    /// Hands checked runs to the store; with an import, its command is answered afterwards.
    pub(super) fn commit_batch(&mut self, peer: &NodeId, batch: Batch, import: Option<(CommandId, u64)>) {
        let Batch { items, landings, bytes, staged, .. } = batch;
        debug_assert!(staged.is_empty(), "seals are judged first");
        if items.is_empty() {
            return;
        }
        let mut touched: Vec<LogId> = landings.iter().map(|landing| landing.log).collect();
        touched.sort_unstable();
        touched.dedup();
        for id in touched {
            if let Some(log) = self.logs.get_mut(&id) {
                log.rare_mut().in_flight += 1;
            }
        }
        self.store_bytes += bytes;
        let commit = Commit { from: Some(peer.clone()), landings, tickets: Vec::new(), import, bytes };
        let meta = Meta { clock: self.clock.last() };
        self.store(Op::Commit(commit), StoreRequest::Commit { items, meta });
    }

    /// Remembers a log that a peer named, so that runs of it can be placed; those of refused
    /// streams are left out. False when there is no room for more logs.
    pub(super) fn know_log(&mut self, log: LogName, id: LogId) -> bool {
        if self.logs.contains(&id) {
            return true;
        }
        let found = self.channels.get(&log.channel);
        let crowded = found.is_some_and(|channel| !channel.streams.contains_key(&log.stream))
            && !self.has_room_for_streams();
        let Some(channel) = self.channels.get_mut(&log.channel).filter(|channel| !channel.removing) else {
            return true;
        };
        let new = !channel.streams.contains_key(&log.stream);
        if self.logs.len() >= self.config.max_logs || crowded {
            return false;
        }
        if new {
            channel.put_stream(StreamRecord::new(log.stream.clone()));
        }
        let Some(stream) = channel.open_stream(&log.stream) else { return true };
        let erased: Vec<_> =
            stream.record.erased.iter().filter(|erasure| erasure.log == id).cloned().collect();
        self.logs.add(channel, &log);
        // Nobody could be told while the name was not known.
        self.tell_erasures(&log.channel, &erased, None);
        if new {
            // Sketches count a stream like an entry.
            self.note_arrived(&log.channel, 1);
            let LogName { channel, stream, .. } = log;
            self.leave_out_new(&channel, &stream);
            self.notify(Event::StreamCreated(channel.clone(), stream.clone()));
            self.queue_job(Job::Save(channel, stream));
        }
        true
    }

    /// Tells, once for a message, that it named more than there is room for.
    pub(super) fn tell_crowded(&mut self, peer: &NodeId) {
        self.drop_from(Some(peer.clone()), DropReason::Bound, "more logs than this node remembers");
    }

    /// Whether a peer may still name streams that do not exist here: as many as logs.
    pub(super) fn has_room_for_streams(&self) -> bool {
        let streams: usize = self.channels.values().map(|channel| channel.streams.len()).sum();
        streams < self.config.max_logs
    }

    /// The log a run or floor is about, if it is of this channel and its stream takes entries.
    pub(super) fn placed(&mut self, channel: &ChannelId, id: &LogId) -> Option<&mut Log> {
        let log = self.logs.inside(channel, id)?;
        let (_, stream) = self.logs.place_of(log)?;
        self.channels.get_mut(channel)?.open_stream(stream)?;
        let is_closed = self.forks.is_closed(id);
        self.logs.get_mut(id).filter(|log| !log.is_frozen() && !log.rare().parting && !is_closed)
    }

    /// History before the floor is gone where we asked: go on from there.
    pub(super) fn take_floor(&mut self, channel: &ChannelId, note: &FloorNote, batch: &mut Batch) {
        let Some(name) = self.logs.name(&note.log) else { return };
        let Some(log) = self.placed(channel, &note.log) else { return };
        // Beyond the end of a log that forked lies nothing of it, and that is known.
        let contradicts = |turn: Turn| turn.at == note.floor + 1 && turn.prev != note.hash;
        let is_beyond = note.floor > MAX_SEQ.min(log.end());
        if note.floor <= log.pending().height || is_beyond || log.turn().is_some_and(contradicts) {
            return;
        }
        // Of a sealed log of ours nothing is believed before its seals were checked.
        if !name.author.is_key() && self.is_claimed(&note.log) {
            return self.disclaim(note.log);
        }
        let Some(log) = self.logs.get_mut(&note.log) else { return };
        let before = log.pending();
        // Where the stamp is not known none is claimed: it must not refuse what follows.
        let end = Tip { height: note.floor, hash: note.hash, stamp: note.stamp };
        log.set_pending(end);
        let (floor, hash, stamp, seal) = (note.floor, note.hash, note.stamp, note.seal);
        let item = CommitItem::Adopt { log: name.clone(), floor, hash, stamp, seal };
        let what = Landed::Floor { from: before.height };
        self.queue_step(batch, before, item, Landing { name, log: note.log, end, what });
    }

    pub(super) fn take_run(
        &mut self,
        id: LinkId,
        channel: &ChannelId,
        peer: &NodeId,
        received: DeltaRun,
        batch: &mut Batch,
    ) {
        let log_id = received.run.log();
        let is_bad = batch.staged.get(&log_id).is_some_and(Staged::is_bad);
        if is_bad || self.leaves_out_log(id, channel, &log_id) {
            return;
        }
        let is_own = self.record.id.is_key() && self.is_own(&log_id);
        let Some(log) = self.placed(channel, &log_id) else { return };
        let last = received.run.last();
        let kept = is_own.then(|| received.clone());
        let beyond = (received.run.first() > log.end()).then(|| received.run.clone());
        let verdict = place(log, received);
        let Some(name) = self.logs.name(&log_id) else { return };
        if let Some(run) = beyond {
            return self.take_beyond(id, (channel, peer), &name, &run, batch);
        }
        if let Some(shared) = self.shared(id, channel) {
            shared.note(log_id, last);
        }
        match verdict {
            // Entries of our own current log that we do not hold: our memory is short. They come
            // back like anyone's, once the store knows that what we write next is a new epoch.
            Verdict::Take(..) if !name.author.is_key() && self.is_claimed(&log_id) => self.disclaim(log_id),
            Verdict::Take(stored, end) => {
                if self.begins_branch(id, &name, &stored) {
                    self.take(&name, stored, end, batch);
                }
            }
            Verdict::Known => batch.known += 1,
            // It ends before.
            Verdict::Ahead if last > self.logs.get(&log_id).map_or(last, Log::end) => {}
            Verdict::Ahead => self.note_ahead(id, channel, log_id, last),
            Verdict::Fork => {
                kept.into_iter().for_each(|run| self.retire_for(&name, &run));
                self.fork(id, channel, (*name).clone(), log_id, last);
            }
            Verdict::Broken(_) if self.recheck(id, channel, log_id, last) => {}
            Verdict::Broken(_) if self.look_for_fork(id, channel, log_id, last) => {}
            Verdict::Broken(why) => self.drop_from(Some(peer.clone()), DropReason::BrokenChain, why),
        }
    }

    /// A run came that begins after what we hold.
    fn note_ahead(&mut self, id: LinkId, channel: &ChannelId, log: LogId, last: Seq) {
        if let Some(shared) = self.shared(id, channel) {
            // What follows a fork cannot be placed however soon it is asked for again.
            if shared.forks.contains(&log) {
                return;
            }
            let told = shared.todo.entry(log).or_insert((last, 0));
            told.0 = told.0.max(last);
        }
        // What lies between may only have been overtaken. As long as more is pushed no round comes.
        let soon = self.now.tick + self.settle_time(id);
        self.timers.bring_forward(Timer::Wants(id), soon);
        self.compare_link_soon(id, channel);
    }

    /// Queues a run that continues its log, or has it wait for a seal.
    pub(super) fn take(&mut self, name: &Arc<LogName>, stored: StoredRun, end: ChainHash, batch: &mut Batch) {
        let StoredRun { prev, run } = self.hollow(name, stored);
        let tip = Tip { height: run.last(), hash: end, stamp: run.last_stamp() };
        let id = run.log();
        let Some(log) = self.logs.get_mut(&id) else { return };
        let before = log.pending();
        log.set_pending(tip);
        let what = Landed::Run(run.clone());
        let landing = Landing { name: name.clone(), log: id, end: tip, what };
        self.queue_step(batch, before, CommitItem::Run { log: name.clone(), prev, run, end }, landing);
    }

    /// Queues what is to be stored.
    pub(super) fn queue(&mut self, batch: &mut Batch, item: CommitItem, landing: Landing) {
        if let CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } = &item {
            self.observe(&landing.name, landing.end.stamp);
            batch.bytes += run.encoded().len();
        }
        batch.landings.push(landing);
        batch.items.push(item);
    }

    /// What we write next sorts after what we have seen.
    pub(super) fn observe(&mut self, name: &LogName, stamp: Stamp) {
        if let Observed::TooFarAhead { by } = self.clock.observe(stamp, self.now.wall) {
            self.notify(Event::ClockDrift { author: name.author.clone(), stamp, by });
        }
    }

    /// Payloads over the channel's limit are kept as hashes only: one bad entry cannot wedge a log.
    /// So are those that were erased: they never reach the store again.
    pub(super) fn hollow(&self, name: &LogName, stored: StoredRun) -> StoredRun {
        let limit = self.channels.get(&name.channel).map_or(u64::MAX, |channel| channel.record.payload_limit);
        let erased = self.erased_in(name, stored.run.log(), stored.run.range());
        let unwanted = |entry: &RunEntry| {
            let bytes = entry.payload.bytes().map_or(0, |bytes| bytes.len() as u64);
            let erased = || erased.iter().any(|range| range.contains(entry.sequence));
            entry.payload.bytes().is_some() && (bytes > limit || erased())
        };
        if !stored.run.entries().any(|entry| unwanted(&entry)) {
            return stored;
        }
        stored.hollowed(unwanted).unwrap_or(stored)
    }
}

/// Where a run stands against what we hold and are about to hold.
pub(super) fn place(log: &Log, received: DeltaRun) -> Verdict {
    within(log, place_anywhere(log.pending(), received))
}

fn place_anywhere(tip: Tip, received: DeltaRun) -> Verdict {
    let DeltaRun { prev, run } = received;
    if run.last() <= tip.height {
        let same_end = run.last() != tip.height || run.check() == tip.hash.check();
        return if same_end { Verdict::Known } else { Verdict::Fork };
    }
    if run.first() > tip.height + 1 {
        return Verdict::Ahead;
    }
    if run.first() == tip.height + 1 {
        if prev.is_some_and(|prev| prev != tip.hash) {
            return Verdict::Fork;
        }
        return continue_from(tip, StoredRun { prev: tip.hash, run });
    }
    // An overlap: the hash at our height shows whether it is the same history.
    let Some(prev) = prev else { return Verdict::Ahead };
    let stored = StoredRun { prev, run };
    match stored.hash_at(tip.height) {
        Ok(hash) if hash == tip.hash => match stored.cut_front(tip.height + 1) {
            Ok(rest) => continue_from(tip, rest),
            Err(_) => Verdict::Broken("a run that does not match its own check"),
        },
        _ => Verdict::Fork,
    }
}

fn continue_from(tip: Tip, stored: StoredRun) -> Verdict {
    if stored.run.first_stamp() <= tip.stamp {
        return Verdict::Broken("stamps that do not increase");
    }
    match stored.run.verify(stored.prev) {
        Ok(end) => Verdict::Take(stored, end),
        Err(_) => Verdict::Broken("a run that does not continue the chain"),
    }
}

/// A log that forks ends there, whatever those send who do not know of it.
fn within(log: &Log, verdict: Verdict) -> Verdict {
    let (Verdict::Take(stored, _), Some(turn)) = (&verdict, log.turn()) else { return verdict };
    let end = turn.at - 1;
    if stored.run.first() > end {
        return Verdict::Known;
    }
    if stored.run.last() < end {
        return verdict;
    }
    match stored.cut_back(end) {
        Ok((cut, hash)) if hash == turn.prev => Verdict::Take(cut, hash),
        _ => Verdict::Fork,
    }
}
