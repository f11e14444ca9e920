//! The wire format, version 1.
//!
//! ```text
//! frame   = head:u8 body            head = version << 4 | kind
//! kind 0  = a whole message         body = message
//! kind 1  = a piece of a message    body = [id: bstr8, total: uint, offset: uint, bytes: bstr]
//! message = type:u8 fields          fields = one CBOR array (RFC 8949)
//! ```
//!
//! Control messages go through serde and ciborium; [`Delta`], which carries runs, is written and
//! read by hand so that runs stay slices of the frame. Anything left over is an error.

mod delta;
mod history;
mod message;
mod piece;
#[cfg(test)]
mod tests;

use bytes::Bytes;

pub use self::delta::{Delta, DeltaRun, FloorNote, LogKey};
pub use self::history::{Back, BackLog, Erase, EraseLog};
pub use self::message::{
    Beacon, ChannelTag, Channels, DigestTag, Hello, Matches, Message, Nonce, Offer, OfferLog, PieceWant,
    Proof, SessionTag, StreamKey, Want, WantLog,
};
pub use self::piece::Piece;
use crate::node::Frame;

/// The newest wire version spoken, and the oldest.
pub const WIRE_VERSIONS: std::ops::RangeInclusive<u8> = 1..=1;

const WHOLE: u8 = 0;
const PIECE: u8 = 1;

/// Why bytes are not a frame of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WireError {
    /// A version outside [`WIRE_VERSIONS`].
    #[error("wire version {0} is not spoken here, only {min} to {max}", min = WIRE_VERSIONS.start(), max = WIRE_VERSIONS.end())]
    Version(u8),
    /// A frame or message type nobody defined.
    #[error("unknown type {0}")]
    Type(u8),
    /// The body is not what its type says.
    #[error("malformed {what}: {detail}")]
    Malformed {
        /// Which message.
        what: &'static str,
        /// What is wrong.
        detail: String,
    },
    /// No bytes at all.
    #[error("empty frame")]
    Empty,
}

impl WireError {
    pub(crate) fn malformed(what: &'static str, detail: impl ToString) -> Self {
        Self::Malformed { what, detail: detail.to_string() }
    }
}

/// What a frame holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A message.
    Whole(Message),
    /// A part of one.
    Piece(Piece),
}

/// Reads a frame. Payloads in it stay slices of `bytes`.
///
/// # Errors
/// [`WireError`]; nothing is taken from a frame that is wrong anywhere.
pub fn read(bytes: &Bytes) -> Result<Content, WireError> {
    let head = *bytes.first().ok_or(WireError::Empty)?;
    if !WIRE_VERSIONS.contains(&(head >> 4)) {
        return Err(WireError::Version(head >> 4));
    }
    let body = bytes.slice(1..);
    match head & 0x0f {
        WHOLE => Message::read(body).map(Content::Whole),
        PIECE => Piece::read(body).map(Content::Piece),
        other => Err(WireError::Type(other)),
    }
}

/// Writes a message as one frame, whatever its size.
#[must_use]
pub fn write(message: &Message) -> Frame {
    let mut head = vec![WIRE_VERSIONS.end() << 4 | WHOLE];
    let parts = message.write(&mut head);
    Frame::from_parts(std::iter::once(head.into()).chain(parts).collect())
}

/// Writes a piece as one frame.
#[must_use]
pub fn write_piece(piece: &Piece) -> Frame {
    let mut head = vec![WIRE_VERSIONS.end() << 4 | PIECE];
    piece.write_head(&mut head);
    Frame::from_parts(vec![head.into(), piece.bytes.clone()])
}
