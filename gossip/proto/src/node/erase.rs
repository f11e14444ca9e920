//! Erasing payloads: the store replaces them by their hashes, then the stream's record remembers it,
//! then all is told.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::admin::{Change, Job, Plan};
use super::holes::without;
use super::ops::Op;
use super::tell::Requested;
use super::{CommandError, CommandId, DropReason, Event, Node, NodeState, Reply, Timer};
use crate::{
    ChannelId, EntryId, Erasure, Fault, LogId, LogName, NodeId, SeqRange, StoreFailure, StoreReply,
    StoreRequest, StreamId, StreamRecord,
};

/// Erasures under way at once, for peers, and begun by requests of one peer. The application always finds
/// room: a request is about at most 64 streams.
const JOBS: usize = 256;
const PEERS_JOBS: usize = JOBS / 2;
const PEER_JOBS: usize = 16;
/// Ranges of erased entries that a stream remembers.
pub(super) const REMEMBERED: usize = 4096;
/// Pauses before a step that failed is tried again, and how often it is.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(10));
const TRIES: u32 = 20;

/// Erasures under way.
#[derive(Debug, Default)]
pub(super) struct Erasures {
    last: u64,
    jobs: BTreeMap<u64, Erasing>,
    /// Asked for by the application, which may read entries before the node hears that they are stored.
    early: Vec<Early>,
    pub(super) requested: Requested,
}

type Early = (CommandId, ChannelId, StreamId, Vec<EntryId>);

/// One erasure.
#[derive(Debug)]
pub(super) struct Erasing {
    /// Who waits for it; nobody when a peer asked.
    pub(super) command: Option<CommandId>,
    /// The peer that asked or passed it on.
    pub(super) from: Option<NodeId>,
    pub(super) channel: ChannelId,
    pub(super) stream: StreamId,
    pub(super) by: NodeId,
    pub(super) entries: Vec<(LogId, SeqRange)>,
    /// Logs the store has still to do.
    pub(super) waiting: VecDeque<(LogId, Vec<SeqRange>)>,
    pub(super) payloads: u64,
    pub(super) tries: u32,
}

impl Node {
    /// Erases for the application.
    pub(super) fn erase(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        stream: StreamId,
        mut entries: Vec<EntryId>,
    ) {
        entries.iter_mut().for_each(|entry| *entry = self.moved(*entry));
        if entries.iter().any(|entry| self.is_on_its_way(entry)) && !self.erasures.is_full() {
            return self.erasures.early.push((id, channel, stream, entries));
        }
        let entries = &entries[..];
        if let Err(error) = self.admit_erasure(&channel, &stream, entries) {
            return self.reply(id, Err(error));
        }
        let entries = ranges_of(entries);
        if entries.is_empty() {
            return self.reply(id, Ok(Reply::Erased(0)));
        }
        let by = self.record.id.clone();
        self.begin_erasure(Some(id), None, (channel, stream), by, entries);
    }

    /// Whether the store has an entry already, perhaps, and the node does not know; or it is moving.
    fn is_on_its_way(&self, entry: &EntryId) -> bool {
        self.logs.get(&entry.log).is_some_and(|log| {
            let is_expected = entry.sequence <= log.pending().height || log.is_frozen();
            entry.sequence > log.stored.height && is_expected || log.rare().parting
        })
    }

    /// Something became known: who asked too early asks again.
    pub(super) fn erase_early(&mut self) {
        for (id, channel, stream, entries) in std::mem::take(&mut self.erasures.early) {
            self.erase(id, channel, stream, entries);
        }
    }

    fn admit_erasure(
        &mut self,
        channel: &ChannelId,
        stream: &StreamId,
        entries: &[EntryId],
    ) -> Result<(), CommandError> {
        if self.state == NodeState::ShutDown {
            return Err(CommandError::State { state: self.state });
        }
        let open = self.open_channel(channel)?.open_stream(stream);
        let open = open.ok_or_else(|| CommandError::UnknownStream(channel.clone(), stream.clone()))?;
        let logs = open.logs;
        if let Some(entry) = entries.iter().find(|entry| !self.logs.is_of(logs, &entry.log)) {
            return Err(CommandError::UnknownLog(entry.log));
        }
        let known = |entry: &EntryId| {
            let height = self.logs.get(&entry.log).map_or(0, |log| log.stored.height);
            (1..=height).contains(&entry.sequence)
        };
        if let Some(entry) = entries.iter().find(|entry| !known(entry)) {
            return Err(CommandError::UnknownEntry(*entry));
        }
        if self.erasures.is_full() { Err(CommandError::Busy) } else { Ok(()) }
    }

    pub(super) fn begin_erasure(
        &mut self,
        command: Option<CommandId>,
        from: Option<NodeId>,
        (channel, stream): (ChannelId, StreamId),
        by: NodeId,
        entries: Vec<(LogId, SeqRange)>,
    ) {
        let mut logs: BTreeMap<LogId, Vec<SeqRange>> = BTreeMap::new();
        entries.iter().for_each(|(log, range)| logs.entry(*log).or_default().push(*range));
        let waiting = logs.into_iter().collect();
        let job = Erasing { command, from, channel, stream, by, entries, waiting, payloads: 0, tries: 0 };
        self.erasures.last += 1;
        let id = self.erasures.last;
        self.erasures.jobs.insert(id, job);
        self.step_erasure(id);
    }

    /// The next log of an erasure, or its record when the store has done them all.
    pub(super) fn step_erasure(&mut self, id: u64) {
        let Some(job) = self.erasures.jobs.get(&id) else { return };
        match job.waiting.front().cloned() {
            Some((log, sequences)) => _ = self.store(Op::Erase(id), StoreRequest::Erase { log, sequences }),
            None => self.queue_job(Job::Erased(id)),
        }
    }

    pub(super) fn on_erased(&mut self, id: u64, result: Result<StoreReply, StoreFailure>) {
        let Some(job) = self.erasures.jobs.get_mut(&id) else { return };
        match result {
            Ok(reply) => {
                if let StoreReply::Erased(payloads) = reply {
                    job.payloads += payloads;
                }
                job.waiting.pop_front();
                self.step_erasure(id);
            }
            Err(failure) => self.erase_failed(id, failure),
        }
    }

    /// Every step may be repeated. A peer does not ask again while its link lasts, so what it asked for
    /// is worth more patience than what an application can ask for again.
    pub(super) fn erase_failed(&mut self, id: u64, failure: StoreFailure) {
        let ending = self.state == NodeState::ShutDown;
        let Some(job) = self.erasures.jobs.get_mut(&id) else { return };
        job.tries += 1;
        let patient = job.command.is_none() || failure.fault == Fault::Unknown;
        if patient && job.tries < TRIES && !ending {
            let pause = AGAIN.0 * (1 << job.tries.min(8));
            return self.set_timer(Timer::Erase(id), pause.min(AGAIN.1));
        }
        match self.erasures.jobs.remove(&id).and_then(|job| job.command) {
            Some(command) => self.reply(command, Err(CommandError::Store(failure))),
            None => self.notify(Event::StoreFailed(failure)),
        }
    }

    /// The record that remembers an erasure, if it has something new.
    pub(super) fn plan_erased(&mut self, id: u64) -> Plan {
        let Some(job) = self.erasures.jobs.get_mut(&id) else { return Plan::Later };
        let found = self.channels.get_mut(&job.channel).and_then(|channel| channel.open_stream(&job.stream));
        let Some(stream) = found else {
            let lost = self.erasures.jobs.remove(&id);
            if let Some(Erasing { command: Some(command), channel, stream, .. }) = lost {
                self.reply(command, Err(CommandError::UnknownStream(channel, stream)));
            }
            return Plan::Later;
        };
        let author = job.command.is_none().then_some(&job.by);
        job.entries = new_entries(&stream.record, author, &job.entries);
        if job.entries.is_empty() {
            self.erased(id);
            return Plan::Later;
        }
        let (channel, by) = (job.channel.clone(), job.by.clone());
        let mut record = stream.record.clone();
        let mut lost = 0;
        for (log, range) in &job.entries {
            let erasure = Erasure { log: *log, range: *range, by: by.clone() };
            lost += remember(&mut record.erased, erasure, &self.record.id);
        }
        if lost > 0 {
            self.drop_from(None, DropReason::Bound, "more erasures than a stream remembers");
        }
        let request = StoreRequest::SaveStream(channel.clone(), record.clone());
        Plan::Write(request, Change::Erased(channel, record, id))
    }

    /// An erasure is done and remembered.
    pub(super) fn erased(&mut self, id: u64) {
        let Some(job) = self.erasures.jobs.remove(&id) else { return };
        let Erasing { command, from, channel, stream, by, entries, payloads, .. } = job;
        let erasure = |(log, range): &(LogId, SeqRange)| Erasure { log: *log, range: *range, by: by.clone() };
        let news: Vec<Erasure> = entries.iter().map(erasure).collect();
        self.tell_erasures(&channel, &news, from.as_ref());
        if !entries.is_empty() || payloads > 0 {
            self.notify(Event::EntriesErased { channel, stream, by, entries, payloads });
        }
        if let Some(command) = command {
            self.reply(command, Ok(Reply::Erased(payloads)));
        }
    }

    /// Which entries of a run are not to be stored with their payloads.
    pub(super) fn erased_in(&self, name: &LogName, log: LogId, run: SeqRange) -> Vec<SeqRange> {
        let stream = self.channels.get(&name.channel).and_then(|channel| channel.streams.get(&name.stream));
        let done = stream.into_iter().flat_map(|stream| of_log(&stream.record.erased, &log));
        let done = done.map(|erasure| erasure.range).take_while(|range| range.first <= run.last);
        let jobs = self.erasures.jobs.values().flat_map(|job| &job.entries);
        let begun = jobs.filter(|(of, _)| *of == log).map(|(_, range)| *range);
        done.chain(begun).filter_map(|range| range.overlap(&run)).collect()
    }
}

impl Erasures {
    /// Whether there is no room for another one.
    pub(super) fn is_full(&self) -> bool {
        self.jobs.len() + self.early.len() >= JOBS
    }

    /// Whether something of a log is being erased.
    pub(super) fn is_about(&self, log: &LogId) -> bool {
        self.jobs.values().any(|job| job.entries.iter().any(|(of, _)| of == log))
    }

    /// Whether the application waits for one.
    pub(super) fn are_waited_for(&self) -> bool {
        !self.early.is_empty() || self.jobs.values().any(|job| job.command.is_some())
    }

    /// Whether there is no room for what a peer asks for.
    pub(super) fn is_full_for(&self, peer: &NodeId) -> bool {
        let its = || self.jobs.values().filter(|job| job.from.as_ref() == Some(peer)).count();
        self.jobs.len() >= PEERS_JOBS || its() >= PEER_JOBS
    }

    /// Which of these entries are not being erased already.
    pub(super) fn not_begun(&self, by: &NodeId, entries: &[(LogId, SeqRange)]) -> Vec<(LogId, SeqRange)> {
        let jobs = || self.jobs.values().filter(|job| job.by == *by).flat_map(|job| &job.entries);
        let rest = entries.iter().flat_map(|(log, range)| {
            let begun = jobs().filter(|(of, begun)| of == log && begun.overlap(range).is_some());
            let rest = begun.fold(vec![*range], |rest, (_, begun)| without(&rest, *begun));
            rest.into_iter().map(|range| (*log, range))
        });
        rest.collect()
    }
}

/// Which of these entries a record does not list as erased yet. What was erased here on somebody's own
/// account is new when its author asks: only then it is passed on.
pub(super) fn new_entries(
    record: &StreamRecord,
    author: Option<&NodeId>,
    entries: &[(LogId, SeqRange)],
) -> Vec<(LogId, SeqRange)> {
    let rest = entries.iter().flat_map(|(log, range)| {
        let same = |erasure: &&Erasure| author.is_none_or(|author| erasure.by == *author);
        let near =
            of_log(&record.erased, log).iter().filter(|erasure| erasure.range.overlap(range).is_some());
        let known = near.filter(same);
        let rest = known.fold(vec![*range], |rest, erasure| without(&rest, erasure.range));
        rest.into_iter().map(|range| (*log, range))
    });
    rest.collect()
}

/// The part of a list that is about a log.
fn of_log<'a>(list: &'a [Erasure], log: &LogId) -> &'a [Erasure] {
    let from = list.partition_point(|erasure| erasure.log < *log);
    let upto = list.partition_point(|erasure| erasure.log <= *log);
    &list[from..upto]
}

/// Adds an erasure to a list, which is in order, joined with its neighbours. Returns how many had to go
/// for want of room.
fn remember(list: &mut Vec<Erasure>, mut new: Erasure, own: &NodeId) -> usize {
    let asked = new.clone();
    list.retain(|old| {
        let apart = old.range.first > asked.range.last + 1 || asked.range.first > old.range.last + 1;
        let joins = (&old.log, &old.by) == (&asked.log, &asked.by) && !apart;
        if joins {
            new.range.first = new.range.first.min(old.range.first);
            new.range.last = new.range.last.max(old.range.last);
        }
        !joins
    });
    let at = list.partition_point(|old| *old < new);
    list.insert(at, new);
    let mut lost = 0;
    while list.len() > REMEMBERED {
        list.remove(least_worth(list, own));
        lost += 1;
    }
    lost
}

/// What is forgotten first: the beginning of the log that takes most of the room, so that whoever asks
/// for much crowds out itself; what this node asked for comes last.
fn least_worth(list: &[Erasure], own: &NodeId) -> usize {
    let mut logs: BTreeMap<(bool, LogId), (usize, usize)> = BTreeMap::new();
    for (at, erasure) in list.iter().enumerate() {
        logs.entry((erasure.by == *own, erasure.log)).or_insert((0, at)).0 += 1;
    }
    let others = logs.iter().filter(|((is_own, _), _)| !is_own).map(|(_, found)| *found);
    let most = others.max_by_key(|(count, _)| *count);
    most.or_else(|| logs.values().copied().max_by_key(|(count, _)| *count)).map_or(0, |(_, at)| at)
}

/// Entries as ranges of their logs.
fn ranges_of(entries: &[EntryId]) -> Vec<(LogId, SeqRange)> {
    let mut entries: Vec<EntryId> = entries.to_vec();
    entries.sort_unstable_by_key(|entry| (entry.log, entry.sequence));
    let mut ranges: Vec<(LogId, SeqRange)> = Vec::new();
    for EntryId { log, sequence } in entries {
        match ranges.last_mut().filter(|(of, range)| *of == log && range.last + 1 >= sequence) {
            Some((_, range)) => range.last = sequence,
            None => ranges.push((log, SeqRange { first: sequence, last: sequence })),
        }
    }
    ranges
}

#[cfg(test)]
mod tests {
    use super::*;

    fn erasure(log: u8, first: u64, by: &str) -> Erasure {
        let range = SeqRange { first, last: first };
        Erasure { log: LogId([log; 16]), range, by: NodeId::new(by).unwrap() }
    }

    #[test]
    fn neighbours_of_one_asker_are_joined() {
        let (mut list, own) = (Vec::new(), NodeId::new("me").unwrap());
        for (log, first, by) in [(2, 5, "a"), (1, 9, "a"), (2, 7, "a"), (2, 6, "b"), (2, 6, "a")] {
            assert_eq!(remember(&mut list, erasure(log, first, by), &own), 0);
        }
        assert!(list.is_sorted());
        let joined = Erasure { range: SeqRange { first: 5, last: 7 }, ..erasure(2, 5, "a") };
        assert_eq!(list, [erasure(1, 9, "a"), joined, erasure(2, 6, "b")]);
    }

    #[test]
    fn who_asks_for_much_crowds_out_itself() {
        let (mut list, own) = (Vec::new(), NodeId::new("me").unwrap());
        let kept = [erasure(1, 3, "me"), erasure(2, 3, "honest"), erasure(9, 8, "other")];
        for erasure in kept.clone() {
            remember(&mut list, erasure, &own);
        }
        let room = REMEMBERED - kept.len();
        let lost: usize =
            (0..5000).map(|at| remember(&mut list, erasure(5, 1 + 2 * at, "greedy"), &own)).sum();
        assert_eq!((list.len(), lost), (REMEMBERED, 5000 - room));
        assert!(kept.iter().all(|kept| list.contains(kept)), "somebody else's were forgotten");
    }
}
