//! Look-ups.

use std::collections::BTreeSet;

use super::log::Log;
use super::members::Member;
use super::model::Stream;
use super::peer::Peer;
use super::session::Link;
use super::{
    CommandError, Health, LinkInfo, MemberInfo, Node, PeerInfo, PeerStatus, Query, Reply, StreamInfo,
};
use crate::{ChannelId, LogId, MemberKey, NodeId, StreamId, VersionVector};

impl Node {
    pub(super) fn look_up(&self, query: Query) -> Result<Reply, CommandError> {
        match query {
            Query::Channels => Ok(Reply::Channels(self.list_channels(|_| true))),
            Query::ChannelsForPeer(peer) => {
                Ok(Reply::Channels(self.list_channels(|members| members.contains(&peer))))
            }
            Query::Streams(channel) => self.list_streams(&channel).map(Reply::Streams),
            Query::Members(channel) => {
                let members = self.channel(&channel)?.record.members.iter().cloned().collect();
                Ok(Reply::Members(members))
            }
            Query::Peers => {
                Ok(Reply::Peers(self.peers.iter().map(|(id, peer)| self.peer_info(id, peer)).collect()))
            }
            Query::Version(channel, stream) => self.version(&channel, &stream).map(Reply::Version),
            Query::Sync(channel) => {
                if let Some(channel) = &channel {
                    self.channel(channel)?;
                }
                Ok(Reply::Sync(self.list_status(channel.as_ref())))
            }
            Query::Group => {
                Ok(Reply::Group(self.members.all().map(|member| self.member_info(member)).collect()))
            }
            Query::Member(id) => {
                let slot = self.members.find(MemberKey::of(&id));
                let member = slot.and_then(|slot| self.members.get(slot)).filter(|member| member.id == id);
                Ok(Reply::Group(member.map(|member| self.member_info(member)).into_iter().collect()))
            }
            Query::Health => Ok(Reply::Health(Box::new(self.health()))),
        }
    }

    fn channel(&self, id: &ChannelId) -> Result<&super::Channel, CommandError> {
        let found = self.channels.get(id).filter(|channel| !channel.removing);
        found.ok_or_else(|| CommandError::UnknownChannel(id.clone()))
    }

    fn list_channels(&self, wanted: impl Fn(&std::collections::BTreeSet<NodeId>) -> bool) -> Vec<ChannelId> {
        let kept =
            self.channels.values().filter(|channel| !channel.removing && wanted(&channel.record.members));
        kept.map(|channel| channel.record.id.clone()).collect()
    }

    fn list_streams(&self, channel: &ChannelId) -> Result<Vec<StreamInfo>, CommandError> {
        let open = self.channel(channel)?.streams.values().filter(|stream| stream.is_open());
        let info = open.map(|stream| StreamInfo {
            id: stream.record.id.clone(),
            retention: stream.record.retention.clone(),
            logs: self.logs.count(stream.logs) as u64,
            height: self.logs.of(stream.logs).fold(0, |sum: u64, log| sum.saturating_add(log.stored.height)),
        });
        Ok(info.collect())
    }

    fn open_stream(&self, channel: &ChannelId, stream: &StreamId) -> Result<&Stream, CommandError> {
        let found =
            self.channel(channel)?.streams.get(stream).map(Box::as_ref).filter(|stream| stream.is_open());
        found.ok_or_else(|| CommandError::UnknownStream(channel.clone(), stream.clone()))
    }

    fn version(&self, channel: &ChannelId, stream: &StreamId) -> Result<VersionVector, CommandError> {
        let found = self.open_stream(channel, stream)?;
        Ok(self.logs.of(found.logs).map(|log| (log.id, log.stored.height)).collect())
    }

    pub(super) fn log_place(&self, log: &LogId) -> Option<(ChannelId, StreamId)> {
        let (channel, stream) = self.logs.place_of(self.logs.get(log)?)?;
        Some((channel.clone(), stream.clone()))
    }

    pub(super) fn stream_of(&self, log: &Log) -> Option<&Stream> {
        let (channel, stream) = self.logs.place_of(log)?;
        self.channels.get(channel)?.streams.get(stream).map(Box::as_ref)
    }

    fn peer_info(&self, id: &NodeId, peer: &Peer) -> PeerInfo {
        let record = peer.record.as_ref();
        let links = peer.links.iter().filter_map(|id| self.links.get(id).map(|link| link_info(*id, link)));
        let sessions = peer.links.iter().filter_map(|id| self.links.get(id)?.session.as_ref());
        let channels: BTreeSet<&ChannelId> = sessions.flat_map(|session| session.shared.keys()).collect();
        let in_sync = channels.iter().filter(|name| self.agrees_with(id, name)).count();
        PeerInfo {
            id: id.clone(),
            display_name: record.map_or_else(|| short_name(id), |record| record.display_name.clone()),
            addresses: record.map(|record| record.addresses.clone()).unwrap_or_default(),
            added: record.is_some(),
            status: peer.status,
            paused: peer.paused,
            channels: channels.len(),
            in_sync,
            links: links.collect(),
        }
    }

    fn member_info(&self, member: &Member) -> MemberInfo {
        let (now, link) = (self.now.tick, self.primary(&member.id).and_then(|link| self.links.get(&link)));
        MemberInfo {
            id: member.id.clone(),
            state: member.state,
            status: self.status_told(member),
            since: now.since(member.since),
            incarnation: member.incarnation,
            addresses: member.details.addresses.to_vec(),
            dozes: member.doze_until.since(now),
            rtt: link.and_then(|link| link.rtt.smoothed()),
        }
    }

    fn health(&self) -> Health {
        let reachable = self.peers.values().filter(|peer| peer.status == PeerStatus::Reachable);
        Health {
            state: self.state,
            node: self.record.id.clone(),
            incarnation: self.record.incarnation,
            peers: self.peers.len(),
            reachable: reachable.count(),
            members: self.members.live(),
            doubts: self.members.doubts(),
            channels: self.channels.len(),
            logs: self.logs.len(),
            store_ops: self.ops.len(),
            store_bytes: self.store_bytes,
            append_bytes: self.append_bytes,
            store_failures: self.stats.store_failures,
            dropped: self.stats.dropped,
            traffic: self.stats.traffic,
        }
    }
}

fn link_info(id: super::LinkId, link: &Link) -> LinkInfo {
    LinkInfo {
        link: id,
        established: link.session.is_some(),
        rtt: link.rtt.smoothed(),
        congested: link.congested,
        traffic: link.traffic,
    }
}

/// First eight characters of an id.
fn short_name(id: &NodeId) -> String {
    id.as_str().chars().take(8).collect()
}
