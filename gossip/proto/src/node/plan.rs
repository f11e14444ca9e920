//! What a wanted change comes to: an answer at once, or a write first.

use super::admin::{Change, Plan};
use super::model::Channel;
use super::{Command, CommandError, Event, Node, NodeState, Reply};
use crate::{ChannelId, ChannelRecord, NodeId, Retention, StoreRequest, StreamId, StreamRecord};

impl Node {
    pub(super) fn plan(&mut self, command: Command) -> Plan {
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

    pub(super) fn plan_channel(&mut self, id: ChannelId, limit: Option<u64>) -> Result<Plan, CommandError> {
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

    pub(super) fn plan_remove_channel(&mut self, id: ChannelId) -> Result<Plan, CommandError> {
        let Some(channel) = self.channels.get_mut(&id) else {
            return Ok(Plan::Answer(Ok(Reply::Changed(false))));
        };
        channel.removing = true;
        Ok(Plan::Write(StoreRequest::RemoveChannel(id.clone()), Change::RemoveChannel(id)))
    }

    pub(super) fn plan_stream(
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

    pub(super) fn plan_remove_stream(
        &mut self,
        channel: ChannelId,
        stream: StreamId,
    ) -> Result<Plan, CommandError> {
        let found = self.open_channel(&channel)?;
        // One that is on its way out already could not be removed the last time.
        let Some(open) = found.streams.get_mut(&stream).filter(|stream| !stream.record.refused) else {
            return Ok(Plan::Answer(Ok(Reply::Changed(false))));
        };
        open.removing = true;
        let record = StreamRecord { refused: true, writer: None, ..open.record.clone() };
        let request = StoreRequest::RemoveStream(channel.clone(), record.clone());
        Ok(Plan::Write(request, Change::RemoveStream(channel, record)))
    }

    pub(super) fn plan_retention(
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

    pub(super) fn plan_member(
        &mut self,
        channel: ChannelId,
        member: NodeId,
        add: bool,
    ) -> Result<Plan, CommandError> {
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

    pub(super) fn plan_peer(&mut self, record: crate::PeerRecord) -> Result<Plan, CommandError> {
        if record.id == self.record.id {
            return Err(CommandError::LocalNode);
        }
        Ok(Plan::Write(StoreRequest::SavePeer(record.clone()), Change::PutPeer(record)))
    }

    pub(super) fn plan_remove_peer(&mut self, peer: NodeId) -> Result<Plan, CommandError> {
        match self.peers.contains_key(&peer) {
            true => Ok(Plan::Write(StoreRequest::RemovePeer(peer.clone()), Change::RemovePeer(peer))),
            false => Ok(Plan::Answer(Ok(Reply::Changed(false)))),
        }
    }

    pub(super) fn plan_learn(&mut self, channel: ChannelId, stream: StreamId) -> Plan {
        match self.channels.get(&channel) {
            Some(found) if !found.removing && !found.streams.contains_key(&stream) => {
                if !self.has_room_for_streams() {
                    return Plan::Answer(Ok(Reply::Done));
                }
                let record = StreamRecord::new(stream.clone());
                let event = Event::StreamCreated(channel.clone(), stream);
                let request = StoreRequest::SaveStream(channel.clone(), record.clone());
                Plan::Write(request, Change::PutStream(channel, record, Some(event)))
            }
            _ => Plan::Answer(Ok(Reply::Done)),
        }
    }

    pub(super) fn plan_save(&mut self, channel: &ChannelId, stream: &StreamId) -> Plan {
        let found = self.channels.get(channel).and_then(|channel| channel.streams.get(stream));
        match found.map(|stream| stream.record.clone()) {
            Some(record) => {
                let claim = Change::Claim(channel.clone(), stream.clone(), record.writer);
                Plan::Write(StoreRequest::SaveStream(channel.clone(), record), claim)
            }
            None => Plan::Answer(Ok(Reply::Done)),
        }
    }

    pub(super) fn plan_save_node(&mut self) -> Plan {
        self.record.clock = self.clock.last();
        Plan::Write(StoreRequest::SaveNode(self.record.clone()), Change::Nothing)
    }

    pub(super) fn open_channel(&mut self, id: &ChannelId) -> Result<&mut Channel, CommandError> {
        let found = self.channels.get_mut(id).filter(|channel| !channel.removing);
        found.ok_or_else(|| CommandError::UnknownChannel(id.clone()))
    }
}
