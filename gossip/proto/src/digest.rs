//! Digests: what a replica holds of a channel, as one number that moves with every change.

use crate::wire::{DigestTag, StreamKey};
use crate::{ChainHash, ChannelId, LogId, Seq, StreamId};

/// Domain of every keyed hash in this crate that is about a channel.
const CHANNEL_SECRET: &str = "gossip 1 open channel secret";
const LOG_ITEM: &[u8] = b"gossip-digest-log-1";
const STREAM_ITEM: &[u8] = b"gossip-digest-stream-1";
const REFUSAL_ITEM: &[u8] = b"gossip-digest-refusal-1";
const ONLY_ITEM: &[u8] = b"gossip-digest-only-1";
const DIGEST_TAG: &[u8] = b"gossip-digest-tag-1";

/// The secret of an open channel: whoever knows its name knows it.
pub(crate) fn open_secret(channel: &ChannelId) -> [u8; 32] {
    blake3::derive_key(CHANNEL_SECRET, channel.as_str().as_bytes())
}

/// The short name of a stream in refusals.
pub(crate) fn stream_key(secret: &[u8; 32], stream: &StreamId) -> StreamKey {
    let hash = keyed(secret, STREAM_ITEM, &[stream.as_str().as_bytes()]);
    let mut key = [0; 8];
    key.copy_from_slice(&hash[..8]);
    StreamKey(key)
}

/// A sum of keyed hashes modulo 2^256: commutative, so that it is the same in whatever order a
/// replica came to hold what it holds, and each change costs the same however much there is.
/// A sum instead of XOR, which falls to Gaussian elimination (Bellare, Micciancio 1997).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Sum([u64; 4]);

impl Sum {
    /// A log at a height stands for everything it holds.
    pub(crate) fn of_log(secret: &[u8; 32], log: LogId, height: Seq, hash: &ChainHash) -> Self {
        if height == 0 {
            return Self::default();
        }
        Self::from_hash(keyed(secret, LOG_ITEM, &[&log.0, &height.to_le_bytes(), &hash.0]))
    }

    /// A stream that exists, even without logs.
    pub(crate) fn of_stream(secret: &[u8; 32], stream: &StreamId) -> Self {
        Self::from_hash(keyed(secret, STREAM_ITEM, &[stream.as_str().as_bytes()]))
    }

    /// A stream that a replica leaves out.
    pub(crate) fn of_refusal(secret: &[u8; 32], stream: StreamKey) -> Self {
        Self::from_hash(keyed(secret, REFUSAL_ITEM, &[&stream.0]))
    }

    /// What a replica adds to those streams if they are all it does not refuse.
    pub(crate) fn of_only(secret: &[u8; 32]) -> Self {
        Self::from_hash(keyed(secret, ONLY_ITEM, &[]))
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let mut carry = false;
        for (word, more) in self.0.iter_mut().zip(other.0) {
            let (sum, first) = word.overflowing_add(more);
            let (sum, second) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, first || second);
        }
    }

    pub(crate) fn subtract(&mut self, other: &Self) {
        let mut borrow = false;
        for (word, less) in self.0.iter_mut().zip(other.0) {
            let (rest, first) = word.overflowing_sub(less);
            let (rest, second) = rest.overflowing_sub(u64::from(borrow));
            (*word, borrow) = (rest, first || second);
        }
    }

    /// What is sent of it on a link, with what the initiator and the responder leave out. Who leaves out what
    /// belongs to it: where each is wrong about the other, both leave out the same all the same.
    pub(crate) fn tag(&self, secret: &[u8; 32], left_out: [&Self; 2]) -> DigestTag {
        let [held, initiator, responder] = [self, left_out[0], left_out[1]].map(Self::bytes);
        let hash = keyed(secret, DIGEST_TAG, &[&held, &initiator, &responder]);
        let mut tag = [0; 16];
        tag.copy_from_slice(&hash[..16]);
        DigestTag(tag)
    }

    /// The 32 bytes of it: of one item, its keyed hash.
    pub(crate) fn bytes(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        for (bytes, word) in bytes.chunks_exact_mut(8).zip(self.0) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }

    fn from_hash(hash: [u8; 32]) -> Self {
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(hash.chunks_exact(8)) {
            let mut eight = [0; 8];
            eight.copy_from_slice(bytes);
            *word = u64::from_le_bytes(eight);
        }
        Self(words)
    }
}

/// BLAKE3 keyed hash of a domain and length-prefixed parts.
pub(crate) fn keyed(key: &[u8; 32], domain: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    hasher.update(domain);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn adding_and_subtracting_is_a_group(a in any::<[u8; 32]>(), b in any::<[u8; 32]>()) {
            let (a, b) = (Sum::from_hash(a), Sum::from_hash(b));
            let (mut ab, mut ba) = (a, b);
            ab.add(&b);
            ba.add(&a);
            prop_assert_eq!(ab, ba);
            ab.subtract(&b);
            prop_assert_eq!(ab, a);
            ab.subtract(&a);
            prop_assert_eq!(ab, Sum::default());
        }
    }

    #[test]
    fn a_log_counts_by_height_and_hash() {
        let secret = [1; 32];
        let log = LogId([2; 16]);
        let one = Sum::of_log(&secret, log, 1, &ChainHash([3; 32]));
        assert_ne!(one, Sum::of_log(&secret, log, 2, &ChainHash([3; 32])));
        assert_ne!(one, Sum::of_log(&secret, log, 1, &ChainHash([4; 32])));
        assert_eq!(Sum::of_log(&secret, log, 0, &ChainHash([3; 32])), Sum::default());
    }
}
