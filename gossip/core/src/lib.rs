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

pub mod continuity;
mod materializer;
pub mod registry;
mod store;
mod time;
mod transport;

pub use gossip_proto as proto;
#[doc(hidden)]
pub use inventory;

pub use self::materializer::{FoldError, FoldOrder, StateMaterializer};
pub use self::store::{
    ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository, Store,
    StoreError, StoreResult, seek_by_reading,
};
pub use self::time::{BoxFuture, RealTime, TimerPort};
pub use self::transport::{LocalNode, MessagePort, PeerAddr, PortError, PortEvent, Transport};
