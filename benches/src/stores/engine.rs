//! The engines there are: as a store of gossip, and bare.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use gossip::{Config, Coordinator, EventStream, MemoryStore, RedbStore, Store};

use super::crowd::crowd;
use super::measure::Sample;
use super::raw::{Raw, RawMemory, RawRedb};
use crate::{Outcome, cpu};

/// An engine with a store of gossip on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Engine {
    /// Nothing is kept: what gossip itself costs.
    Memory,
    Redb,
    #[cfg(feature = "rocksdb")]
    Rocksdb,
}

/// Streams appends are spread over, which is as many logs.
pub(super) const STREAMS: usize = 16;

impl Engine {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redb => "redb",
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb => "rocksdb",
        }
    }

    /// Opens the store of gossip.
    pub(super) fn store(self, place: &Path) -> Outcome<Arc<dyn Store>> {
        Ok(match self {
            Self::Memory => Arc::new(MemoryStore::new()),
            Self::Redb => Arc::new(RedbStore::open(place)?),
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb => Arc::new(gossip::RocksdbStore::open(place)?),
        })
    }

    /// Opens the engine without gossip.
    pub(super) fn raw(self, place: &Path) -> Outcome<Arc<dyn Raw>> {
        Ok(match self {
            Self::Memory => Arc::new(RawMemory::default()),
            Self::Redb => Arc::new(RawRedb::open(place)?),
            #[cfg(feature = "rocksdb")]
            Self::Rocksdb => Arc::new(super::raw_rocksdb::RawRocksdb::open(place)?),
        })
    }

    /// A node without transports on the store.
    pub(super) async fn node(self, place: &Path) -> Outcome<Coordinator> {
        self.node_with(place, Config::default()).await
    }

    async fn node_with(self, place: &Path, config: Config) -> Outcome<Coordinator> {
        Ok(Coordinator::builder()
            .shared_store(self.store(place)?)
            .config(config)
            .node_id("bench")
            .build()
            .await?)
    }
}

/// A node with so many streams, each with one log by this node.
pub(super) struct Writer {
    pub(super) node: Coordinator,
    pub(super) streams: Arc<[EventStream]>,
}

impl Writer {
    pub(super) async fn open(engine: Engine, place: &Path, streams: usize) -> Outcome<Self> {
        Self::open_with(engine, place, streams, Config::default()).await
    }

    /// The same with other settings.
    pub(super) async fn open_with(
        engine: Engine,
        place: &Path,
        streams: usize,
        config: Config,
    ) -> Outcome<Self> {
        let node = engine.node_with(place, config).await?;
        let channel = node.channel("bench").await?;
        let mut opened = Vec::new();
        for number in 0..streams {
            let stream = channel.stream(format!("stream-{number}")).await?;
            // Opens the log: what is measured is appending.
            stream.append("first").await?;
            opened.push(stream);
        }
        Ok(Self { node, streams: opened.into() })
    }

    /// Many callers, and then what the node leaves to the time after them: small runs are joined. That
    /// costs processor time of gossip, and would disturb what is measured next.
    pub(super) async fn crowd(&self, callers: usize, time: Duration, bytes: usize) -> Outcome<Sample> {
        let mut sample = crowd(&self.streams, callers, time, bytes).await?;
        let used = cpu::used();
        self.rest(Duration::from_millis(100)).await?;
        sample.cpu += cpu::used() - used;
        Ok(sample)
    }

    /// Until no more small runs are joined for so long.
    pub(super) async fn rest(&self, pause: Duration) -> Outcome {
        let mut joined = None;
        loop {
            let now = self.node.resource_usage().await?.coalesced_runs;
            if joined.replace(now) == Some(now) {
                return Ok(());
            }
            tokio::time::sleep(pause).await;
        }
    }
}
