//! Counters: every addition counts, whatever the order.

use bytes::Bytes;
use gossip_core::proto::LogEntry;
use gossip_core::{FoldError, FoldOrder, StateMaterializer};
use minicbor::data::Int;
use minicbor::{Decoder, Encoder};

use crate::{ended, not_an_operation};

/// A counter that only grows.
///
/// An operation is one CBOR unsigned integer. The state is the sum in 128 bits, which holds
/// 2⁶⁴ of the largest additions, so no order of folding can overflow where another does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GCounter;

impl GCounter {
    /// The operation that adds `amount`.
    #[must_use]
    pub fn add(amount: u64) -> Bytes {
        integer(amount.into())
    }
}

impl StateMaterializer for GCounter {
    type State = u128;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> u128 {
        0
    }

    fn fold(&self, total: &mut u128, entry: &LogEntry) -> Result<(), FoldError> {
        let what = "growing counter";
        let amount = u64::try_from(parse(what, entry.payload())?).map_err(|e| not_an_operation(what, e))?;
        *total = total.checked_add(amount.into()).ok_or_else(full)?;
        Ok(())
    }
}

/// A counter that grows and shrinks.
///
/// An operation is one CBOR integer within the range of `i64`. The state is the sum in 128
/// bits, which holds 2⁶⁴ of the largest additions, so no order of folding can overflow where
/// another does not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PnCounter;

impl PnCounter {
    /// The operation that adds `amount`, which may be negative.
    #[must_use]
    pub fn add(amount: i64) -> Bytes {
        integer(amount.into())
    }

    /// The operation that takes `amount` away.
    #[must_use]
    pub fn subtract(amount: u32) -> Bytes {
        integer((-i64::from(amount)).into())
    }
}

impl StateMaterializer for PnCounter {
    type State = i128;
    const ORDER: FoldOrder = FoldOrder::Any;

    fn initial(&self) -> i128 {
        0
    }

    fn fold(&self, total: &mut i128, entry: &LogEntry) -> Result<(), FoldError> {
        let what = "counter";
        let amount = i64::try_from(parse(what, entry.payload())?).map_err(|e| not_an_operation(what, e))?;
        *total = total.checked_add(amount.into()).ok_or_else(full)?;
        Ok(())
    }
}

/// CBOR of an integer in its shortest form.
fn integer(amount: Int) -> Bytes {
    let mut encoder = Encoder::new(Vec::with_capacity(9));
    encoder.int(amount).expect("a Vec takes every write");
    encoder.into_writer().into()
}

fn parse(what: &str, payload: &[u8]) -> Result<Int, FoldError> {
    let mut decoder = Decoder::new(payload);
    let amount = decoder.int().map_err(|error| not_an_operation(what, error))?;
    ended(what, decoder.position(), payload.len())?;
    Ok(amount)
}

fn full() -> FoldError {
    FoldError("the counter is full".into())
}
