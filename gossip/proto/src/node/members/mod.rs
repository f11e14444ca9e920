//! Who belongs to the group, and who of them answers.
//!
//! | file | idea |
//! |---|---|
//! | `rows`, `row`, `sums` | the table: all members, the ring of those alive, and hashes of both |
//! | `me` | what this node says of itself, and what it contradicts |
//! | `merge` | which of two statements about a member holds |
//! | `beat`, `watch` | what is said and heard on a link, again and again |
//! | `news` | what members say of each other |
//! | `repair` | what two tables differ in is found and told |
//! | `ring`, `overlay` | who is next to whom, and links to those next to this node |
//! | `bucket` | how often something may happen |

mod beat;
mod bucket;
mod me;
pub(super) mod merge;
mod news;
mod overlay;
mod repair;
mod ring;
mod row;
mod rows;
mod sums;
#[cfg(test)]
mod tests;
mod watch;

pub(super) use self::row::Member;
pub(super) use self::row::Slot;
pub(super) use self::rows::Members;
pub(super) use self::watch::Watch;
use super::{Event, LinkId, Node};
use crate::wire::{Look, Row, Seen};

/// The first version in which nodes are members to each other.
pub(super) const MEMBERS: u8 = 3;

impl Node {
    /// Somebody asks for a member that does not answer there.
    pub(super) fn on_look(&mut self, _: LinkId, _: Look) {}

    /// The answer to that.
    pub(super) fn on_seen(&mut self, _: LinkId, _: Seen) {}

    /// Somebody asked a member that is alive here in vain, or holds it to be down.
    fn accuse(&mut self, _: Slot, _: &Row) {}

    /// Somebody heard a member.
    fn vouched(&mut self, _: Slot) {}

    /// Somebody seeks a member: who hears it says so.
    fn sought(&mut self, _: Slot) {}

    /// Two nodes call themselves by one id.
    fn twin(&mut self, slot: Slot) {
        if let Some(id) = self.members.twin(slot, self.now.tick) {
            self.notify(Event::DuplicateIdentity(id));
        }
    }

    /// Tells the application what became of a member, if it does not know.
    fn settle_status(&mut self, _: Slot) {}
}
