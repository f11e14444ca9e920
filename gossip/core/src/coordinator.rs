//! The node as an application holds it.

use std::sync::atomic::Ordering;

use gossip_proto::node::{Command, Health, NodeState, PeerInfo, Query, Reply, SyncChoice, SyncStatus};
use gossip_proto::{ChannelId, IdError, NodeId, PeerRecord, Scope};

use crate::channel::{Channel, ChannelOptions};
use crate::handle::{Handle, Order};
use crate::stream::forget_cursors;
use crate::{BuildError, Builder, ConfigFile, Error, Events, PeerAddr, ResourceUsage};

/// One node: your replica of its channels and streams, and its links to others.
///
/// A cheap handle: clone it into any task. It begins stopped, which means local use only; see
/// [`Coordinator::start`]. Its tasks end with [`Coordinator::shutdown`], or, as far as they get
/// then, when the last handle (channels and streams are handles too) was dropped.
///
/// Every call can be cancelled by dropping its future: what it asked for then happens whole or
/// not at all.
#[derive(Clone)]
pub struct Coordinator {
    handle: Handle,
}

/// Someone to remember and to connect to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Its id.
    pub id: NodeId,
    /// What to call it in a user interface; the first 8 characters of its id when absent.
    pub display_name: Option<String>,
    /// Where it can be reached, as in `tcp://host:port`; may be empty.
    pub addresses: Vec<String>,
}

impl Peer {
    /// A peer without a name of its own and without addresses.
    ///
    /// # Errors
    /// [`IdError`] when the id breaks the rules.
    pub fn new<I>(id: I) -> Result<Self, IdError>
    where
        I: TryInto<NodeId>,
        I::Error: Into<IdError>,
    {
        Ok(Self { id: id.try_into().map_err(Into::into)?, display_name: None, addresses: Vec::new() })
    }

    fn into_record(self) -> PeerRecord {
        let display_name = self.display_name.unwrap_or_else(|| self.id.as_str().chars().take(8).collect());
        PeerRecord { id: self.id, display_name, addresses: self.addresses }
    }
}

impl Coordinator {
    /// Begins a coordinator; everything has a default.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A coordinator as a configuration describes it, with plugins linked into this program.
    ///
    /// # Errors
    /// [`BuildError`]; unknown names list what is linked.
    pub async fn from_config(file: &ConfigFile) -> Result<Self, BuildError> {
        Builder::from_config(file)?.build().await
    }

    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle }
    }

    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Who this node is.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.handle.shared().id
    }

    /// Where the node stands now.
    #[must_use]
    pub fn state(&self) -> NodeState {
        *self.handle.shared().state.borrow()
    }

    /// Stopped → running: opens all transports, then dials the peers' addresses and those given to
    /// [`Coordinator::connect`]. If one transport cannot be opened, all are closed again.
    ///
    /// # Errors
    /// [`Error::State`] unless stopped, [`Error::Port`] from a transport.
    pub async fn start(&self) -> Result<(), Error> {
        self.handle.order(Order::Start).await
    }

    /// Running or paused → stopped: says goodbye and closes all transports. Local use goes on.
    ///
    /// # Errors
    /// [`Error::State`] unless running or paused.
    pub async fn stop(&self) -> Result<(), Error> {
        self.handle.order(Order::Stop).await
    }

    /// Running → paused: links stay and peers are answered, but the node asks and pushes nothing, and
    /// streams do not drop by themselves what they need not keep.
    ///
    /// # Errors
    /// [`Error::State`] unless running.
    pub async fn pause(&self) -> Result<(), Error> {
        self.handle.order(Order::Pause).await
    }

    /// Paused → running.
    ///
    /// # Errors
    /// [`Error::State`] unless paused.
    pub async fn resume(&self) -> Result<(), Error> {
        self.handle.order(Order::Resume).await
    }

    /// Ends the node for good: finishes every write, says goodbye, closes transports and store.
    /// When it returns, all tasks have ended. Repeated calls return `Ok`.
    ///
    /// # Errors
    /// [`Error::Store`] when the store could not be closed cleanly; the node has ended even so.
    pub async fn shutdown(&self) -> Result<(), Error> {
        match self.handle.order(Order::Shutdown).await {
            Err(Error::State { state: NodeState::ShutDown }) => Ok(()),
            other => other,
        }
    }

    /// Connects to an address and keeps connected, also after a lost link or a restart of the
    /// node, until [`Coordinator::disconnect`]. Returns once the attempt has begun: the link shows
    /// as [`Event::LinkUp`](gossip_proto::node::Event::LinkUp), if it is the first one to that peer, and
    /// what fails as [`Notice::Trouble`](crate::Notice::Trouble). The peer's status need not change: it may
    /// have been reachable through others. While stopped the address is only remembered.
    ///
    /// # Errors
    /// [`Error::Port`] when it is no address, [`Error::NoTransport`] when no transport of the
    /// running node understands it.
    pub async fn connect(&self, address: &str) -> Result<(), Error> {
        let address: PeerAddr = address.parse()?;
        self.handle.order(|reply| Order::Connect(address, reply)).await
    }

    /// Stops connecting to an address. A link that exists stays until it is lost or the node stops.
    ///
    /// # Errors
    /// [`Error::Port`] when it is no address.
    pub async fn disconnect(&self, address: &str) -> Result<(), Error> {
        let address: PeerAddr = address.parse()?;
        self.handle.order(|reply| Order::Disconnect(address, reply)).await
    }

    /// Addresses others can connect to, as far as the transports know; empty while stopped.
    #[must_use]
    pub fn local_addresses(&self) -> Vec<PeerAddr> {
        let ports = self.handle.shared().ports().clone();
        ports.iter().flat_map(|port| port.local_addresses()).collect()
    }

    /// The channel of this name, created with default options if it does not exist. What is in an
    /// existing one stays.
    ///
    /// # Errors
    /// [`Error::Id`], [`Error::State`] after shutdown, [`Error::Command`] when the store failed.
    pub async fn channel<I>(&self, id: I) -> Result<Channel, Error>
    where
        I: TryInto<ChannelId>,
        I::Error: Into<IdError>,
    {
        self.create_channel(id, ChannelOptions::default()).await
    }

    /// As [`Coordinator::channel`]; the options count only if the channel does not exist yet.
    ///
    /// # Errors
    /// As [`Coordinator::channel`].
    pub async fn create_channel<I>(&self, id: I, options: ChannelOptions) -> Result<Channel, Error>
    where
        I: TryInto<ChannelId>,
        I::Error: Into<IdError>,
    {
        let id = id.try_into().map_err(Into::into)?;
        let payload_limit = options.payload_limit;
        let command = Command::CreateChannel { channel: id.clone(), payload_limit };
        self.handle.changed(command).await?;
        Ok(Channel::new(self.handle.clone(), id))
    }

    /// The channel of this name if it exists.
    ///
    /// # Errors
    /// As [`Coordinator::channel`].
    pub async fn open_channel<I>(&self, id: I) -> Result<Option<Channel>, Error>
    where
        I: TryInto<ChannelId>,
        I::Error: Into<IdError>,
    {
        let id = id.try_into().map_err(Into::into)?;
        let exists = self.channels().await?.contains(&id);
        Ok(exists.then(|| Channel::new(self.handle.clone(), id)))
    }

    /// Removes a channel with its streams, entries and saved cursors here; `false` when there was none. Peers keep
    /// theirs.
    ///
    /// # Errors
    /// As [`Coordinator::channel`].
    pub async fn remove_channel<I>(&self, id: I) -> Result<bool, Error>
    where
        I: TryInto<ChannelId>,
        I::Error: Into<IdError>,
    {
        let channel: ChannelId = id.try_into().map_err(Into::into)?;
        let streams = match self.handle.query(Query::Streams(channel.clone())).await {
            Ok(Reply::Streams(streams)) => streams,
            _ => Vec::new(),
        };
        let removed = self.handle.changed(Command::RemoveChannel { channel: channel.clone() }).await?;
        for stream in streams {
            forget_cursors(self.handle.shared(), &channel, &stream.id).await?;
        }
        Ok(removed)
    }

    /// All channels.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn channels(&self) -> Result<Vec<ChannelId>, Error> {
        self.list_channels(Query::Channels).await
    }

    /// Channels that list a node as member.
    ///
    /// # Errors
    /// [`Error::Id`], [`Error::State`] after shutdown.
    pub async fn channels_for_peer<I>(&self, peer: I) -> Result<Vec<ChannelId>, Error>
    where
        I: TryInto<NodeId>,
        I::Error: Into<IdError>,
    {
        let peer = peer.try_into().map_err(Into::into)?;
        self.list_channels(Query::ChannelsForPeer(peer)).await
    }

    async fn list_channels(&self, query: Query) -> Result<Vec<ChannelId>, Error> {
        match self.handle.query(query).await? {
            Reply::Channels(channels) => Ok(channels),
            _ => Ok(Vec::new()),
        }
    }

    /// Remembers a peer, across restarts, or changes its name and addresses; `true` when it was
    /// new. While the node runs, its addresses are dialled. An address that no transport of this
    /// node understands is kept for one that does.
    ///
    /// # Errors
    /// [`Error::Port`] when an address is none, [`Error::Command`] for the local node.
    pub async fn add_peer(&self, peer: Peer) -> Result<bool, Error> {
        for address in &peer.addresses {
            address.parse::<PeerAddr>()?;
        }
        self.handle.order(|reply| Order::AddPeer(peer.into_record(), reply)).await
    }

    /// Forgets a peer with its name and addresses, and closes its links; `false` when it was unknown.
    ///
    /// Who is a member of the group comes back within seconds: others tell of it, it is dialled or dials, and shows as
    /// [`Event::PeerAdded`](gossip_proto::node::Event::PeerAdded) again. An address given to
    /// [`Coordinator::connect`] stays wanted until [`Coordinator::disconnect`]. To share nothing with somebody name it
    /// in [`Coordinator::set_sync`] with [`Streams::None`](crate::Streams::None); to be linked with those alone whom
    /// the application connects turn [`NodeConfig::peer_exchange`](gossip_proto::node::NodeConfig::peer_exchange) off.
    ///
    /// # Errors
    /// [`Error::Id`], [`Error::State`] after shutdown.
    pub async fn remove_peer<I>(&self, peer: I) -> Result<bool, Error>
    where
        I: TryInto<NodeId>,
        I::Error: Into<IdError>,
    {
        let peer = peer.try_into().map_err(Into::into)?;
        self.handle.order(|reply| Order::RemovePeer(peer, reply)).await
    }

    /// All peers: added ones and those met on links. Members of the group that never were either are in
    /// [`Coordinator::members`] only.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn peers(&self) -> Result<Vec<PeerInfo>, Error> {
        match self.handle.query(Query::Peers).await? {
            Reply::Peers(peers) => Ok(peers),
            _ => Ok(Vec::new()),
        }
    }

    /// How far the linked peers are with every channel they share.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn sync_status(&self) -> Result<Vec<SyncStatus>, Error> {
        self.handle.sync_status(None).await
    }

    /// Exchanges this from now on, and nothing else: a choice replaces the one before. Links that are there
    /// stay; peers are told, what comes back is compared at once, and what is under way may still arrive.
    /// Whether peers are in sync is about what is exchanged: [`Channel::wait_synced`] does not wait for the
    /// rest. The choice is not stored.
    ///
    /// # Errors
    /// [`Error::Command`] when it is over its bounds, [`Error::State`] after shutdown.
    pub async fn set_sync(&self, choice: SyncChoice) -> Result<(), Error> {
        self.handle.command(Command::SetSync(choice)).await.map(drop)
    }

    /// What happens from now on. Ask for what is there, as by [`Coordinator::members`], after that: nothing is missed
    /// between.
    #[must_use]
    pub fn events(&self) -> Events {
        self.handle.shared().listeners.listen()
    }

    /// How the node is.
    ///
    /// # Errors
    /// [`Error::State`] after shutdown.
    pub async fn health(&self) -> Result<Health, Error> {
        match self.handle.query(Query::Health).await? {
            Reply::Health(health) => Ok(*health),
            _ => Err(Error::Ended),
        }
    }

    /// What the node occupies: totals of what it holds, what its store takes, what waits and lives.
    /// Asks the store, so not for every frame of a user interface.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// # let node = gossip_core::Coordinator::builder()
    /// #     .store(gossip_store_memory::MemoryStore::new()).node_id("ann").build().await.unwrap();
    /// node.channel("project").await?.stream("notes").await?.append("hello").await?;
    /// let usage = node.resource_usage().await?;
    /// assert_eq!((usage.channels, usage.streams, usage.entries), (1, 1, 1));
    /// println!("{} bytes on disk for {} bytes of runs", usage.store.disk_bytes, usage.bytes);
    /// # Ok::<_, gossip_core::Error>(()) }).unwrap();
    /// ```
    ///
    /// # Errors
    /// [`Error::State`] after shutdown, [`Error::Store`].
    pub async fn resource_usage(&self) -> Result<ResourceUsage, Error> {
        let channels = self.channels().await?;
        let mut streams = 0;
        for channel in &channels {
            // Gone since it was listed: nothing to count.
            if let Ok(Reply::Streams(infos)) = self.handle.query(Query::Streams(channel.clone())).await {
                streams += infos.len();
            }
        }
        let peers = self.peers().await?.len();
        let shared = self.handle.shared();
        let stored = shared.store.usage(&Scope::All).await?;
        let store = shared.store.stats().await?;
        let meters = &shared.meters;
        Ok(ResourceUsage {
            peers,
            channels: channels.len(),
            streams,
            logs: stored.logs,
            entries: stored.entries,
            bytes: stored.bytes,
            store,
            outbox_frames: meters.outbox_frames.load(Ordering::Relaxed),
            outbox_bytes: meters.outbox_bytes.load(Ordering::Relaxed),
            outbox_dropped: meters.outbox_dropped.load(Ordering::Relaxed),
            subscriptions: meters.subscriptions.load(Ordering::Relaxed),
            views: meters.views.load(Ordering::Relaxed),
            coalesced_runs: meters.coalesced_runs.load(Ordering::Relaxed),
            coalesced_bytes: meters.coalesced_bytes.load(Ordering::Relaxed),
        })
    }
}

impl std::fmt::Debug for Coordinator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Coordinator").field("id", self.id()).field("state", &self.state()).finish()
    }
}
