//! What `replay` writes into an entry: one transaction, as CBOR.
//!
//! gossip never looks into payloads; how they are encoded is the application's business.

use bytes::Bytes;
use minicbor::{Decoder, Encoder};

use crate::trace::{Patch, Transaction};

/// A transaction with its place in the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its index among all transactions.
    pub index: usize,
    /// See [`Transaction::parents`].
    pub parents: Vec<usize>,
    /// See [`Transaction::patches`].
    pub patches: Vec<Patch>,
}

impl Record {
    /// Whether this is that transaction of the trace.
    #[must_use]
    pub fn is(&self, index: usize, transaction: &Transaction) -> bool {
        self.index == index && self.parents == transaction.parents && self.patches == transaction.patches
    }
}

/// A payload is not a transaction.
#[derive(Debug, thiserror::Error)]
pub enum PayloadError {
    /// Not the expected CBOR.
    #[error("not a transaction: {0}")]
    Cbor(#[from] minicbor::decode::Error),
    /// More bytes than the transaction has.
    #[error("{0} bytes follow the transaction")]
    Trailing(usize),
}

/// A transaction as payload: `[index, [parent…], [[position, deleted, inserted]…]]`.
#[must_use]
pub fn encode(index: usize, transaction: &Transaction) -> Bytes {
    let mut out = Encoder::new(Vec::new());
    let written = write(&mut out, index, transaction);
    written.expect("a vector takes all that is written to it");
    out.into_writer().into()
}

/// Reads what [`encode`] wrote.
///
/// # Errors
/// [`PayloadError`] for anything else; never panics.
pub fn decode(payload: &[u8]) -> Result<Record, PayloadError> {
    let mut input = Decoder::new(payload);
    tuple(&mut input)?;
    let index = input.decode()?;
    let parents = input.decode()?;
    let mut patches = Vec::new();
    // The count is not trusted for an allocation: it ends where the input ends.
    for _ in 0..input.array()?.unwrap_or(0) {
        tuple(&mut input)?;
        patches.push(Patch(input.u64()?, input.u64()?, input.str()?.to_owned()));
    }
    match payload.len() - input.position() {
        0 => Ok(Record { index, parents, patches }),
        rest => Err(PayloadError::Trailing(rest)),
    }
}

fn tuple(input: &mut Decoder<'_>) -> Result<(), minicbor::decode::Error> {
    match input.array()? {
        Some(3) => Ok(()),
        _ => Err(minicbor::decode::Error::message("expected an array of three")),
    }
}

type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

fn write(out: &mut Encoder<Vec<u8>>, index: usize, transaction: &Transaction) -> Written {
    out.array(3)?.encode(index)?.encode(&transaction.parents)?;
    out.array(transaction.patches.len() as u64)?;
    for Patch(position, deleted, inserted) in &transaction.patches {
        out.array(3)?.u64(*position)?.u64(*deleted)?.str(inserted)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Transaction {
        Transaction {
            agent: 1,
            parents: vec![3, 70_000],
            patches: vec![Patch(5, 0, "ü".into()), Patch(1 << 40, 2, String::new())],
        }
    }

    #[test]
    fn a_transaction_survives() {
        let record = decode(&encode(70_001, &sample())).unwrap();
        assert!(record.is(70_001, &sample()));
        assert!(!record.is(70_002, &sample()));
    }

    #[test]
    fn anything_else_is_refused() {
        let payload = encode(9, &sample());
        for end in 0..payload.len() {
            assert!(decode(&payload[..end]).is_err(), "cut at {end}");
        }
        let long = [&payload[..], &[0]].concat();
        assert!(matches!(decode(&long), Err(PayloadError::Trailing(1))));
        // An array that claims 2^64 - 1 patches.
        let huge = [0x83, 0x00, 0x80, 0x9b, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(decode(&huge).is_err());
    }
}
