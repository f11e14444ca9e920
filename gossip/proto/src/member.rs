//! Members of the group: the short name of one, and what is told of it.

use std::fmt;

use crate::NodeId;

/// Addresses told of one member, at most,
pub const MAX_ADDRESSES: usize = 8;
/// and bytes of each.
pub const MAX_ADDRESS_BYTES: usize = 256;

/// Eight bytes that stand for a node id where members are spoken of: they say nothing to who does not know
/// the id. Their order is the ring on which members find their neighbours.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberKey(pub u64);

impl MemberKey {
    /// The first 8 bytes of a BLAKE3 hash of the id, the first one highest.
    #[must_use]
    pub fn of(id: &NodeId) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("gossip 1 member key");
        hasher.update(id.as_str().as_bytes());
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        Self::from_bytes([a, b, c, d, e, f, g, h])
    }

    /// As on the wire.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// From the wire.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(u64::from_be_bytes(bytes))
    }

    /// Which of 256 arcs of the ring it lies on: its first byte.
    #[must_use]
    pub fn bucket(self) -> u8 {
        self.to_bytes()[0]
    }
}

impl fmt::Debug for MemberKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// What the group holds of a member. Of two statements about the same incarnation the one further down holds
/// (SWIM: Das, Gupta, Motivala 2002, with `Left` above all, as who left says so itself).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MemberState {
    /// It answers, to us or to somebody.
    Live,
    /// It was found not to answer any more.
    Down,
    /// It said goodbye to all.
    Left,
}

/// A member as it tells of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberRow {
    /// Its id.
    pub id: NodeId,
    /// Grows with each start of the node, with each change of its addresses, and whenever it contradicts what is
    /// said of it.
    pub incarnation: u64,
    /// Random at each start: two nodes with one id differ in it.
    pub instance: u32,
    /// Where it can be dialled: at most 8 addresses of at most 256 bytes.
    pub addresses: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_the_same_for_ever() {
        let key = MemberKey::of(&NodeId::new("ann").unwrap());
        assert_eq!(format!("{key:?}"), "26c20a350e56bbe0");
        assert_eq!((key.bucket(), MemberKey::from_bytes(key.to_bytes())), ((key.0 >> 56) as u8, key));
    }

    #[test]
    fn of_two_statements_the_more_final_one_holds() {
        assert!(MemberState::Live < MemberState::Down && MemberState::Down < MemberState::Left);
    }
}
