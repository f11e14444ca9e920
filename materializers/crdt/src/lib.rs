//! Materializers whose state is a CRDT: counters, a register and a map.
//!
//! Each comes with the encoders of its operations, so that an application appends
//! `PnCounter::add(3)` and never sees bytes. All of them fold in any order
//! ([`FoldOrder::Any`](gossip_core::FoldOrder::Any)): a late entry costs one step, not a replay.
//!
//! | materializer | operations | state | concurrent writes |
//! |---|---|---|---|
//! | [`GCounter`] | `add` | `u128` | all count |
//! | [`PnCounter`] | `add`, `subtract` | `i128` | all count |
//! | [`LwwRegister`] | `set` | [`Register`] | the last in the order of the stream wins |
//! | [`LwwMap`] | `set`, `remove` | [`Map`] | as the register, for each key |
//!
//! A payload that is not an operation is a [`FoldError`]: the entry is
//! skipped and reported, the same on every replica. One stream holds one kind of operation.

mod counter;
mod map;
mod register;

pub use self::counter::{GCounter, PnCounter};
pub use self::map::{LwwMap, Map};
pub use self::register::{EncodeError, LwwRegister, Register};

use gossip_core::FoldError;

/// A payload that is not an operation of `what`.
fn not_an_operation(what: &str, why: impl std::fmt::Display) -> FoldError {
    FoldError(format!("not an operation of a {what}: {why}"))
}

/// Fails when bytes follow the operation: one payload is one operation.
fn ended(what: &str, used: usize, len: usize) -> Result<(), FoldError> {
    if used == len {
        return Ok(());
    }
    Err(not_an_operation(what, format_args!("{} bytes follow it", len - used)))
}
