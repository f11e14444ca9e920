//! Reading a run: everything is checked once, so that later iteration cannot fail.

use bytes::Bytes;
use minicbor::Decoder;
use minicbor::data::Type;

use super::columns::{Lengths, take_step};
use super::{HOLLOW_BYTES, MAX_PAYLOAD_BYTES, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Run, RunError};
use crate::log::MAX_SEQ;
use crate::{Check, LogId, Stamp};

/// Longest seal.
const MAX_SEAL_BYTES: usize = 128;

impl From<minicbor::decode::Error> for RunError {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed("not the CBOR of a run")
    }
}

impl Run {
    /// Reads a run; payloads will be slices of `encoded`. The chain is not checked here, see
    /// [`Run::verify`].
    ///
    /// # Errors
    /// [`RunError::Malformed`] or [`RunError::OverBounds`].
    pub fn decode(encoded: Bytes) -> Result<Self, RunError> {
        let mut input = Decoder::new(&encoded);
        if input.array()? != Some(9) {
            return Err(RunError::Malformed("a run has nine parts"));
        }
        let log = LogId(fixed(input.bytes()?)?);
        let (first, count) = (input.u64()?, input.u64()?);
        let stamp = Stamp::from_bits(input.u64()?);
        let stamps = encoded.slice_ref(input.bytes()?);
        let lengths = encoded.slice_ref(input.bytes()?);
        let body = encoded.slice_ref(input.bytes()?);
        let check = Check(fixed(input.bytes()?)?);
        let seal = seal(&mut input, &encoded)?;
        if input.position() != encoded.len() {
            return Err(RunError::Malformed("bytes after the run"));
        }
        let run =
            Self { encoded: encoded.clone(), log, first, count, stamp, stamps, lengths, body, check, seal };
        run.check_bounds(MAX_RUN_BYTES + HOLLOW_BYTES)?;
        if !run.check_columns()? {
            run.check_bounds(MAX_RUN_BYTES)?;
        }
        Ok(run)
    }

    fn check_bounds(&self, max_bytes: usize) -> Result<(), RunError> {
        if self.first == 0
            || self.count == 0
            || self.first.checked_add(self.count).is_none_or(|end| end > MAX_SEQ)
        {
            return Err(RunError::Malformed("sequences start at 1 and a run is not empty"));
        }
        if self.count > MAX_RUN_ENTRIES {
            return Err(RunError::OverBounds("more than 256 entries"));
        }
        if self.count > 1 && self.encoded.len() > max_bytes {
            return Err(RunError::OverBounds("more than 64 KiB in several entries"));
        }
        Ok(())
    }

    /// Whether payloads in it are absent.
    fn check_columns(&self) -> Result<bool, RunError> {
        let mut steps = &self.stamps[..];
        let mut stamp = self.stamp;
        for _ in 1..self.count {
            stamp = take_step(&mut steps, stamp).ok_or(RunError::Malformed("stamps"))?;
        }
        let mut lengths = Lengths::new(self.count, &self.lengths);
        let (mut words, mut size, mut is_hollow) = (0, 0_u64, false);
        for word in lengths.by_ref() {
            if word >> 1 > MAX_PAYLOAD_BYTES as u64 {
                return Err(RunError::OverBounds("payload too large"));
            }
            size += if word & 1 == 1 { 32 } else { word >> 1 };
            is_hollow |= word & 1 == 1;
            words += 1;
        }
        let whole = words == self.count && lengths.rest().is_empty() && size == self.body.len() as u64;
        if whole && steps.is_empty() { Ok(is_hollow) } else { Err(RunError::Malformed("columns")) }
    }
}

fn fixed<const N: usize>(bytes: &[u8]) -> Result<[u8; N], RunError> {
    bytes.try_into().map_err(|_| RunError::Malformed("a hash of the wrong length"))
}

fn seal(input: &mut Decoder<'_>, encoded: &Bytes) -> Result<Option<Bytes>, RunError> {
    if input.datatype()? == Type::Null {
        input.null()?;
        return Ok(None);
    }
    let seal = input.bytes()?;
    if seal.is_empty() || seal.len() > MAX_SEAL_BYTES {
        return Err(RunError::OverBounds("seal"));
    }
    Ok(Some(encoded.slice_ref(seal)))
}
