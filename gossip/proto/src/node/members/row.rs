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
    pub(super) former: Former,
    /// It means to say nothing until then; 0: it does not.
    pub(in crate::node) doze_until: Tick,
    /// When somebody heard it last, as far as that was in question; 0: never. What others say counts as of when they
    /// heard it, not as of when they say so: else they would keep a dead one alive by each other's word.
    pub(super) heard: Tick,
    /// What the application was told last.
    pub(super) told: Option<PeerStatus>,
    /// Says how often it is spoken of to all,
    pub(super) floods: Bucket,
    pub(super) charges: Bucket,
    /// how far others raise its number,
    pub(super) raises: Bucket,
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

/// The instance before the present one; 0: none. Who starts anew takes the place of its earlier life, of which some may
/// still know more than its store did; but an earlier life does not come back again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Former {
    instance: u32,
    /// How often these two have taken each other's place.
    returns: u8,
}

/// So often they do when there are two nodes.
const RETURNS: u8 = 3;

impl Former {
    /// One instance takes the place of another.
    pub(super) fn replace(&mut self, old: u32, new: u32) {
        *self = Self { instance: old, returns: self.returns_with(new) };
    }

    /// Whether there are two nodes if this instance is the next one.
    pub(super) fn is_twin(&self, new: u32) -> bool {
        self.returns_with(new) >= RETURNS
    }

    fn returns_with(&self, new: u32) -> u8 {
        if self.instance == new { self.returns.saturating_add(1) } else { 0 }
    }
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
            former: Former::default(),
            doze_until: Tick(0),
            heard: Tick(0),
            told: None,
            floods: Bucket::default(),
            charges: Bucket::default(),
            raises: Bucket::default(),
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
        assert!(size_of::<Option<Member>>() <= 136, "{}", size_of::<Option<Member>>());
        assert_eq!(size_of::<Option<Slot>>(), 16);
    }
}
