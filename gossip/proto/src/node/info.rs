//! What a node tells of itself when asked.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{LinkId, NodeState};
use crate::{MemberState, NodeId, Retention, StreamId};

/// A stream in a listing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamInfo {
    /// The stream.
    pub id: StreamId,
    /// What it keeps.
    pub retention: Retention,
    /// Logs in it.
    pub logs: u64,
    /// Sum of their heights: entries ever written, pruned ones included.
    pub height: u64,
}

/// What is known of a peer's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum PeerStatus {
    /// It answers, to us or to another member of the group. Whether there is a link to it is another question.
    Reachable,
    /// It has not answered for a while, but may.
    Suspected,
    /// As far as this node can find out it answers nobody any more. Without any link of our own, and while this node is
    /// stopped, everybody is unreachable; without a link to it is what is no member, the other one of two, and
    /// everybody where [`NodeConfig::peer_exchange`](super::NodeConfig::peer_exchange) is off.
    Unreachable,
    /// It said that it says nothing for a while.
    Dozing,
    /// It said goodbye to all.
    Left,
}

/// Frames and bytes in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames handed to the transport.
    pub frames_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Frames received.
    pub frames_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
}

/// One link in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LinkInfo {
    /// The link.
    pub link: LinkId,
    /// The handshake is complete.
    pub established: bool,
    /// Smoothed round trip, once measured.
    pub rtt: Option<Duration>,
    /// Its outbox is full.
    pub congested: bool,
    /// What went over it.
    pub traffic: Traffic,
}

/// A peer in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer.
    pub id: NodeId,
    /// What to call it.
    pub display_name: String,
    /// Known addresses.
    pub addresses: Vec<String>,
    /// Added by the app, as opposed to met on a link.
    pub added: bool,
    /// Its status.
    pub status: PeerStatus,
    /// It said that it is paused.
    pub paused: bool,
    /// Channels in common.
    pub channels: usize,
    /// Channels in common whose content is known to be equal.
    pub in_sync: usize,
    /// Its links.
    pub links: Vec<LinkInfo>,
}

/// A member of the group in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemberInfo {
    /// Who.
    pub id: NodeId,
    /// What the group holds of it: whether it is alive, also if it is suspected or dozes. For a user interface there is
    /// `status`.
    pub state: MemberState,
    /// What the application was told of it, or what would be; of this node itself, that it is reachable.
    pub status: PeerStatus,
    /// For how long this node has held that `state` of it, or has known it at all; not for how long the status has
    /// been as it is.
    pub since: Duration,
    /// Under which incarnation.
    pub incarnation: u64,
    /// Where it can be dialled, as it says.
    pub addresses: Vec<String>,
    /// It means to say nothing for so much longer. For 15 s after that it is zero, and the status still
    /// [`PeerStatus::Dozing`]: it may be late.
    pub dozes: Duration,
    /// Round trip to it, if there is a link and it was measured.
    pub rtt: Option<Duration>,
}

/// How a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Health {
    /// Where it stands.
    pub state: NodeState,
    /// Who it is.
    pub node: NodeId,
    /// Its incarnation.
    pub incarnation: u64,
    /// Peers known.
    pub peers: usize,
    /// Peers reachable.
    pub reachable: usize,
    /// Members of the group that are alive, this node among them.
    pub members: usize,
    /// Members that are being asked whether they are there, because they were late.
    pub doubts: usize,
    /// Channels.
    pub channels: usize,
    /// Logs.
    pub logs: usize,
    /// Store operations in flight.
    pub store_ops: usize,
    /// Bytes handed to the store and not yet acknowledged.
    pub store_bytes: usize,
    /// Payload bytes of appends waiting.
    pub append_bytes: usize,
    /// Store operations that failed so far.
    pub store_failures: u64,
    /// Frames or parts of them that were dropped as bad so far.
    pub dropped: u64,
    /// Frames and bytes over all links so far.
    pub traffic: Traffic,
}
