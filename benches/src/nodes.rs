//! Nodes in this process.

use gossip::{Coordinator, EventStream, MemoryStore, RedbStore};
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
    /// A node by itself.
    pub(crate) async fn new(kind: Kind) -> Outcome<Self> {
        let builder = Coordinator::builder().node_id("bench");
        let (builder, place) = match kind {
            Kind::Memory => (builder.store(MemoryStore::new()), None),
            Kind::Redb => {
                let place = tempfile::tempdir()?;
                (builder.store(RedbStore::open(place.path())?), Some(place))
            }
        };
        let node = builder.build().await?;
        let stream = node.channel("bench").await?.stream("entries").await?;
        Ok(Self { node, stream, _place: place })
    }
}
