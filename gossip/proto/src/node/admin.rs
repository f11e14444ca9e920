//! Changes to channels, streams, members and peers: one at a time, each taking effect when the
//! store has it.

use std::collections::VecDeque;
use std::time::Duration;

use super::log::Log;
use super::model::Channel;
use super::ops::Op;
use super::peer::Peer;
use super::{Command, CommandError, CommandId, Event, Node, NodeState, Reply, Timer};
use crate::digest::Sum;
use crate::{
    ChannelId, ChannelRecord, Fault, NodeId, Retention, StoreFailure, StoreReply, StoreRequest, StreamId,
    StreamRecord,
};

/// Changes that wait, at most.
const MAX_JOBS: usize = 64 * 1024;

/// Pauses before a change whose outcome is unknown is written again, and how often it is.
const AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));
const AGAIN_TRIES: u32 = 20;
/// How often claims are tried again by a node that shuts down.
const ENDING_TRIES: u32 = 8;

/// The queue of changes.
#[derive(Debug, Default)]
pub(super) struct Admin {
    waiting: VecDeque<Job>,
    at_work: Option<Work>,
    /// The store just refused a claim: nothing is begun until the timer says so.
    resting: bool,
    /// Claims refused while shutting down, and what the store said last.
    ending: (u32, Option<StoreFailure>),
}

/// The change at work.
#[derive(Debug)]
struct Work {
    command: Option<CommandId>,
    change: Change,
    request: StoreRequest,
    tries: u32,
}

/// Something to be changed.
#[derive(Debug)]
pub(super) enum Job {
    /// For the application.
    Command(CommandId, Command),
    /// A stream without logs that a peer told of.
    Learn(ChannelId, StreamId),
    /// The record of a stream as it is now.
    Save(ChannelId, StreamId),
    /// The record of this node as it is now.
    SaveNode,
    /// An erasure that the store has done, to be remembered.
    Erased(u64),
}

/// What becomes true when the store says yes.
#[derive(Debug)]
pub(super) enum Change {
    PutChannel(ChannelRecord, Option<Event>),
    PutStream(ChannelId, StreamRecord, Option<Event>),
    RemoveChannel(ChannelId),
    RemoveStream(ChannelId, StreamRecord),
    PutPeer(crate::PeerRecord),
    RemovePeer(NodeId),
    /// A stream's record that remembers an erasure.
    Erased(ChannelId, StreamRecord, u64),
    /// A stream's record, with this claim to an epoch.
    Claim(ChannelId, StreamId, Option<crate::Epoch>),
    Nothing,
}

/// What a job comes to: an answer at once, or a write first.
#[allow(clippy::large_enum_variant, reason = "lives on the stack for a moment")]
pub(super) enum Plan {
    Answer(Result<Reply, CommandError>),
    /// Answered by what it led to.
    Later,
    Write(StoreRequest, Change),
}

impl Admin {
    /// Whether the record of a stream is about to be written.
    fn is_saving(&self, channel: &ChannelId, stream: &StreamId) -> bool {
        let same = |c: &ChannelId, s: &StreamId| c == channel && s == stream;
        let waits = self.waiting.iter().any(|job| matches!(job, Job::Save(c, s) if same(c, s)));
        let work = self.at_work.as_ref().map(|work| &work.change);
        waits || matches!(work, Some(Change::Claim(c, s, _)) if same(c, s))
    }

    /// Whether a stream is just being told to keep something else.
    pub(super) fn is_changing(&self, channel: &ChannelId, stream: &StreamId, kept: &Retention) -> bool {
        match self.at_work.as_ref().map(|work| &work.change) {
            Some(Change::PutStream(of, record, _)) => {
                of == channel && record.id == *stream && record.retention != *kept
            }
            _ => false,
        }
    }

    /// Why a claim could not be written before the end.
    pub(super) fn unwritten(&self) -> Option<&StoreFailure> {
        self.ending.1.as_ref()
    }

    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.at_work.is_none()
    }
}

impl Node {
    /// Whether the record of a stream is about to be written.
    pub(super) fn saves(&self, channel: &ChannelId, stream: &StreamId) -> bool {
        self.admin.is_saving(channel, stream)
    }

    pub(super) fn queue_job(&mut self, job: Job) {
        // A claim that is not written could use a sequence twice: it is never left out.
        let claim = matches!(job, Job::Save(..) | Job::SaveNode | Job::Erased(_));
        if self.admin.waiting.len() >= MAX_JOBS && !claim {
            // Only commands are worth an answer; what peers told of is told again.
            if let Job::Command(id, _) = job {
                self.reply(id, Err(CommandError::Busy));
            }
            return;
        }
        self.admin.waiting.push_back(job);
        self.next_job();
    }

    fn next_job(&mut self) {
        while self.admin.at_work.is_none() && !self.admin.resting {
            let Some(job) = self.admin.waiting.pop_front() else { return };
            let (id, plan) = match job {
                Job::Command(id, Command::Import { channel, part }) => {
                    (Some(id), self.plan_import(id, channel, part))
                }
                Job::Command(id, command) => (Some(id), self.plan(command)),
                Job::Learn(channel, stream) => (None, self.plan_learn(channel, stream)),
                Job::Save(channel, stream) => (None, self.plan_save(&channel, &stream)),
                Job::SaveNode => (None, self.plan_save_node()),
                Job::Erased(job) => (None, self.plan_erased(job)),
            };
            match (plan, id) {
                (Plan::Answer(result), Some(id)) => self.reply(id, result),
                (Plan::Answer(_), None) | (Plan::Later, _) => {}
                (Plan::Write(request, change), command) => {
                    let work = Work { command, change, request: request.clone(), tries: 0 };
                    self.admin.at_work = Some(work);
                    self.store(Op::Admin, request);
                }
            }
        }
    }

    pub(super) fn on_admin(&mut self, result: Result<StoreReply, StoreFailure>) {
        let Some(mut work) = self.admin.at_work.take() else { return };
        match result {
            Ok(_) => {
                let reply = self.apply(work.change);
                if let Some(id) = work.command {
                    self.reply(id, Ok(reply));
                }
            }
            // It may have happened: memory and store agree again only when it did for certain.
            // A known failure of the repetition says nothing about the first time.
            Err(failure)
                if (failure.fault == Fault::Unknown || work.tries > 0) && work.tries < AGAIN_TRIES =>
            {
                work.tries += 1;
                let pause = AGAIN.0 * (1 << work.tries.min(8));
                self.admin.at_work = Some(work);
                return self.set_timer(Timer::Admin, pause.min(AGAIN.1));
            }
            // A claim must not be forgotten: it is tried between the others for as long as it takes.
            Err(failure) if matches!(work.change, Change::Claim(..)) && self.may_claim_again(&failure) => {
                if let Change::Claim(channel, stream, _) = work.change {
                    self.admin.waiting.push_back(Job::Save(channel, stream));
                }
                self.admin.resting = true;
                return self.set_timer(Timer::Admin, AGAIN.0 * 16);
            }
            Err(failure) => {
                self.did_not_happen(&work, &failure);
                match work.command {
                    Some(id) => self.reply(id, Err(CommandError::Store(failure))),
                    None => self.notify(Event::StoreFailed(failure)),
                }
            }
        }
        self.next_job();
    }

    /// Whether there is time for it: a node that shuts down does not try for ever, but says that it
    /// did not end well.
    fn may_claim_again(&mut self, failure: &StoreFailure) -> bool {
        if self.state != NodeState::ShutDown {
            return true;
        }
        let (tries, unwritten) = &mut self.admin.ending;
        *tries += 1;
        if *tries <= ENDING_TRIES {
            return true;
        }
        *unwritten = Some(failure.clone());
        false
    }

    /// Writes the change at work once more; every change may be written twice.
    pub(super) fn repeat_job(&mut self) {
        if let Some(request) = self.admin.at_work.as_ref().map(|work| work.request.clone()) {
            self.store(Op::Admin, request);
        } else {
            self.admin.resting = false;
            self.next_job();
        }
    }

    /// A change failed. What should have gone takes entries again, unless the store may have forgotten it
    /// already: then it would lose them at the next start. It stays closed, and can be removed again.
    fn did_not_happen(&mut self, work: &Work, failure: &StoreFailure) {
        let (channel, stream) = match &work.change {
            Change::Erased(.., job) => return self.erase_failed(*job, failure.clone()),
            _ if work.tries > 0 => return,
            Change::RemoveChannel(channel) => (channel, None),
            Change::RemoveStream(channel, record) => (channel, Some(&record.id)),
            _ => return,
        };
        let Some(found) = self.channels.get_mut(channel) else { return };
        match stream.and_then(|stream| found.streams.get_mut(stream)) {
            Some(stream) => stream.removing = false,
            None => found.removing = false,
        }
        let streams: Vec<StreamId> = found.streams.keys().cloned().collect();
        if matches!(work.change, Change::RemoveChannel(_)) {
            // Lists made meanwhile left the channel out.
            self.channels_changed();
        }
        streams.iter().for_each(|stream| self.write_later(channel, stream));
        self.refill_anew();
    }

    fn apply(&mut self, change: Change) -> Reply {
        match change {
            Change::PutChannel(record, event) => self.put_channel(record, event),
            Change::PutStream(channel, record, event) => return self.put_stream(channel, record, event),
            Change::RemoveChannel(channel) => self.drop_channel(&channel),
            Change::Erased(channel, record, job) => {
                self.put_stream(channel, record, None);
                self.erased(job);
            }
            Change::RemoveStream(channel, record) => self.drop_stream(&channel, record),
            Change::PutPeer(record) => return self.put_peer(record),
            Change::RemovePeer(peer) => self.forget_peer(&peer),
            Change::Claim(channel, stream, claim) => self.claim_stored(&channel, &stream, claim),
            Change::Nothing => {}
        }
        Reply::Changed(true)
    }

    fn put_channel(&mut self, record: ChannelRecord, event: Option<Event>) {
        match self.channels.get_mut(&record.id) {
            Some(channel) => channel.record = record,
            None => {
                self.channels.insert(record.id.clone(), Channel::new(record));
                self.channels_changed();
            }
        }
        event.into_iter().for_each(|event| self.notify(event));
    }

    fn put_stream(&mut self, channel: ChannelId, mut record: StreamRecord, event: Option<Event>) -> Reply {
        let Some(found) = self.channels.get_mut(&channel) else { return Reply::Changed(false) };
        // Our epoch may have changed while the record was being written; that is written next.
        let claim = record.writer;
        if let Some(known) = found.streams.get(&record.id) {
            record.writer = known.record.writer;
        }
        // A peer's runs may have brought the stream meanwhile.
        let was_refused = found.streams.get(&record.id).map(|stream| stream.record.refused);
        let (new, is_refused) = (was_refused != Some(false), record.refused);
        let kept = found.streams.get(&record.id).map(|stream| stream.record.retention.clone());
        let keeps_other = kept.is_some_and(|kept| kept != record.retention);
        let stream = record.id.clone();
        found.put_stream(record).stored_claim(claim);
        if was_refused.unwrap_or_default() != is_refused {
            self.rescope(&channel);
        } else if new {
            self.leave_out_new(&channel, &stream);
        }
        // What it keeps now may be worth asking for.
        if keeps_other {
            self.refill_anew();
        }
        let Some(event) = event else { return Reply::Done };
        if new {
            self.notify(event);
            self.compare_soon(&channel);
        }
        Reply::Changed(new)
    }

    fn drop_channel(&mut self, id: &ChannelId) {
        self.hints.forget(id);
        self.waiters.look_again();
        self.hints.forget(id);
        let Some(mut channel) = self.channels.remove(id) else { return };
        for stream in channel.streams.values_mut() {
            for queued in stream.writing.take().into_iter().flat_map(|writing| writing.queue) {
                self.append_bytes = self.append_bytes.saturating_sub(queued.bytes);
                self.reply(queued.command, Err(CommandError::UnknownChannel(id.clone())));
            }
        }
        for stream in channel.streams.values_mut() {
            self.logs.take(&mut channel.logs, stream).into_iter().for_each(|log| self.forget_log(log));
        }
        self.channels_changed();
        self.notify(Event::ChannelRemoved(id.clone()));
    }

    fn drop_stream(&mut self, id: &ChannelId, record: StreamRecord) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let stream_id = record.id.clone();
        let Some(stream) = channel.streams.get_mut(&stream_id) else { return };
        let logs = self.logs.take(&mut channel.logs, stream);
        let queue = stream.writing.take().into_iter().flat_map(|writing| writing.queue);
        stream.removing = false;
        channel.scopes.count(&stream.key, &stream.digest, &Sum::default());
        channel.sketches.forget();
        channel.refused.leave_out(&channel.secret, stream.key);
        stream.digest = Sum::of_stream(&channel.secret, &stream_id);
        stream.record = record;
        logs.into_iter().for_each(|log| self.forget_log(log));
        for queued in queue {
            self.append_bytes = self.append_bytes.saturating_sub(queued.bytes);
            let error = CommandError::UnknownStream(id.clone(), stream_id.clone());
            self.reply(queued.command, Err(error));
        }
        self.notify(Event::StreamRemoved(id.clone(), stream_id));
        self.rescope(id);
        self.compare_soon(id);
    }

    /// Drops what else is known of a log. Whoever still waits for a failed append of it is told.
    fn forget_log(&mut self, log: Log) {
        self.fetches.forget_log(&log.id);
        self.refills.forget_log(&log.id);
        self.forks.forget_log(&log.id, log.branch().map(|branch| branch.parent));
        for lost in log.into_unsettled() {
            for ticket in lost.tickets {
                self.append_bytes = self.append_bytes.saturating_sub(ticket.bytes);
                self.reply(ticket.command, Err(CommandError::Store(lost.failure.clone())));
            }
        }
    }

    fn put_peer(&mut self, record: crate::PeerRecord) -> Reply {
        let id = record.id.clone();
        match self.peers.get_mut(&id) {
            Some(peer) => {
                let new = peer.record.replace(record).is_none();
                Reply::Changed(new)
            }
            None => {
                self.peers.insert(id.clone(), Peer::added(record));
                if !self.is_told(&id) {
                    self.notify(Event::PeerAdded(id));
                }
                Reply::Changed(true)
            }
        }
    }
}
