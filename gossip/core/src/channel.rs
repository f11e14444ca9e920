//! A channel as an application holds it.

use gossip_proto::node::{Command, Query, Reply, StreamInfo, SyncStatus};
use gossip_proto::{ChannelId, IdError, NodeId, Retention, StreamId};

use crate::handle::Handle;
use crate::stream::forget_cursors;
use crate::{Error, EventStream};

/// Choices made when a channel is created.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelOptions {
    /// Largest payload in bytes, the same on every replica; the config's default when `None`.
    pub payload_limit: Option<u64>,
}

/// A channel: the group that streams and members belong to. A cheap handle.
///
/// Calls on a channel that was removed fail with
/// [`CommandError::UnknownChannel`](gossip_proto::node::CommandError::UnknownChannel).
#[derive(Clone)]
pub struct Channel {
    handle: Handle,
    id: ChannelId,
}

impl Channel {
    pub(crate) fn new(handle: Handle, id: ChannelId) -> Self {
        Self { handle, id }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Its name.
    #[must_use]
    pub fn id(&self) -> &ChannelId {
        &self.id
    }

    /// The stream of this name, created if it does not exist, keeping everything. What is in an
    /// existing one stays.
    ///
    /// # Errors
    /// [`Error::Id`], [`Error::State`] after shutdown, [`Error::Command`].
    pub async fn stream<I>(&self, id: I) -> Result<EventStream, Error>
    where
        I: TryInto<StreamId>,
        I::Error: Into<IdError>,
    {
        self.stream_with(id, Retention::KeepAll).await
    }

    /// As [`Channel::stream`]; the retention counts only if the stream does not exist yet.
    ///
    /// # Errors
    /// As [`Channel::stream`], and [`Error::Invalid`] for a retention that makes no sense.
    pub async fn stream_with<I>(&self, id: I, retention: Retention) -> Result<EventStream, Error>
    where
        I: TryInto<StreamId>,
        I::Error: Into<IdError>,
    {
        let stream: StreamId = id.try_into().map_err(Into::into)?;
        crate::retention::check(&retention)?;
        let command = Command::CreateStream { channel: self.id.clone(), stream: stream.clone(), retention };
        self.handle.changed(command).await?;
        Ok(self.opened(stream))
    }

    /// The stream of this name if it exists.
    ///
    /// # Errors
    /// As [`Channel::stream`].
    pub async fn open_stream<I>(&self, id: I) -> Result<Option<EventStream>, Error>
    where
        I: TryInto<StreamId>,
        I::Error: Into<IdError>,
    {
        let stream: StreamId = id.try_into().map_err(Into::into)?;
        let exists = self.streams().await?.iter().any(|info| info.id == stream);
        Ok(exists.then(|| self.opened(stream)))
    }

    /// Removes a stream with its entries here and refuses it from peers, so that it does not come
    /// back; creating it again lifts that. `false` when there was none. Its saved cursors go too.
    ///
    /// # Errors
    /// As [`Channel::stream`].
    pub async fn remove_stream<I>(&self, id: I) -> Result<bool, Error>
    where
        I: TryInto<StreamId>,
        I::Error: Into<IdError>,
    {
        let stream: StreamId = id.try_into().map_err(Into::into)?;
        let command = Command::RemoveStream { channel: self.id.clone(), stream: stream.clone() };
        let removed = self.handle.changed(command).await?;
        forget_cursors(self.handle.shared(), &self.id, &stream).await?;
        Ok(removed)
    }

    /// Its streams, those made by peers included.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown, [`Error::Command`] for a removed channel.
    pub async fn streams(&self) -> Result<Vec<StreamInfo>, Error> {
        match self.handle.query(Query::Streams(self.id.clone())).await? {
            Reply::Streams(streams) => Ok(streams),
            _ => Ok(Vec::new()),
        }
    }

    /// How far the linked peers that share it are.
    ///
    /// # Errors
    /// As [`Channel::streams`].
    pub async fn sync_status(&self) -> Result<Vec<SyncStatus>, Error> {
        self.handle.sync_status(Some(self.id.clone())).await
    }

    /// Returns once digests exchanged after the call agreed with every reachable peer that shares the
    /// channel, and with one at least: whatever any of them held when the call was made is here, and the
    /// other way round. Waits for as long as there is no such peer.
    ///
    /// Over links of wire version 1 an answer that was on its way when the call was made counts too.
    /// Cancel safe: a call that was dropped is forgotten.
    ///
    /// # Errors
    /// As [`Channel::streams`], and [`CommandError::Busy`](gossip_proto::node::CommandError::Busy) for the
    /// oldest of more than 1,024 that wait.
    pub async fn wait_synced(&self) -> Result<(), Error> {
        let command = Command::WaitSynced { channel: self.id.clone(), peer: None };
        self.handle.command(command).await.map(drop)
    }

    /// As [`Channel::wait_synced`], with one peer only, whether it is reachable yet or not.
    ///
    /// # Errors
    /// As [`Channel::wait_synced`].
    pub async fn wait_synced_with(&self, peer: &NodeId) -> Result<(), Error> {
        let command = Command::WaitSynced { channel: self.id.clone(), peer: Some(peer.clone()) };
        self.handle.command(command).await.map(drop)
    }

    /// Who is listed as a member, this node included. A local list in open channels; who is in the group, linked or
    /// not, is told by [`Coordinator::members`](crate::Coordinator::members).
    ///
    /// # Errors
    /// As [`Channel::streams`].
    pub async fn members(&self) -> Result<Vec<NodeId>, Error> {
        match self.handle.query(Query::Members(self.id.clone())).await? {
            Reply::Members(members) => Ok(members),
            _ => Ok(Vec::new()),
        }
    }

    /// Lists a member; `false` when it already was.
    ///
    /// # Errors
    /// As [`Channel::stream`].
    pub async fn add_member<I>(&self, member: I) -> Result<bool, Error>
    where
        I: TryInto<NodeId>,
        I::Error: Into<IdError>,
    {
        let member = member.try_into().map_err(Into::into)?;
        self.handle.changed(Command::AddMember { channel: self.id.clone(), member }).await
    }

    /// Takes a member off the list; `false` when it was not on it.
    ///
    /// # Errors
    /// As [`Channel::stream`]; this node cannot be taken off.
    pub async fn remove_member<I>(&self, member: I) -> Result<bool, Error>
    where
        I: TryInto<NodeId>,
        I::Error: Into<IdError>,
    {
        let member = member.try_into().map_err(Into::into)?;
        self.handle.changed(Command::RemoveMember { channel: self.id.clone(), member }).await
    }

    fn opened(&self, stream: StreamId) -> EventStream {
        EventStream::new(self.handle.clone(), self.id.clone(), stream)
    }
}

impl std::fmt::Debug for Channel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Channel").field(&self.id).finish()
    }
}
