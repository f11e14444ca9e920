//! The wire format, versions 1 to 3.
//!
//! ```text
//! frame   = head:u8 body            head = version << 4 | kind
//! kind 0  = a whole message         body = message
//! kind 1  = a piece of a message    body = [id: bstr8, total: uint, offset: uint, bytes: bstr]
//! message = type:u8 fields          fields = one CBOR array (RFC 8949)
//! ```
//!
//! Every frame of a link has the version both sides agreed on in their hellos, which are themselves in
//! the oldest version. Types look the same in all versions that know them: version 1 those up to 16, version 2
//! those up to 25.
//!
//! The control messages of version 1 go through serde and ciborium; all others are written and read
//! by hand so that runs stay slices of the frame. Anything left over is an error.

mod ask;
mod beat;
mod cbor;
mod delta;
mod hashes;
mod history;
#[cfg(test)]
mod laws;
mod members;
mod message;
mod offer;
mod piece;
mod runs;
mod scope;
mod sketch;
mod table;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tests_v2;
#[cfg(test)]
mod tests_v3;
mod tree;

use bytes::Bytes;

pub use self::ask::{Ask, MAX_ASKED};
pub use self::beat::{Beat, BeatFlags, Look, Seen, write_beat};
pub use self::delta::{Delta, DeltaRun, FloorNote, LogKey};
pub use self::hashes::{Hashes, MAX_POSITIONS, Positions};
pub use self::history::{Back, BackLog, Erase, EraseLog};
pub use self::members::{Accusers, MAX_NEWS_BYTES, MAX_ROWS, Row, UNHEARD};
pub use self::message::{
    Beacon, ChannelTag, Channels, DigestTag, Hello, Matches, Message, Nonce, PieceWant, Proof, SessionTag,
    StreamKey,
};
pub use self::offer::{Offer, OfferLog, Want, WantLog};
pub use self::piece::Piece;
pub use self::runs::Push;
pub use self::scope::{MAX_SCOPE, Scope};
pub use self::sketch::{Equal, More, SketchMessage};
pub use self::table::{MAX_BITMAP, MAX_KEYS, States, Summed, Table};
pub use self::tree::{Fresh, Have, NamedRun, TreeMessage};
use crate::node::Frame;
pub use crate::sketch::{COUNTERS, Cell, Kind, MAX_CELLS};

/// The versions that can be read: the oldest and the newest.
pub const WIRE_VERSIONS: std::ops::RangeInclusive<u8> = 1..=3;
/// The newest version a node offers, unless it is told otherwise.
pub const OFFERED_VERSION: u8 = 3;

const WHOLE: u8 = 0;
const PIECE: u8 = 1;

/// The last type of message that a version knows.
fn last_of(version: u8) -> u8 {
    match version {
        ..=1 => 16,
        2 => 25,
        _ => u8::MAX,
    }
}

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
    let version = head >> 4;
    if !WIRE_VERSIONS.contains(&version) {
        return Err(WireError::Version(version));
    }
    match (head & 0x0f, bytes.get(1)) {
        (WHOLE, Some(&kind)) if kind > last_of(version) => Err(WireError::Type(kind)),
        // By far the most common one of an idle node: nothing is reserved for it.
        (WHOLE, Some(&beat::KIND)) => Ok(Content::Whole(Message::Beat(Beat::read(&bytes[2..])?))),
        (WHOLE, _) => Message::read(bytes.slice(1..)).map(Content::Whole),
        (PIECE, _) => Piece::read(bytes.slice(1..)).map(Content::Piece),
        (other, _) => Err(WireError::Type(other)),
    }
}

/// The version in a frame's head, whether it can be read or not.
#[must_use]
pub fn version_of(frame: &[u8]) -> Option<u8> {
    frame.first().map(|head| head >> 4)
}

/// Writes a message as one frame of a version that knows it, whatever its size.
#[must_use]
pub fn write(message: &Message, version: u8) -> Frame {
    let mut head = vec![version << 4 | WHOLE];
    let parts = message.write(&mut head);
    debug_assert!(head[1] <= last_of(version), "{} in version {version}", message.name());
    Frame::from_parts(std::iter::once(head.into()).chain(parts).collect())
}

/// Writes a piece as one frame.
#[must_use]
pub fn write_piece(piece: &Piece, version: u8) -> Frame {
    let mut head = vec![version << 4 | PIECE];
    piece.write_head(&mut head);
    Frame::from_parts(vec![head.into(), piece.bytes.clone()])
}
