//! Appends become runs: one commit at a time for each log of ours, everything that waits goes
//! into the next. They are stamped and encoded when the store can take them, not before: what comes
//! while it is busy shares a run.

use std::sync::Arc;

use super::admin::Job;
use super::log::{Log, Ticket, Tip};
use super::model::{Queued, Stream};
use super::ops::{Commit, Landed, Landing, Op};
use super::{CommandError, CommandId, Node, NodeState};
use crate::{
    ChannelId, CommitItem, EntryId, Epoch, LogId, LogName, MAX_RUN_BYTES, Meta, NewPayload, RunBuilder, Seal,
    Sealer, Stamp, StoreRequest, StreamId, seal_message,
};

/// Payload bytes after which a commit takes no further append.
const COMMIT_BYTES: usize = 4 << 20;
/// Entries after which a commit takes no further append.
const COMMIT_ENTRIES: usize = 16 * 1024;

impl Node {
    pub(super) fn append(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        stream: StreamId,
        payloads: Vec<NewPayload>,
    ) {
        let bytes = payloads.iter().map(|payload| payload.bytes().len()).sum();
        if let Err(error) = self.admit(&channel, &stream, &payloads, bytes) {
            return self.reply(id, Err(error));
        }
        let open = self.channels.get_mut(&channel).and_then(|channel| channel.open_stream(&stream));
        let Some(open) = open else {
            return self.reply(id, Err(CommandError::UnknownStream(channel, stream)));
        };
        open.writing.get_or_insert_default().queue.push_back(Queued { command: id, payloads, bytes });
        self.append_bytes += bytes;
        self.write_later(&channel, &stream);
    }

    fn admit(
        &self,
        channel: &ChannelId,
        stream: &StreamId,
        payloads: &[NewPayload],
        bytes: usize,
    ) -> Result<(), CommandError> {
        if self.state == NodeState::ShutDown {
            return Err(CommandError::State { state: self.state });
        }
        let found = self.channels.get(channel).filter(|channel| !channel.removing);
        let found = found.ok_or_else(|| CommandError::UnknownChannel(channel.clone()))?;
        let known = found.streams.get(stream).is_some_and(|stream| stream.is_open());
        if !known {
            return Err(CommandError::UnknownStream(channel.clone(), stream.clone()));
        }
        let limit = found.record.payload_limit;
        let mut lengths = payloads.iter().map(|payload| payload.bytes().len() as u64);
        if let Some(len) = lengths.find(|len| *len > limit) {
            return Err(CommandError::PayloadTooLarge { len, limit });
        }
        let limit = self.config.append_queue_bytes;
        if payloads.is_empty() || bytes > limit {
            return Err(CommandError::BatchSize { limit });
        }
        if self.append_bytes + bytes > limit {
            return Err(CommandError::Busy);
        }
        // Far more stamps than the queue can hold entries must be left.
        let end = self.clock.last().max(Stamp::new(self.now.wall.0, 0));
        if end.bits() > u64::MAX - (1 << 40) {
            return Err(CommandError::ClockExhausted);
        }
        Ok(())
    }

    /// Has the waiting appends of a stream written once the store is ready.
    pub(super) fn write_later(&mut self, channel: &ChannelId, stream: &StreamId) {
        let open = self.channels.get_mut(channel).and_then(|channel| channel.open_stream(stream));
        let writing = open.and_then(|open| open.writing.as_mut());
        let Some(writing) = writing.filter(|writing| !writing.queue.is_empty()) else { return };
        if !std::mem::replace(&mut writing.is_unwritten, true) {
            self.unwritten.push((channel.clone(), stream.clone()));
        }
    }

    /// Whether [`Input::StoreReady`](super::Input::StoreReady) would lead to a commit.
    #[must_use]
    pub fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    pub(super) fn write_all(&mut self) {
        for (channel, stream) in std::mem::take(&mut self.unwritten) {
            let found = self.channels.get_mut(&channel).and_then(|channel| channel.streams.get_mut(&stream));
            if let Some(writing) = found.and_then(|stream| stream.writing.as_mut()) {
                writing.is_unwritten = false;
            }
            self.write(&channel, &stream);
        }
    }

    /// Hands the waiting appends of a stream to the store, unless its log is busy: then they are
    /// looked at again when it is not.
    fn write(&mut self, channel: &ChannelId, stream: &StreamId) {
        let Some(log) = self.writer(channel, stream) else { return };
        if self.logs.get(&log).is_none_or(|log| log.rare().in_flight > 0 || log.is_frozen()) {
            return;
        }
        let batch = self.take_batch(channel, stream);
        if batch.is_empty() {
            return;
        }
        let Some((commit, items)) = self.encode(log, batch) else { return };
        self.store_bytes += commit.bytes;
        if let Some(log) = self.logs.get_mut(&log) {
            log.rare_mut().in_flight += 1;
            log.set_pending(commit.landings.last().map_or(log.pending(), |landing| landing.end));
        }
        let meta = Meta { clock: self.clock.last() };
        self.store(Op::Commit(commit), StoreRequest::Commit { items, meta });
    }

    /// Our log in a stream with something to write; a new epoch is drawn when there is none, when it ends where
    /// it forks (power may have gone before its claim was withdrawn), or when the clock was set back behind
    /// the log, because stamps must increase within it.
    fn writer(&mut self, channel: &ChannelId, stream: &StreamId) -> Option<LogId> {
        let open = self.channels.get_mut(channel)?.open_stream(stream)?;
        open.queue()?;
        let next = self.clock.last().max(Stamp::new(self.now.wall.0, 0));
        let current = open.writer().and_then(|writer| self.logs.get(&writer).map(|log| (writer, log)));
        let goes_on = |log: &Log| log.turn().is_none() && !log.rare().parting && log.pending().stamp <= next;
        match current.map(|(writer, log)| (writer, goes_on(log))) {
            Some((writer, true)) => return Some(writer),
            Some((writer, false)) => self.retire(writer),
            None => {}
        }
        self.draw_epoch(channel, stream)
    }

    fn draw_epoch(&mut self, channel: &ChannelId, stream: &StreamId) -> Option<LogId> {
        let found = self.channels.get_mut(channel)?;
        let open = found.open_stream(stream)?;
        let is_own = |log: &&Log| self.logs.author_of(log) == Some(&self.record.id);
        let own = self.logs.of(open.logs).filter(is_own).map(|log| log.epoch.generation());
        let claimed =
            open.writing.iter().flat_map(|writing| &writing.claimed).map(|epoch| epoch.generation());
        let generation = own.chain(claimed).max().unwrap_or(0).saturating_add(1);
        let random = self.entropy.draw();
        let random =
            u64::from_le_bytes([random[0], random[1], random[2], random[3], random[4], random[5], 0, 0]);
        let name = LogName {
            channel: channel.clone(),
            stream: stream.clone(),
            author: self.record.id.clone(),
            epoch: Epoch::new(generation, random),
            branch: None,
        };
        let id = name.id();
        open.record.writer = Some(name.epoch);
        let writing = open.writing.get_or_insert_default();
        writing.log = Some(id);
        writing.claimed.insert(name.epoch);
        self.logs.add(found, &name);
        self.queue_job(Job::Save(channel.clone(), stream.clone()));
        Some(id)
    }

    fn take_batch(&mut self, channel: &ChannelId, stream: &StreamId) -> Vec<Queued> {
        let open = self.channels.get_mut(channel).and_then(|channel| channel.open_stream(stream));
        let Some(queue) = open.and_then(Stream::queue) else { return Vec::new() };
        let (mut bytes, mut entries, mut batch) = (0, 0, Vec::new());
        while let Some(next) = queue.front() {
            bytes += next.bytes;
            entries += next.payloads.len();
            if !batch.is_empty() && (bytes > COMMIT_BYTES || entries > COMMIT_ENTRIES) {
                break;
            }
            batch.extend(queue.pop_front());
        }
        batch
    }

    /// Stamps and encodes a batch as runs of `log`.
    fn encode(&mut self, log: LogId, batch: Vec<Queued>) -> Option<(Commit, Vec<CommitItem>)> {
        let (name, mut tip) = (self.logs.name(&log)?, self.logs.get(&log)?.pending());
        let mut writer = RunWriter::new(name, log, tip, self.sealer.clone());
        for Queued { command, payloads, bytes } in batch {
            let mut ids = Vec::with_capacity(payloads.len());
            for payload in payloads {
                let Ok(stamp) = self.clock.tick(self.now.wall) else { break };
                tip.height += 1;
                tip.stamp = stamp;
                writer.push(tip, &payload);
                ids.push(EntryId { log, sequence: tip.height });
            }
            writer.tickets.push(Ticket { command, ids, bytes });
        }
        Some(writer.finish())
    }
}

/// Cuts a sequence of entries into runs, each sealed where the author's id is a key: what is stored is
/// what is sent, so every run can be the end of a message.
struct RunWriter {
    name: Arc<LogName>,
    log: LogId,
    sealer: Option<Arc<dyn Sealer>>,
    prev: Tip,
    builder: RunBuilder,
    items: Vec<CommitItem>,
    landings: Vec<Landing>,
    tickets: Vec<Ticket>,
    bytes: usize,
    last: Tip,
}

impl RunWriter {
    fn new(name: Arc<LogName>, log: LogId, tip: Tip, sealer: Option<Arc<dyn Sealer>>) -> Self {
        let builder = RunBuilder::new(log, tip.height + 1, tip.hash);
        let (items, landings, tickets) = (Vec::new(), Vec::new(), Vec::new());
        Self { name, log, sealer, prev: tip, builder, items, landings, tickets, bytes: 0, last: tip }
    }

    fn push(&mut self, at: Tip, payload: &NewPayload) {
        debug_assert!(payload.bytes().len() <= crate::MAX_PAYLOAD_BYTES, "limits were checked at admission");
        let pushed = self.builder.push_new(at.stamp, payload).or_else(|| {
            self.cut();
            self.builder.push_new(at.stamp, payload)
        });
        if let Some(hash) = pushed {
            self.last = Tip { hash, ..at };
        }
    }

    fn cut(&mut self) {
        let next = RunBuilder::new(self.log, self.last.height + 1, self.last.hash);
        let done = std::mem::replace(&mut self.builder, next);
        let seal = if done.is_empty() { None } else { self.seal() };
        let Some((run, end)) = done.finish(seal.as_ref().map(|seal| &seal.0[..])) else { return };
        debug_assert!(run.encoded().len() <= MAX_RUN_BYTES || run.count() == 1, "a run keeps its bounds");
        let prev = self.prev.hash;
        self.bytes += run.encoded().len();
        self.prev = self.last;
        let landed = Landed::Run(run.clone());
        self.landings.push(Landing { name: self.name.clone(), log: self.log, end: self.last, what: landed });
        self.items.push(CommitItem::Run { log: self.name.clone(), prev, run, end });
    }

    /// The signature over everything up to the last entry.
    fn seal(&self) -> Option<Seal> {
        let Tip { height, hash, .. } = self.last;
        self.sealer
            .as_ref()
            .map(|sealer| sealer.sign(&seal_message(&self.name.unbranched_hash(), height, &hash)))
    }

    fn finish(mut self) -> (Commit, Vec<CommitItem>) {
        self.cut();
        let Self { landings, tickets, bytes, items, .. } = self;
        (Commit { from: None, landings, tickets, import: None, bytes }, items)
    }
}
