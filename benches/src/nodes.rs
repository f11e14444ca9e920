//! Nodes in this process.

use std::time::{Duration, Instant};

use gossip::{Coordinator, EventStream, MemoryStore, RedbStore, TcpTransport};
use tempfile::TempDir;

use crate::Outcome;

/// A node with one stream.
pub(crate) struct Party {
    pub(crate) node: Coordinator,
    pub(crate) stream: EventStream,
    /// Goes with the node.
    _place: Option<TempDir>,
}

/// Where a node keeps things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Redb,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Memory, Self::Redb];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Redb => "redb",
        }
    }
}

impl Party {
    /// A running node that listens on loopback, under a plain id: what it writes is not signed.
    pub(crate) async fn new(kind: Kind, id: &str) -> Outcome<Self> {
        let builder = Coordinator::builder().node_id(id).transport(TcpTransport::listen("127.0.0.1:0"));
        let (builder, place) = match kind {
            Kind::Memory => (builder.store(MemoryStore::new()), None),
            Kind::Redb => {
                let place = tempfile::tempdir()?;
                (builder.store(RedbStore::open(place.path())?), Some(place))
            }
        };
        let node = builder.build().await?;
        node.start().await?;
        let stream = node.channel("bench").await?.stream("entries").await?;
        Ok(Self { node, stream, _place: place })
    }

    pub(crate) async fn meet(&self, other: &Self) -> Outcome {
        let address = other.node.local_addresses().into_iter().next().ok_or("nobody listens")?;
        Ok(self.node.connect(address.as_str()).await?)
    }

    /// Waits until so many entries are here.
    pub(crate) async fn holds(&self, entries: u64) -> Outcome {
        let begin = Instant::now();
        let mut events = self.node.events();
        while begin.elapsed() < Duration::from_secs(300) {
            if self.stream.version().await?.iter().map(|(_, height)| height).sum::<u64>() >= entries {
                return Ok(());
            }
            let _ = tokio::time::timeout(Duration::from_millis(50), events.next()).await;
        }
        Err("the entries do not arrive".into())
    }
}
