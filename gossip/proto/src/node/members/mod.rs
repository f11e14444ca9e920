//! Who belongs to the group, and who of them answers: what members say to each other.

use super::{LinkId, Node};
use crate::wire::{Beat, Fresh, Have, Look, Row, Seen, States, Table, TreeMessage};

impl Node {
    /// A beat measures the round trip, and tells whether tables and channels are equal.
    pub(super) fn on_beat(&mut self, _: LinkId, _: Beat) {}

    /// Somebody asks for a member that does not answer there.
    pub(super) fn on_look(&mut self, _: LinkId, _: Look) {}

    /// The answer to that.
    pub(super) fn on_seen(&mut self, _: LinkId, _: Seen) {}

    /// News of members: what changes something here is passed on.
    pub(super) fn on_news(&mut self, _: LinkId, _: Vec<Row>) {}

    /// A step in the comparison of two tables.
    pub(super) fn on_table(&mut self, _: LinkId, _: Table) {}

    /// What two sides hold of each other that were apart.
    pub(super) fn on_states(&mut self, _: LinkId, _: States) {}

    /// The other side wants entries at once on this link, or announced.
    pub(super) fn on_tree(&mut self, _: LinkId, _: TreeMessage) {}

    /// Heights were announced.
    pub(super) fn on_have(&mut self, _: LinkId, _: Have) {}

    /// Entries came along the tree.
    pub(super) fn on_fresh(&mut self, _: LinkId, _: Fresh) {}
}
