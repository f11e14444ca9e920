//! Values, wire format and the sans-IO node of gossip.
//!
//! This crate is a pure function of its inputs: no async, no sockets, no files, no clock, no
//! threads. Its map:
//!
//! | module | idea |
//! |---|---|
//! | `id` | names of nodes, channels, streams |
//! | `stamp`, `clock` | hybrid logical clock |
//! | `log`, `chain` | logs, epochs, hash chains |
//! | `run` | consecutive entries encoded once |
//! | `seal` | signatures of authors whose ids are keys |
//! | `entry` | entries as applications see them |
//! | `vector`, `cursor` | how far a replica is, and local arrival order |
//! | `member` | members of the group: their short names, and what is told of them |
//! | `record`, `request` | what a store keeps; what is asked of it |
//! | `sketch` | what differs between two replicas, from little more than the difference |
//! | `node` | the state machine |

mod chain;
mod clock;
mod cursor;
mod digest;
mod entry;
mod hint;
mod id;
mod leb;
mod log;
mod member;
pub mod node;
mod record;
mod request;
mod rng;
mod run;
mod seal;
mod sketch;
mod stamp;
mod vector;
pub mod wire;

pub use self::chain::{ChainHash, Check, PayloadHash};
pub use self::clock::{ClockExhausted, Hlc, Observed};
pub use self::cursor::{Arrival, Cursor, CursorError, StoreIncarnation};
pub use self::entry::{EntryId, EntryIdError, LogEntry, OrderKey};
pub use self::hint::Hint;
pub use self::id::{ChannelId, IdError, MAX_ID_BYTES, NodeId, StreamId};
pub use self::log::{Branch, Epoch, LogHash, LogHead, LogId, LogName, Seq, SeqRange};
pub use self::member::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MemberKey, MemberRow, MemberState};
pub use self::record::{
    Arrived, ChannelRecord, CommitItem, Committed, Durability, Erasure, Meta, NodeRecord, Page, PeerRecord,
    Pruned, Removed, Retention, Scope, StoreStats, StreamRecord, Turn, Usage,
};
pub use self::request::{Fault, Inventory, StoreFailure, StoreReply, StoreRequest};
pub use self::rng::Rng;
pub use self::run::{
    MAX_PAYLOAD_BYTES, MAX_RUN_BYTES, MAX_RUN_ENTRIES, NewPayload, Payload, Run, RunBuilder, RunEntries,
    RunEntry, RunError, StoredRun,
};
pub use self::seal::{
    Ed25519Check, Ed25519Sealer, PublicKey, SEAL_MESSAGE_BYTES, Seal, SealCheck, Sealer, SecretKey,
    seal_message,
};
pub use self::stamp::{Now, Stamp, Tick, WallMs};
pub use self::vector::VersionVector;

fn hex(f: &mut std::fmt::Formatter<'_>, bytes: &[u8]) -> std::fmt::Result {
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
}
