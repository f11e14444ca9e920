//! Laying out a new store, recognising one, and bringing an old one up to date.

mod from_1;
mod from_2;

use std::hash::{BuildHasher, RandomState};

use crate::edits::Edits;
use crate::engine::{Engine, Opening};
use crate::fault::Failure;
use crate::notes::{OPEN, TAKEN, heal, put_incarnation, put_number, put_version, version};
use crate::numbers::Numbers;

/// Newest version of what lies where. Older ones are brought up to date when a store is opened, newer ones
/// are refused.
pub const FORMAT: u64 = 4;

/// The version of a store without forks: nothing in it is new, so programs of before may go on with it. The
/// first turn noted in a head makes it one of version 4.
const UNFORKED: u64 = 3;

/// So many bytes are rewritten in one batch: a store may be larger than the memory.
const STEP: usize = 4 << 20;

/// Writes format and incarnation into an engine that has none, durably; does nothing to another.
///
/// # Errors
/// A failure of the engine. `Corrupt`: there is a format, and it is damaged.
pub fn lay_out<E: Engine>(engine: &E) -> Result<(), Failure> {
    if version(&engine.view()?)?.is_some() {
        return Ok(());
    }
    // The standard library seeds these keys from the operating system: random enough to tell
    // stores apart, without a further crate and without a way to fail.
    let incarnation = RandomState::new().hash_one("store incarnation");
    let mut edits = Edits::default();
    put_version(&mut edits, UNFORKED as u32);
    put_incarnation(&mut edits, incarnation);
    Numbers { arrival: 0, clock: 0 }.put(&mut edits);
    put_number(&mut edits, TAKEN, 0);
    put_number(&mut edits, OPEN, 0);
    engine.apply(edits, true)
}

/// Makes an engine ready for use and returns the incarnation of the store in it.
pub(crate) fn prepare<E: Engine>(engine: &E, opening: Opening) -> Result<u64, Failure> {
    prepare_in_steps(engine, opening, STEP)
}

/// The same with batches of about `step` bytes.
pub(crate) fn prepare_in_steps<E: Engine>(engine: &E, opening: Opening, step: usize) -> Result<u64, Failure> {
    if opening == Opening::First {
        lay_out(engine)?;
    }
    let version = match version(&engine.view()?)? {
        Some(version @ (UNFORKED | FORMAT)) => version,
        Some(1) => {
            from_1::upgrade(engine, step)?;
            from_2::begin(engine)?;
            UNFORKED
        }
        Some(2) => {
            from_2::begin(engine)?;
            UNFORKED
        }
        Some(other) => {
            let why = format!("the store has format {other}, this version of gossip reads format {FORMAT}");
            return Err(Failure::rejected(why));
        }
        None => return Err(Failure::rejected("the store that was here is gone")),
    };
    from_2::go_on(engine, step)?;
    let mut edits = Edits::default();
    let incarnation = heal(&engine.view()?, version as u32, &mut edits)?;
    if !edits.is_empty() {
        engine.apply(edits, true)?;
    }
    Ok(incarnation)
}
