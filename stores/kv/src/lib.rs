//! One durable store over any ordered key-value engine.
//!
//! An [`Engine`] keeps tables of bytes; everything a store promises about entries, heads, arrivals and
//! records is done here, once. A store of a certain engine is [`KvStore<E>`].

mod edits;
mod engine;
mod fault;
mod keys;

pub use self::edits::{Edit, Edits, Parts};
pub use self::engine::{Engine, EngineStats, Opener, Opening, Order, Rows, Table, Value, View};
pub use self::fault::{Failure, of_io};
pub use self::keys::Span;
