//! Changes to channels, streams, members and peers: one at a time, each taking effect when the
//! store has it.

use std::collections::VecDeque;
use std::time::Duration;

use super::model::Channel;
use super::ops::Op;
use super::session::Peer;
use super::{Command, CommandError, CommandId, Event, Node, NodeState, Reply, Timer};
use crate::digest::Sum;
use crate::{
    ChannelId, ChannelRecord, Fault, LogId, NodeId, Retention, Seq, StoreFailure, StoreReply, StoreRequest,
    StreamId, StreamRecord,
};

/// Changes that wait, at most.
const MAX_JOBS: usize = 64 * 1024;

/// Pauses before a change whose outcome is unknown is written again, and how often it is.
const AGAIN: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(5));
const AGAIN_TRIES: u32 = 20;

/// The queue of changes.
#[derive(Debug, Default)]
pub(super) struct Admin {
    waiting: VecDeque<Job>,
    at_work: Option<Work>,
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
}

/// What becomes true when the store says yes.
#[derive(Debug)]
enum Change {
    PutChannel(ChannelRecord, Option<Event>),
    PutStream(ChannelId, StreamRecord, Option<Event>),
    RemoveChannel(ChannelId),
    RemoveStream(ChannelId, StreamRecord),
    PutPeer(crate::PeerRecord),
    RemovePeer(NodeId),
    Nothing,
}

/// What a job comes to: an answer at once, or a write first.
#[allow(clippy::large_enum_variant, reason = "lives on the stack for a moment")]
enum Plan {
    Answer(Result<Reply, CommandError>),
    Write(StoreRequest, Change),
}

impl Admin {
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.at_work.is_none()
    }
}

impl Node {
    pub(super) fn queue_job(&mut self, job: Job) {
        if self.admin.waiting.len() >= MAX_JOBS {
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
        while self.admin.at_work.is_none() {
            let Some(job) = self.admin.waiting.pop_front() else { return };
            let (id, plan) = match job {
                Job::Command(id, command) => (Some(id), self.plan(command)),
                Job::Learn(channel, stream) => (None, self.plan_learn(channel, stream)),
                Job::Save(channel, stream) => (None, self.plan_save(&channel, &stream)),
                Job::SaveNode => (None, self.plan_save_node()),
            };
            match (plan, id) {
                (Plan::Answer(result), Some(id)) => self.reply(id, result),
                (Plan::Answer(_), None) => {}
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
            Err(failure) if failure.fault == Fault::Unknown && work.tries < AGAIN_TRIES => {
                work.tries += 1;
                let pause = AGAIN.0 * (1 << work.tries.min(8));
                self.admin.at_work = Some(work);
                return self.set_timer(Timer::Admin, pause.min(AGAIN.1));
            }
            Err(failure) => {
                self.stays(&work.change);
                match work.command {
                    Some(id) => self.reply(id, Err(CommandError::Store(failure))),
                    None => self.notify(Event::StoreFailed(failure)),
                }
            }
        }
        self.next_job();
    }

    /// Writes the change at work once more; every change may be written twice.
    pub(super) fn repeat_job(&mut self) {
        if let Some(request) = self.admin.at_work.as_ref().map(|work| work.request.clone()) {
            self.store(Op::Admin, request);
        }
    }

    fn plan(&mut self, command: Command) -> Plan {
        if self.state == NodeState::ShutDown {
            return Plan::Answer(Err(CommandError::State { state: self.state }));
        }
        let plan = match command {
            Command::CreateChannel { channel, payload_limit } => self.plan_channel(channel, payload_limit),
            Command::RemoveChannel { channel } => self.plan_remove_channel(channel),
            Command::CreateStream { channel, stream, retention } => {
                self.plan_stream(channel, stream, retention)
            }
            Command::RemoveStream { channel, stream } => self.plan_remove_stream(channel, stream),
            Command::SetRetention { channel, stream, retention } => {
                self.plan_retention(channel, stream, retention)
            }
            Command::AddMember { channel, member } => self.plan_member(channel, member, true),
            Command::RemoveMember { channel, member } => self.plan_member(channel, member, false),
            Command::AddPeer(record) => self.plan_peer(record),
            Command::RemovePeer { peer } => self.plan_remove_peer(peer),
            _ => Err(CommandError::Invalid("not a change")),
        };
        plan.unwrap_or_else(|error| Plan::Answer(Err(error)))
    }

    fn plan_channel(&mut self, id: ChannelId, limit: Option<u64>) -> Result<Plan, CommandError> {
        if self.channels.contains_key(&id) {
            return Ok(Plan::Answer(Ok(Reply::Changed(false))));
        }
        let payload_limit = limit.unwrap_or(self.config.payload_limit);
        if payload_limit == 0 || payload_limit > self.config.max_payload() {
            return Err(CommandError::Invalid(
                "payload_limit must be above zero and within the node's bounds",
            ));
        }
        let members = [self.record.id.clone()].into();
        let record = ChannelRecord { id: id.clone(), members, payload_limit };
        let event = Event::ChannelCreated(id);
        Ok(Plan::Write(StoreRequest::SaveChannel(record.clone()), Change::PutChannel(record, Some(event))))
    }

    fn plan_remove_channel(&mut self, id: ChannelId) -> Result<Plan, CommandError> {
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(Plan::Answer(Ok(Reply::Changed(false))));
        };
        channel.removing = true;
        Ok(Plan::Write(StoreRequest::RemoveChannel(id.clone()), Change::RemoveChannel(id)))
    }

    fn plan_stream(
        &mut self,
        channel: ChannelId,
        stream: StreamId,
        retention: Retention,
    ) -> Result<Plan, CommandError> {
        let found = self.open_channel(&channel)?;
        let mut record = match found.streams.get(&stream) {
            Some(known) if !known.record.refused => return Ok(Plan::Answer(Ok(Reply::Changed(false)))),
            Some(refused) => refused.record.clone(),
            None => StreamRecord::new(stream.clone()),
        };
        (record.refused, record.retention) = (false, retention);
        let event = Event::StreamCreated(channel.clone(), stream);
        let request = StoreRequest::SaveStream(channel.clone(), record.clone());
        Ok(Plan::Write(request, Change::PutStream(channel, record, Some(event))))
    }

    fn plan_remove_stream(&mut self, channel: ChannelId, stream: StreamId) -> Result<Plan, CommandError> {
        let found = self.open_channel(&channel)?;
        let Some(open) = found.open_stream(&stream) else {
            return Ok(Plan::Answer(Ok(Reply::Changed(false))));
        };
        open.removing = true;
        let record = StreamRecord { refused: true, ..open.record.clone() };
        let request = StoreRequest::RemoveStream(channel.clone(), record.clone());
        Ok(Plan::Write(request, Change::RemoveStream(channel, record)))
    }

    fn plan_retention(
        &mut self,
        channel: ChannelId,
        stream: StreamId,
        retention: Retention,
    ) -> Result<Plan, CommandError> {
        let open = self.open_channel(&channel)?.open_stream(&stream);
        let open = open.ok_or_else(|| CommandError::UnknownStream(channel.clone(), stream.clone()))?;
        let record = StreamRecord { retention, ..open.record.clone() };
        let request = StoreRequest::SaveStream(channel.clone(), record.clone());
        Ok(Plan::Write(request, Change::PutStream(channel, record, None)))
    }

    fn plan_member(&mut self, channel: ChannelId, member: NodeId, add: bool) -> Result<Plan, CommandError> {
        if !add && member == self.record.id {
            return Err(CommandError::LocalNode);
        }
        let mut record = self.open_channel(&channel)?.record.clone();
        let changed =
            if add { record.members.insert(member.clone()) } else { record.members.remove(&member) };
        if !changed {
            return Ok(Plan::Answer(Ok(Reply::Changed(false))));
        }
        let event =
            if add { Event::MemberAdded(channel, member) } else { Event::MemberRemoved(channel, member) };
        Ok(Plan::Write(StoreRequest::SaveChannel(record.clone()), Change::PutChannel(record, Some(event))))
    }

    fn plan_peer(&mut self, record: crate::PeerRecord) -> Result<Plan, CommandError> {
        if record.id == self.record.id {
            return Err(CommandError::LocalNode);
        }
        Ok(Plan::Write(StoreRequest::SavePeer(record.clone()), Change::PutPeer(record)))
    }

    fn plan_remove_peer(&mut self, peer: NodeId) -> Result<Plan, CommandError> {
        match self.peers.contains_key(&peer) {
            true => Ok(Plan::Write(StoreRequest::RemovePeer(peer.clone()), Change::RemovePeer(peer))),
            false => Ok(Plan::Answer(Ok(Reply::Changed(false)))),
        }
    }

    fn plan_learn(&mut self, channel: ChannelId, stream: StreamId) -> Plan {
        match self.channels.get(&channel) {
            Some(found) if !found.removing && !found.streams.contains_key(&stream) => {
                let record = StreamRecord::new(stream.clone());
                let event = Event::StreamCreated(channel.clone(), stream);
                let request = StoreRequest::SaveStream(channel.clone(), record.clone());
                Plan::Write(request, Change::PutStream(channel, record, Some(event)))
            }
            _ => Plan::Answer(Ok(Reply::Done)),
        }
    }

    fn plan_save(&mut self, channel: &ChannelId, stream: &StreamId) -> Plan {
        let found = self.channels.get(channel).and_then(|channel| channel.streams.get(stream));
        match found.map(|stream| stream.record.clone()) {
            Some(record) => Plan::Write(StoreRequest::SaveStream(channel.clone(), record), Change::Nothing),
            None => Plan::Answer(Ok(Reply::Done)),
        }
    }

    fn plan_save_node(&mut self) -> Plan {
        self.record.clock = self.clock.last();
        Plan::Write(StoreRequest::SaveNode(self.record.clone()), Change::Nothing)
    }

    fn open_channel(&mut self, id: &ChannelId) -> Result<&mut Channel, CommandError> {
        let found = self.channels.get_mut(id).filter(|channel| !channel.removing);
        found.ok_or_else(|| CommandError::UnknownChannel(id.clone()))
    }

    /// A removal failed: what should have gone takes entries again.
    fn stays(&mut self, change: &Change) {
        let (channel, stream) = match change {
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
        streams.iter().for_each(|stream| self.write(channel, stream));
    }

    fn apply(&mut self, change: Change) -> Reply {
        match change {
            Change::PutChannel(record, event) => self.put_channel(record, event),
            Change::PutStream(channel, record, event) => return self.put_stream(channel, record, event),
            Change::RemoveChannel(channel) => self.drop_channel(&channel),
            Change::RemoveStream(channel, record) => self.drop_stream(&channel, record),
            Change::PutPeer(record) => return self.put_peer(record),
            Change::RemovePeer(peer) => self.forget_peer(&peer),
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
        // An epoch retired while the record was being written stays retired.
        if let Some(known) = found.streams.get(&record.id) {
            record.retired = record.retired.max(known.record.retired);
        }
        // A peer's runs may have brought the stream meanwhile.
        let new = found.streams.get(&record.id).is_none_or(|stream| stream.record.refused);
        found.put_stream(record);
        let Some(event) = event else { return Reply::Done };
        if new {
            self.notify(event);
            self.compare_soon(&channel);
        }
        Reply::Changed(new)
    }

    fn drop_channel(&mut self, id: &ChannelId) {
        let Some(mut channel) = self.channels.remove(id) else { return };
        for stream in channel.streams.values_mut() {
            for queued in stream.queue.drain(..) {
                self.append_bytes = self.append_bytes.saturating_sub(queued.bytes);
                self.reply(queued.command, Err(CommandError::UnknownChannel(id.clone())));
            }
        }
        channel.logs.iter().for_each(|log| self.forget_log(log));
        self.channels_changed();
        self.notify(Event::ChannelRemoved(id.clone()));
    }

    fn drop_stream(&mut self, id: &ChannelId, record: StreamRecord) {
        let Some(channel) = self.channels.get_mut(id) else { return };
        let stream_id = record.id.clone();
        let Some(stream) = channel.streams.get_mut(&stream_id) else { return };
        let logs = std::mem::take(&mut stream.logs);
        let queue = std::mem::take(&mut stream.queue);
        (stream.writer, stream.removing) = (None, false);
        channel.digest.subtract(&stream.digest);
        stream.digest = Sum::of_stream(&channel.secret, &stream_id);
        stream.record = StreamRecord { retired: record.retired.max(stream.record.retired), ..record };
        for log in &logs {
            channel.logs.remove(log);
        }
        logs.iter().for_each(|log| self.forget_log(log));
        for queued in queue {
            self.append_bytes = self.append_bytes.saturating_sub(queued.bytes);
            let error = CommandError::UnknownStream(id.clone(), stream_id.clone());
            self.reply(queued.command, Err(error));
        }
        self.notify(Event::StreamRemoved(id.clone(), stream_id));
        self.compare_soon(id);
    }

    /// Drops a log from memory. Whoever still waits for a failed append of it is told.
    pub(super) fn forget_log(&mut self, id: &LogId) {
        let Some(log) = self.logs.remove(id) else { return };
        self.fetches.forget_log(id);
        let unsettled = log.frozen.map(|frozen| frozen.unsettled).unwrap_or_default();
        for lost in unsettled {
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
                self.notify(Event::PeerAdded(id));
                Reply::Changed(true)
            }
        }
    }

    pub(super) fn prune(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        stream: StreamId,
        floors: Vec<(LogId, Seq)>,
    ) {
        if self.state == NodeState::ShutDown {
            return self.reply(id, Err(CommandError::State { state: self.state }));
        }
        let open = self.open_channel(&channel).map(|found| found.open_stream(&stream));
        let known = match open {
            Err(error) => return self.reply(id, Err(error)),
            Ok(None) => return self.reply(id, Err(CommandError::UnknownStream(channel, stream))),
            Ok(Some(open)) => &open.logs,
        };
        if let Some((log, _)) = floors.iter().find(|(log, _)| !known.contains(log)) {
            return self.reply(id, Err(CommandError::UnknownLog(*log)));
        }
        let request = StoreRequest::Prune { floors: floors.clone() };
        self.store(Op::Prune { command: id, channel, stream, floors }, request);
    }

    pub(super) fn on_pruned(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        stream: StreamId,
        floors: &[(LogId, Seq)],
        result: Result<StoreReply, StoreFailure>,
    ) {
        let result = match result {
            Ok(StoreReply::Pruned(pruned)) => Ok(pruned),
            Ok(_) => Err(StoreFailure { fault: Fault::Unknown, doing: "prune", detail: "no answer".into() }),
            Err(failure) => Err(failure),
        };
        // If the outcome is unknown, offering less than we hold is the safe side.
        if result.as_ref().map_or_else(|failure| failure.fault == Fault::Unknown, |_| true) {
            for (id, floor) in floors {
                self.raise_floor(*id, *floor);
            }
        }
        if let Ok(pruned) = &result
            && pruned.entries > 0
        {
            self.notify(Event::StreamCompacted { channel, stream, pruned: *pruned });
        }
        self.reply(id, result.map(Reply::Pruned).map_err(CommandError::Store));
    }

    /// The store dropped everything up to `floor`; its hash is read when someone asks below it.
    fn raise_floor(&mut self, id: LogId, floor: Seq) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        log.floor = log.floor.max(floor.min(log.stored.height));
    }
}
