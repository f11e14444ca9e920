//! Which streams one side leaves out on a link.

use bytes::Bytes;

use super::cbor::{self, Reader};
use super::{ChannelTag, StreamKey, WireError};

/// Streams in one [`Scope`], at most.
pub const MAX_SCOPE: usize = 65_536;

/// Tells which streams the speaker takes part in on this link, or asks for that.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    /// The channel.
    pub tag: ChannelTag,
    /// Counts the changes of the speaker's choice; in a request, the newest heard.
    pub turn: u64,
    /// The speaker takes part in those listed, and in no others; otherwise in all but those.
    pub only: bool,
    /// The streams; `None` is a request.
    pub keys: Option<Vec<StreamKey>>,
}

impl Scope {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        cbor::write(head, |out| {
            out.array(4)?.bytes(&self.tag.0)?.u64(self.turn)?.bool(self.only)?;
            let Some(keys) = &self.keys else {
                out.null()?;
                return Ok(());
            };
            out.array(keys.len() as u64)?;
            keys.iter().try_for_each(|key| out.bytes(&key.0).map(drop))
        });
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("scope", body, |input| {
            input.array(4)?;
            Ok(Self {
                tag: ChannelTag(input.fixed()?),
                turn: input.number()?,
                only: input.bool()?,
                keys: input.nullable(|input| input.list(MAX_SCOPE, |input| Ok(StreamKey(input.fixed()?))))?,
            })
        })
    }
}
