//! What two members with an active link say to each other all the time: heartbeat, question and answer in one.

use bytes::Bytes;
use minicbor::data::Type;
use minicbor::decode::Error as DecodeError;
use minicbor::encode::write::Cursor;
use minicbor::encode::{Error as EncodeError, Write};
use minicbor::{Decoder, Encoder};

use super::cbor::{self, Reader};
use super::{WHOLE, WireError};
use crate::MemberKey;
use crate::node::Frame;

/// Its type.
pub(super) const KIND: u8 = 26;

/// One beat. Who hears one with an echo has a measurement: what passed since the beat of that number was sent,
/// less `held`. So every exchange measures the round trip, without messages for that (as in NTP, RFC 5905), and an
/// answer names its question (Karn and Partridge 1987).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Beat {
    /// Counts the beats of this link in this direction, round and round.
    pub n: u8,
    /// The newest one heard from the listener,
    pub echo: Option<u8>,
    /// and how many milliseconds ago; 65,535 is longer, and no measurement.
    pub held: u16,
    /// What else there is to say.
    pub flags: BeatFlags,
    /// The next one comes within so many twentieths of a second.
    pub pace: u16,
    /// Hash of the members the speaker holds to be alive or to have left.
    pub table: u64,
    /// Hash of all channels both share on this link.
    pub content: u64,
}

/// What a beat says besides; unknown bits mean nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BeatFlags(pub u8);

impl BeatFlags {
    /// Answer at once.
    pub const ANSWER: Self = Self(1);
    /// This is the answer to the beat that `echo` names.
    pub const IS_ANSWER: Self = Self(2);
    /// The speaker wants this link to be active.
    pub const WANTED: Self = Self(4);
    /// The speaker doubts that the listener is there.
    pub const DOUBTED: Self = Self(8);
    /// The speaker is paused: push nothing.
    pub const PAUSED: Self = Self(16);
    /// The speaker dozes.
    pub const DOZING: Self = Self(32);
    /// The speaker wants this link because it is short.
    pub const NEAR: Self = Self(64);
    /// Enough others want a link to the speaker as it is near: another is sought.
    pub const FULL: Self = Self(128);

    /// Whether all of those are there.
    #[must_use]
    pub fn has(self, flags: Self) -> bool {
        self.0 & flags.0 == flags.0
    }

    /// Those besides, if so.
    #[must_use]
    pub fn with(self, flags: Self, so: bool) -> Self {
        if so { Self(self.0 | flags.0) } else { self }
    }
}

/// Asks whether somebody else hears a member (SWIM's indirect probe).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Comes back in the answer.
    pub serial: u16,
    /// The member,
    pub key: MemberKey,
    /// as the asker knows it.
    pub incarnation: u64,
    /// The asker has not heard it for so many milliseconds.
    pub age: u32,
}

/// Answers a [`Look`]: the member was heard since it was asked, or the speaker's own tries failed (Lifeguard's
/// negative acknowledgement: Dadgar, Phillips, Currey 2017).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// Of the question.
    pub serial: u16,
    /// The member.
    pub key: MemberKey,
    /// It was heard.
    pub heard: bool,
}

/// Writes a beat as one frame, without reserving memory.
#[must_use]
pub fn write_beat(beat: &Beat, version: u8) -> Frame {
    let mut room = [0; Frame::INLINE];
    room[..2].copy_from_slice(&[version << 4 | WHOLE, KIND]);
    let mut out = Encoder::new(Cursor::new(&mut room[2..]));
    let done = beat.encode(&mut out);
    debug_assert!(done.is_ok(), "a beat is at most 32 bytes long");
    let end = 2 + out.into_writer().position();
    Frame::small(&room[..end])
}

impl Beat {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| self.encode(out));
    }

    fn encode<W: Write>(&self, out: &mut Encoder<W>) -> Result<(), EncodeError<W::Error>> {
        out.array(6)?.u8(self.n)?;
        match self.echo {
            Some(echo) => out.u8(echo)?,
            None => out.null()?,
        };
        let hashes = [self.table, self.content].map(u64::to_le_bytes);
        out.u16(self.held)?.u8(self.flags.0)?.u16(self.pace)?.bytes(hashes.as_flattened())?;
        Ok(())
    }

    /// Not by way of [`Reader`]: nothing of it is a slice of the frame, and reading it reserves nothing.
    pub(super) fn read(fields: &[u8]) -> Result<Self, WireError> {
        let mut input = Decoder::new(fields);
        let beat = Self::decode(&mut input).map_err(|error| WireError::malformed("beat", error))?;
        match input.position() == fields.len() {
            true => Ok(beat),
            false => Err(WireError::malformed("beat", "bytes after the end")),
        }
    }

    fn decode(input: &mut Decoder<'_>) -> Result<Self, DecodeError> {
        if input.array()? != Some(6) {
            return Err(DecodeError::message("an array of another length"));
        }
        let n = input.u8()?;
        let echo = match input.datatype()? {
            Type::Null => input.null().map(|()| None)?,
            _ => Some(input.u8()?),
        };
        let (held, flags, pace) = (input.u16()?, BeatFlags(input.u8()?), input.u16()?);
        let (hashes, rest) = input.bytes()?.as_chunks::<8>();
        let &[table, content] = hashes else { return Err(DecodeError::message("hashes of another length")) };
        if !rest.is_empty() {
            return Err(DecodeError::message("hashes of another length"));
        }
        let [table, content] = [table, content].map(u64::from_le_bytes);
        Ok(Self { n, echo, held, flags, pace, table, content })
    }
}

impl Look {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(4)?.u16(self.serial)?.bytes(&self.key.to_bytes())?;
            out.u64(self.incarnation)?.u32(self.age)?;
            Ok(())
        });
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("look", fields, |input| {
            input.array(4)?;
            let (serial, key) = (input.small()?, input.key()?);
            Ok(Self { serial, key, incarnation: input.number()?, age: input.small()? })
        })
    }
}

impl Seen {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(3)?.u16(self.serial)?.bytes(&self.key.to_bytes())?.bool(self.heard)?;
            Ok(())
        });
    }

    pub(super) fn read(fields: &Bytes) -> Result<Self, WireError> {
        Reader::whole("seen", fields, |input| {
            input.array(3)?;
            Ok(Self { serial: input.small()?, key: input.key()?, heard: input.bool()? })
        })
    }
}
