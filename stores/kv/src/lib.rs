//! One durable store over any ordered key-value engine.
//!
//! An [`Engine`] keeps tables of bytes; everything a store promises about entries, heads, arrivals and
//! records is done here, once. A store on a certain engine is [`KvStore<E>`](KvStore).
//!
//! Runs are stored as they were encoded, with a check over the row that is tried whenever they are read, so
//! damage is noticed here and not at a peer. A write collects its changes ([`Edits`]) from a snapshot and
//! what it remembers of the last one, then applies them as one batch.
//!
//! | module | idea |
//! |---|---|
//! | `engine`, `edits` | what an engine must do |
//! | `store`, `options` | [`KvStore`]: the store traits, and how one is opened |
//! | `host`, `patience`, `group` | the engine off the async threads, its recovery, syncing in the background |
//! | `turn`, `memory` | one write, and what is remembered for the next |
//! | `fault` | which failure means what to the caller |
//! | `keys`, `layout`, `head`, `row`, `notes`, `numbers`, `check` | what lies where, and what shows that it is damaged |
//! | `format` | how an old format becomes the new one |
//! | `commit`, `edit`, `isolate`, `remove`, `mend` | what changes entries and their order |
//! | `runs`, `arrivals`, `part`, `heads` | what reads them |
//! | `records` | everything else |
//! | `restored` | a store of which the newest is lost |
//! | `testing` | what tests of stores need (feature `testing`) |

mod arrivals;
mod check;
mod commit;
mod edit;
mod edits;
mod engine;
mod fault;
mod format;
mod group;
mod haste;
mod head;
mod heads;
mod host;
mod isolate;
mod keys;
mod layout;
mod memory;
mod mend;
mod notes;
mod numbers;
mod options;
mod part;
mod patience;
mod records;
mod remove;
mod restored;
mod row;
mod runs;
mod store;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(test)]
mod tests;
mod turn;

pub use self::edits::{Edit, Edits, Parts};
pub use self::engine::{Engine, EngineStats, KeyValue, Opener, Opening, Order, Rows, Table, Value, View};
pub use self::fault::{Failure, of_io};
pub use self::format::{FORMAT, lay_out};
pub use self::keys::Span;
pub use self::options::{OpenOptions, durability};
pub use self::restored::restored;
pub use self::store::KvStore;
