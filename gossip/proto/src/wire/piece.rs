//! Pieces of messages that are larger than a link's frame.

use bytes::Bytes;
use minicbor::{Decoder, Encoder};

use super::WireError;

/// A part of a message, named by the message's own hash, so that a repeated message continues
/// where an interrupted transfer stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// First 8 bytes of BLAKE3 over the whole frame.
    pub id: [u8; 8],
    /// Length of the whole frame.
    pub total: u64,
    /// Where this part begins.
    pub offset: u64,
    /// The part.
    pub bytes: Bytes,
}

impl Piece {
    /// Bytes of a frame that a piece spends on its own head, at most.
    pub const HEAD: usize = 1 + 1 + 9 + 9 + 9 + 5;

    pub(super) fn read(body: Bytes) -> Result<Self, WireError> {
        let wrong = |error: minicbor::decode::Error| WireError::malformed("piece", error);
        let mut input = Decoder::new(&body);
        if input.array().map_err(wrong)? != Some(4) {
            return Err(WireError::malformed("piece", "not four parts"));
        }
        let id = input.bytes().map_err(wrong)?;
        let id = id.try_into().map_err(|_| WireError::malformed("piece", "id"))?;
        let (total, offset) = (input.u64().map_err(wrong)?, input.u64().map_err(wrong)?);
        let bytes = body.slice_ref(input.bytes().map_err(wrong)?);
        let end = offset.checked_add(bytes.len() as u64);
        if input.position() != body.len() || bytes.is_empty() || end.is_none_or(|end| end > total) {
            return Err(WireError::malformed("piece", "range"));
        }
        Ok(Self { id, total, offset, bytes })
    }

    pub(super) fn write_head(&self, out: &mut Vec<u8>) {
        let mut head = Encoder::new(out);
        let done = (|| {
            head.array(4)?.bytes(&self.id)?.u64(self.total)?.u64(self.offset)?;
            head.bytes_len(self.bytes.len() as u64)?;
            Ok::<_, minicbor::encode::Error<std::convert::Infallible>>(())
        })();
        debug_assert!(done.is_ok(), "writing CBOR to a Vec cannot fail");
    }
}
