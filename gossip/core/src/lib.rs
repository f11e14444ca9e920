//! Plugin contracts, builder, handles, views and the tokio driver of gossip.
//!
//! | module | idea |
//! |---|---|
//! | `transport` | what a transport must do |
//! | `store` | what a store must do |
//! | `continuity` | what every store does to a head |
//! | `materializer` | what a materializer must do |
//! | `time` | where time comes from |
//! | `registry` | plugins by name |
//! | `builder`, `config`, `file` | how a node comes to be |
//! | `coordinator`, `channel`, `stream`, `view` | the handles an application holds |
//! | `usage` | what a node occupies |
//! | `events`, `error` | what it is told |
//! | `care` | checking, mending, exporting and erasing data |
//! | `retention` | from what a stream keeps to floors, by itself and in steps |
//! | `damage` | what is damaged is repaired |
//! | `driver` | the tasks behind the handles |
//! | `handle`, `pulse` | what connects the two |

mod builder;
mod care;
mod channel;
mod config;
pub mod continuity;
mod coordinator;
mod damage;
mod driver;
mod error;
mod events;
mod file;
mod handle;
mod identity;
mod materializer;
mod members;
mod pulse;
mod recent;
pub mod registry;
mod retention;
mod store;
mod stream;
mod time;
mod transport;
mod usage;
mod view;

pub use gossip_proto as proto;
pub use gossip_proto::node::{
    Backlog, CommandError, Event, Health, LinkInfo, MemberInfo, NodeConfig, NodeState, PeerInfo, PeerStatus,
    StreamInfo, Streams, SyncChoice, SyncRule, SyncStatus, Traffic,
};
pub use gossip_proto::{
    ChannelId, Cursor, Durability, EntryId, Fault, IdError, LogEntry, LogId, MemberState, NodeId, OrderKey,
    Payload, Pruned, PublicKey, Retention, Seal, Sealer, Seq, SeqRange, Stamp, StoreStats, StreamId, Usage,
    VersionVector,
};
#[doc(hidden)]
pub use inventory;

pub use self::builder::Builder;
pub use self::care::{Damage, DamageKind, Exported, FileError, Imported, Repaired, Report};
pub use self::channel::{Channel, ChannelOptions};
pub use self::config::Config;
pub use self::coordinator::{Coordinator, Peer};
pub use self::error::{BuildError, Error};
pub use self::events::{Events, Notice};
pub use self::file::{ConfigFile, PluginConfig};
pub use self::identity::Identity;
pub use self::materializer::{FoldError, FoldOrder, StateMaterializer};
pub use self::retention::RetentionPolicy;
pub use self::store::{
    ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository, Store,
    StoreError, StoreResult, seek_by_reading,
};
pub use self::stream::{
    Delivered, Direction, EntryPage, EventStream, From, Incomplete, NamedCursor, PageQuery, Pager, Place,
    Subscription,
};
pub use self::time::{BoxFuture, RealTime, TimerPort};
pub use self::transport::{LocalNode, MessagePort, PeerAddr, PortError, PortEvent, Transport};
pub use self::usage::ResourceUsage;
pub use self::view::{View, ViewReport};
