//! How a coordinator comes to be.

use std::sync::Arc;

use gossip_proto::node::SyncChoice;
use gossip_proto::{IdError, NodeId};

use crate::registry::{self, Options};
use crate::{
    BuildError, Config, ConfigFile, Coordinator, Identity, PeerAddr, RealTime, Store, TimerPort, Transport,
};

/// Gathers what a [`Coordinator`] is made of. Everything has a default, the order does not matter,
/// and of a setting given twice the last one counts (transports add up).
#[derive(Default)]
#[must_use]
pub struct Builder {
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) fallback: Option<fn() -> Arc<dyn Store>>,
    pub(crate) transports: Vec<Arc<dyn Transport>>,
    pub(crate) node_id: Option<Result<NodeId, IdError>>,
    pub(crate) identity: Option<Identity>,
    pub(crate) config: Config,
    pub(crate) timer: Option<Arc<dyn TimerPort>>,
    pub(crate) seed: Option<u64>,
    pub(crate) connect: Vec<PeerAddr>,
    pub(crate) sync: SyncChoice,
}

impl Builder {
    /// A builder as a configuration describes it. Stores are opened here, and the identity is read, which
    /// blocks for so long; transports are not opened.
    ///
    /// # Errors
    /// [`BuildError::Plugin`] for names and options that no linked plugin knows,
    /// [`BuildError::Address`] for an address that is none, [`BuildError::IdentityFile`].
    pub fn from_config(file: &ConfigFile) -> Result<Self, BuildError> {
        let mut builder = Self { config: file.config.clone(), ..Self::default() };
        builder.node_id = file.node_id.clone().map(Ok);
        builder.sync = file.sync.clone();
        if let Some(path) = &file.identity {
            let failed = |error| BuildError::IdentityFile { path: path.clone(), error };
            builder.identity = Some(Identity::from_file(path).map_err(failed)?);
        }
        if let Some(store) = &file.store {
            builder.store = Some(registry::build_store(&store.kind, &store.to_options())?);
        }
        for transport in &file.transport {
            let built = registry::build_transport(&transport.kind, &transport.to_options())?;
            builder.transports.push(built);
        }
        for address in &file.connect {
            builder.connect.push(address.parse().map_err(BuildError::Address)?);
        }
        Ok(builder)
    }

    /// Where everything is kept. Default: the store named `memory`, if a crate linked into the
    /// program registers one.
    pub fn store(self, store: impl Store) -> Self {
        self.shared_store(Arc::new(store))
    }

    /// As [`Builder::store`], for one that is shared already. Only one coordinator may use a store
    /// at a time.
    pub fn shared_store(mut self, store: Arc<dyn Store>) -> Self {
        self.store = Some(store);
        self
    }

    /// The store to use when none is given; for crates that wrap this one.
    #[doc(hidden)]
    pub fn default_store(mut self, make: fn() -> Arc<dyn Store>) -> Self {
        self.fallback = Some(make);
        self
    }

    /// A way to reach others; any number of them. Without one the node works locally.
    pub fn transport(self, transport: impl Transport) -> Self {
        self.shared_transport(Arc::new(transport))
    }

    /// As [`Builder::transport`], for one that is shared already.
    pub fn shared_transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transports.push(transport);
        self
    }

    /// The id for a store that has none yet. By default a key is made for it, kept in the store, and
    /// what the node writes is signed; under a plain name it is not, and anybody can write under it. A
    /// store keeps its id: giving another one is an error at [`Builder::build`], as is a text that is
    /// no id.
    pub fn node_id<I>(mut self, id: I) -> Self
    where
        I: TryInto<NodeId>,
        I::Error: Into<IdError>,
    {
        self.node_id = Some(id.try_into().map_err(Into::into));
        self
    }

    /// Who the node is, with a key that the store does not keep. Must fit the store and
    /// [`Builder::node_id`] if that is given too, or [`Builder::build`] fails.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Which channels and streams are exchanged with whom; everything with everybody by default. It can be
    /// changed later with [`Coordinator::set_sync`].
    ///
    /// A phone that takes two streams over its mobile link and all else over cheaper ones. What a link costs
    /// is said by its transport ([`LinkLimits::cost`](crate::proto::node::LinkLimits::cost)):
    ///
    /// ```
    /// use gossip_core::{Coordinator, Streams, SyncChoice, SyncRule};
    ///
    /// let urgent = Streams::Only(["messages".parse()?, "calls".parse()?].into());
    /// let mobile = SyncRule { min_cost: Some(100), streams: urgent, ..SyncRule::default() };
    /// let builder = Coordinator::builder().sync(SyncChoice { rules: vec![mobile] });
    /// # drop(builder);
    /// # Ok::<_, gossip_core::IdError>(())
    /// ```
    pub fn sync(mut self, choice: SyncChoice) -> Self {
        self.sync = choice;
        self
    }

    /// Bounds.
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// Where time comes from; the system's clocks by default.
    pub fn timer(mut self, timer: impl TimerPort) -> Self {
        self.timer = Some(Arc::new(timer));
        self
    }

    /// Seed for jitter and choices, for tests that replay; random by default. Secrets always come
    /// from the operating system.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Reads the store and starts the node's tasks on the current tokio runtime. The node begins
    /// stopped.
    ///
    /// # Errors
    /// [`BuildError`] says what is missing or does not fit; nothing is left running.
    pub async fn build(mut self) -> Result<Coordinator, BuildError> {
        tokio::runtime::Handle::try_current().map_err(|_| BuildError::NoRuntime)?;
        self.config.validate()?;
        self.sync.validate()?;
        let store = self.store.take().map_or_else(|| self.standard_store(), Ok)?;
        let timer = self.timer.take().unwrap_or_else(|| Arc::new(RealTime::default()));
        crate::driver::launch(self, store, timer).await
    }

    fn standard_store(&self) -> Result<Arc<dyn Store>, BuildError> {
        if let Some(make) = self.fallback {
            return Ok(make());
        }
        match registry::build_store("memory", &Options::Map(Vec::new())) {
            Ok(store) => Ok(store),
            Err(registry::PluginError::Unknown { .. }) => Err(BuildError::NoStore),
            Err(error) => Err(error.into()),
        }
    }
}

impl std::fmt::Debug for Builder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Builder")
            .field("store", &self.store.as_ref().map(|store| store.name().to_owned()))
            .field("transports", &self.transports.iter().map(|t| t.name().to_owned()).collect::<Vec<_>>())
            .field("node_id", &self.node_id)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}
