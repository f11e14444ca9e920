//! What is remembered of a peer from one link to the next.

use serde::{Deserialize, Serialize};

use crate::{Arrival, NodeId, StoreIncarnation};

/// Where a comparison with a peer came to: both held the same.
///
/// Worth something only together with the store that numbered the arrivals, and only a hint: what
/// follows from it is compared all the same. An old one costs bytes, a wrong one a round trip.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hint {
    /// The peer.
    pub peer: NodeId,
    /// Which store of ours numbered the arrival.
    pub incarnation: StoreIncarnation,
    /// Everything of the channel that had arrived up to here is held by the peer.
    pub arrival: Arrival,
    /// The digest both had.
    #[serde(with = "serde_bytes")]
    pub digest: [u8; 16],
}
