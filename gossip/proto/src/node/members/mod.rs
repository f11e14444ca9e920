//! Who belongs to the group, and who of them answers.
//!
//! | file | idea |
//! |---|---|
//! | `rows`, `row`, `sums` | the table: all members, the ring of those alive, and hashes of both |
//! | `me` | what this node says of itself, and what it contradicts |
//! | `merge` | which of two statements about a member holds |
//! | `beat`, `watch` | what is said and heard on a link, again and again |
//! | `pulse`, `calm`, `due` | when beats are said, and who is late with one |
//! | `doubt`, `look`, `loss`, `senses` | who is late is asked, and others are asked for it |
//! | `suspicion`, `verdict` | who does not answer is accused, gets its say, and is down when nothing speaks for it |
//! | `seek` | members to which there is no link are asked for |
//! | `status`, `doze` | what the application is told of all that; whose silence does not count |
//! | `news` | what members say of each other |
//! | `repair` | what two tables differ in is found and told |
//! | `ring`, `overlay` | who is next to whom, and links to those next to this node |
//! | `near` | a link to one that is near |
//! | `idle` | links that nobody wants any more |
//! | `dead` | those that are down are tried again |
//! | `leave` | who is believed that a member left |
//! | `away` | who heard nobody for a while tells of nobody what was so before |
//! | `gone` | rows that go, and what goes with them |
//! | `states` | two sides that were apart tell each other who is alive |
//! | `bucket`, `answers`, `pauses` | how often something may happen, how much is told, and when again |

mod answers;
mod away;
mod beat;
mod bucket;
mod calm;
mod dead;
mod doubt;
mod doze;
mod due;
mod gone;
mod idle;
mod leave;
mod look;
mod loss;
mod me;
pub(super) mod merge;
mod near;
mod news;
mod overlay;
mod pauses;
mod pulse;
mod repair;
mod ring;
mod row;
mod rows;
mod seek;
mod senses;
mod states;
mod status;
mod sums;
mod suspicion;
#[cfg(test)]
mod tests;
mod verdict;
mod watch;

pub(super) use self::pauses::Pauses;
pub(super) use self::row::{Member, Slot};
pub(super) use self::rows::Members;
pub(super) use self::watch::Watch;
use super::{Event, Node};

/// The first version in which nodes are members to each other.
pub(super) const MEMBERS: u8 = 3;

impl Node {
    /// Two nodes call themselves by one id.
    fn twin(&mut self, slot: Slot) {
        if let Some(id) = self.members.twin(slot, self.now.tick) {
            self.notify(Event::DuplicateIdentity(id));
        }
    }
}
