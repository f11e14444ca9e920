//! A request for runs by the beginnings of log ids: 6 to 10 bytes for a log.

use bytes::Bytes;

use super::cbor::{self, Reader};
use super::{ChannelTag, WireError};
use crate::{Seq, leb};

/// Logs in one [`Ask`], at most.
pub const MAX_ASKED: usize = 4096;
/// Bytes of a log id that stand for it.
const KEY: usize = 5;

/// Asks for runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// The channel.
    pub tag: ChannelTag,
    /// Comes back in the answers; never 0.
    pub serial: u32,
    /// KiB of runs the asker has room for. One run may exceed it.
    pub room: u32,
    /// What is wanted: every log of the channel whose id begins so, after that sequence.
    pub logs: Vec<([u8; KEY], Seq)>,
}

impl Ask {
    pub(super) fn write(&self, head: &mut Vec<u8>) {
        let (keys, afters) = columns(&self.logs);
        cbor::write(head, |out| {
            out.array(5)?.bytes(&self.tag.0)?.u32(self.serial)?.u32(self.room)?;
            out.bytes(&keys)?.bytes(&afters)?;
            Ok(())
        });
    }

    pub(super) fn read(body: &Bytes) -> Result<Self, WireError> {
        Reader::whole("ask", body, |input| {
            input.array(5)?;
            let tag = ChannelTag(input.fixed()?);
            let (serial, room) = (input.short()?, input.short()?);
            let logs = logs(input.bytes()?, input.bytes()?)?;
            Ok(Self { tag, serial, room, logs })
        })
    }
}

/// Beginnings of log ids, and as many sequences.
pub(super) fn columns(logs: &[([u8; KEY], Seq)]) -> (Vec<u8>, Vec<u8>) {
    let (mut keys, mut seqs) = (Vec::with_capacity(logs.len() * KEY), Vec::with_capacity(logs.len()));
    for (key, seq) in logs {
        keys.extend_from_slice(key);
        leb::put(&mut seqs, *seq);
    }
    (keys, seqs)
}

/// What [`columns`] wrote, up to [`MAX_ASKED`].
pub(super) fn logs(keys: &[u8], mut afters: &[u8]) -> Result<Vec<([u8; KEY], Seq)>, String> {
    let (keys, rest) = keys.as_chunks::<KEY>();
    if keys.len() > MAX_ASKED || !rest.is_empty() {
        return Err("keys of another length".into());
    }
    let mut logs = Vec::with_capacity(keys.len().min(afters.len()));
    for key in keys {
        logs.push((*key, leb::take(&mut afters).ok_or("a key without a sequence")?));
    }
    if afters.is_empty() { Ok(logs) } else { Err("a sequence without a key".into()) }
}
