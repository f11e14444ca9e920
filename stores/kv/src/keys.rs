//! Keys: bytes that sort as the things they stand for.
//!
//! Ids end with a zero byte inside longer keys. An id contains no control character, so ("ab",
//! "c") and ("a", "bc") differ, and unlike a length in front it keeps the order of the ids.
//! Numbers are big-endian.

use std::ops::Bound;

use gossip_core::proto::{ChannelId, LogId, LogName, Seq, StreamId};

/// A range of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// Where it begins.
    pub start: Bound<Vec<u8>>,
    /// Where it ends.
    pub end: Bound<Vec<u8>>,
}

impl Span {
    /// All keys.
    #[must_use]
    pub fn all() -> Self {
        Self { start: Bound::Unbounded, end: Bound::Unbounded }
    }

    /// From one key to another, both included.
    #[must_use]
    pub fn between(first: impl Into<Vec<u8>>, last: impl Into<Vec<u8>>) -> Self {
        Self { start: Bound::Included(first.into()), end: Bound::Included(last.into()) }
    }

    /// All keys that begin with `prefix` and go on behind `after`. A prefix is empty or ends with
    /// a zero byte.
    #[must_use]
    pub fn under(prefix: &[u8], after: Option<&[u8]>) -> Self {
        let start = match after {
            Some(after) => Bound::Excluded(join(prefix, after)),
            None => Bound::Included(prefix.to_vec()),
        };
        let end = match prefix.split_last() {
            Some((_, rest)) => Bound::Excluded(join(rest, &[1])),
            None => Bound::Unbounded,
        };
        Self { start, end }
    }

    /// The same range, borrowed.
    #[must_use]
    pub fn bounds(&self) -> (Bound<&[u8]>, Bound<&[u8]>) {
        (self.start.as_ref().map(Vec::as_slice), self.end.as_ref().map(Vec::as_slice))
    }

    /// Whether no key can lie in it; many engines do not take such a range.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        match (&self.start, &self.end) {
            (Bound::Included(start), Bound::Included(end)) => start > end,
            (
                Bound::Included(start) | Bound::Excluded(start),
                Bound::Included(end) | Bound::Excluded(end),
            ) => start >= end,
            _ => false,
        }
    }
}

/// Log and last sequence of a run.
pub(crate) fn run(log: LogId, last: Seq) -> [u8; 24] {
    let mut key = [0; 24];
    key[..16].copy_from_slice(&log.0);
    key[16..].copy_from_slice(&last.to_be_bytes());
    key
}

/// What all keys of a channel begin with.
pub(crate) fn channel(channel: &ChannelId) -> Vec<u8> {
    let mut key = channel.as_str().as_bytes().to_vec();
    key.push(0);
    key
}

/// What all keys of a stream begin with.
pub(crate) fn stream(channel: &ChannelId, stream: &StreamId) -> Vec<u8> {
    let mut key = self::channel(channel);
    key.extend_from_slice(stream.as_str().as_bytes());
    key.push(0);
    key
}

/// What all keys of a log's stream begin with.
pub(crate) fn stream_of(name: &LogName) -> Vec<u8> {
    stream(&name.channel, &name.stream)
}

/// Where the arrival row of a stream lies that begins with a number.
pub(crate) fn arrival(stream: &[u8], number: u64) -> Vec<u8> {
    join(stream, &number.to_be_bytes())
}

/// The arrival rows of a stream from a number on.
pub(crate) fn arrivals(stream: &[u8], first: u64) -> Span {
    Span::between(arrival(stream, first), arrival(stream, u64::MAX))
}

/// A prefix and what follows it.
pub(crate) fn join(prefix: &[u8], rest: &[u8]) -> Vec<u8> {
    [prefix, rest].concat()
}

/// The key that comes right after one.
pub(crate) fn after(key: &[u8]) -> Vec<u8> {
    join(key, &[0])
}

/// The last eight bytes of a key as a number.
pub(crate) fn number(key: &[u8]) -> u64 {
    key.last_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The last sixteen bytes of a key as a log.
pub(crate) fn log(key: &[u8]) -> LogId {
    LogId(key.last_chunk().copied().unwrap_or_default())
}
