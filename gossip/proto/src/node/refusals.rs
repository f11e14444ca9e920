//! The streams that one side of a link refuses, and what they add to digests.
//!
//! What either side refuses both leave out. So if each is wrong about the other, digests without the
//! refusals would agree all the same, and nobody would ever say so.

use std::collections::BTreeSet;

use crate::digest::Sum;
use crate::wire::StreamKey;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Refusals {
    streams: BTreeSet<StreamKey>,
    sum: Sum,
}

impl Refusals {
    pub(super) fn of(secret: &[u8; 32], streams: impl IntoIterator<Item = StreamKey>) -> Self {
        let mut all = Self::default();
        streams.into_iter().for_each(|stream| all.insert(secret, stream));
        all
    }

    pub(super) fn insert(&mut self, secret: &[u8; 32], stream: StreamKey) {
        if self.streams.insert(stream) {
            self.sum.add(&Sum::of_refusal(secret, stream));
        }
    }

    pub(super) fn remove(&mut self, secret: &[u8; 32], stream: StreamKey) {
        if self.streams.remove(&stream) {
            self.sum.subtract(&Sum::of_refusal(secret, stream));
        }
    }

    pub(super) fn contains(&self, stream: &StreamKey) -> bool {
        self.streams.contains(stream)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &StreamKey> {
        self.streams.iter()
    }

    pub(super) fn sum(&self) -> &Sum {
        &self.sum
    }

    /// Names this set; 0 is the empty one.
    pub(super) fn turn(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.sum.bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_follows_the_streams_in_whatever_order_they_come_and_go() {
        let (secret, [one, two]) = ([7; 32], [1, 2].map(|key| StreamKey([key; 8])));
        let mut refused = Refusals::of(&secret, [one, two]);
        assert_eq!(refused, Refusals::of(&secret, [two, one, two]));
        refused.remove(&secret, one);
        refused.remove(&secret, one);
        assert_eq!(refused, Refusals::of(&secret, [two]));
        assert_ne!(refused.sum(), Refusals::of(&secret, [one]).sum());
        assert_ne!(refused.turn(), Refusals::of(&secret, [one]).turn());
        refused.remove(&secret, two);
        assert_eq!(refused, Refusals::default());
        assert_eq!(refused.turn(), 0);
    }
}
