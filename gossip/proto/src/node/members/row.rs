//! What is held of one member.

use super::super::slab::At;
use super::bucket::Bucket;
use crate::node::PeerStatus;
use crate::{MemberKey, MemberRow, MemberState, NodeId, Tick};

/// Where a member's row lies. It leads nowhere once the row is gone, even if another has taken its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::node) struct Slot {
    pub(super) at: At,
    pub(in crate::node) key: MemberKey,
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct Member {
    pub(in crate::node) key: MemberKey,
    pub(in crate::node) id: NodeId,
    pub(in crate::node) incarnation: u64,
    pub(in crate::node) state: MemberState,
    /// When it came to be so.
    pub(in crate::node) since: Tick,
    pub(in crate::node) details: Details,
    /// It means to say nothing until then; 0: it does not.
    pub(in crate::node) doze_until: Tick,
    /// When it was last proved to be there while that was in question; 0: never.
    pub(super) heard: Tick,
    /// What the application was told last.
    pub(super) told: Option<PeerStatus>,
    /// Says how often it is spoken of to all,
    pub(super) floods: Bucket,
    pub(super) charges: Bucket,
    /// and to the application as two.
    pub(super) twins: Bucket,
}

/// What only the member itself can tell. Of two the larger one holds: incarnations grow whenever any of it
/// changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::node) struct Details {
    pub(in crate::node) incarnation: u64,
    pub(in crate::node) instance: u32,
    pub(in crate::node) addresses: Box<[String]>,
}

impl Member {
    /// A member nobody has spoken of before: it is alive.
    pub(super) fn new(now: Tick, row: MemberRow) -> Self {
        let MemberRow { id, incarnation, instance, addresses } = row;
        Self {
            key: MemberKey::of(&id),
            id,
            incarnation,
            state: MemberState::Live,
            since: now,
            details: Details { incarnation, instance, addresses: addresses.into() },
            doze_until: Tick(0),
            heard: Tick(0),
            told: None,
            floods: Bucket::default(),
            charges: Bucket::default(),
            twins: Bucket::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Beside it are its id and addresses, and 48 bytes in two orders.
    #[test]
    fn a_row_is_small() {
        assert!(size_of::<Option<Member>>() <= 120, "{}", size_of::<Option<Member>>());
        assert_eq!(size_of::<Option<Slot>>(), 16);
    }
}
