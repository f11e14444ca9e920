//! The streams that one side of a link leaves out, and what they add to digests.
//!
//! What either side leaves out both compare without. So if each is wrong about the other, digests without
//! what is left out would agree all the same, and nobody would ever say so.

use std::collections::BTreeSet;

use crate::digest::Sum;
use crate::wire::StreamKey;

/// Streams looked at to compare what two links leave out.
const WEIGHED: usize = 64;

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct LeftOut {
    /// All but those listed are left out, otherwise those listed.
    only: bool,
    listed: BTreeSet<StreamKey>,
    sum: Sum,
}

impl LeftOut {
    /// These streams are left out.
    pub(super) fn these(secret: &[u8; 32], streams: impl IntoIterator<Item = StreamKey>) -> Self {
        let mut these = Self::default();
        streams.into_iter().for_each(|stream| these.list(secret, stream));
        these
    }

    /// All but these, also those that nobody has heard of yet.
    pub(super) fn all_but(secret: &[u8; 32], streams: impl IntoIterator<Item = StreamKey>) -> Self {
        let mut all = Self { only: true, sum: Sum::of_only(secret), ..Self::default() };
        streams.into_iter().for_each(|stream| all.list(secret, stream));
        all
    }

    /// Leaves a stream out.
    pub(super) fn leave_out(&mut self, secret: &[u8; 32], stream: StreamKey) {
        if self.only { self.unlist(secret, stream) } else { self.list(secret, stream) }
    }

    /// Takes a stream up again.
    pub(super) fn take_up(&mut self, secret: &[u8; 32], stream: StreamKey) {
        if self.only { self.list(secret, stream) } else { self.unlist(secret, stream) }
    }

    fn list(&mut self, secret: &[u8; 32], stream: StreamKey) {
        if self.listed.insert(stream) {
            self.sum.add(&Sum::of_refusal(secret, stream));
        }
    }

    fn unlist(&mut self, secret: &[u8; 32], stream: StreamKey) {
        if self.listed.remove(&stream) {
            self.sum.subtract(&Sum::of_refusal(secret, stream));
        }
    }

    /// Whether it is left out.
    pub(super) fn has(&self, stream: &StreamKey) -> bool {
        self.listed.contains(stream) != self.only
    }

    /// Whether another one leaves out all that this one does. Asked for every push: if many streams would
    /// have to be looked at, that does not count.
    pub(super) fn is_within(&self, other: &Self) -> bool {
        if self.sum == other.sum {
            return true;
        }
        match (self.only, other.only) {
            (false, _) => self.listed.len() <= WEIGHED && self.listed.iter().all(|stream| other.has(stream)),
            (true, true) => other.listed.len() <= WEIGHED && other.listed.is_subset(&self.listed),
            (true, false) => false,
        }
    }

    pub(super) fn is_nothing(&self) -> bool {
        !self.only && self.listed.is_empty()
    }

    /// Whether all but those listed are left out.
    pub(super) fn is_only(&self) -> bool {
        self.only
    }

    pub(super) fn listed(&self) -> &BTreeSet<StreamKey> {
        &self.listed
    }

    pub(super) fn sum(&self) -> &Sum {
        &self.sum
    }

    /// Names it; 0 is nothing.
    pub(super) fn turn(&self) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.sum.bytes();
        u64::from_le_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 32] = [7; 32];

    fn keys() -> [StreamKey; 2] {
        [1, 2].map(|key| StreamKey([key; 8]))
    }

    #[test]
    fn the_sum_follows_the_streams_in_whatever_order_they_come_and_go() {
        let [one, two] = keys();
        let mut refused = LeftOut::these(&SECRET, [one, two]);
        assert_eq!(refused, LeftOut::these(&SECRET, [two, one, two]));
        refused.take_up(&SECRET, one);
        refused.take_up(&SECRET, one);
        assert_eq!(refused, LeftOut::these(&SECRET, [two]));
        assert_ne!(refused.sum(), LeftOut::these(&SECRET, [one]).sum());
        assert_ne!(refused.turn(), LeftOut::these(&SECRET, [one]).turn());
        refused.take_up(&SECRET, two);
        assert_eq!(refused, LeftOut::default());
        assert!(refused.is_nothing() && refused.turn() == 0);
    }

    #[test]
    fn all_but_some_is_the_opposite_of_those() {
        let [one, two] = keys();
        let (these, mut but) = (LeftOut::these(&SECRET, [one]), LeftOut::all_but(&SECRET, [one]));
        assert!(these.has(&one) && !but.has(&one) && !these.has(&two) && but.has(&two));
        assert_ne!(these.turn(), but.turn());
        assert!(!LeftOut::all_but(&SECRET, []).is_nothing());
        but.leave_out(&SECRET, one);
        assert_eq!(but, LeftOut::all_but(&SECRET, []));
        but.take_up(&SECRET, one);
        but.take_up(&SECRET, two);
        assert_eq!(but, LeftOut::all_but(&SECRET, [two, one]));
    }

    #[test]
    fn within_is_what_leaves_out_no_more() {
        let [one, two] = keys();
        let these = |streams: &[StreamKey]| LeftOut::these(&SECRET, streams.iter().copied());
        let but = |streams: &[StreamKey]| LeftOut::all_but(&SECRET, streams.iter().copied());
        // Each is within those that come after it.
        let rising = [these(&[]), these(&[one]), but(&[two]), but(&[])];
        for (at, less) in rising.iter().enumerate() {
            for (place, more) in rising.iter().enumerate() {
                assert_eq!(less.is_within(more), at <= place, "{less:?} in {more:?}");
            }
        }
        assert!(!these(&[one]).is_within(&these(&[two])) && !but(&[one]).is_within(&but(&[two])));
        assert!(these(&[one]).is_within(&these(&[two, one])) && !these(&[one]).is_within(&but(&[one])));
        let many = LeftOut::these(&SECRET, (0..=WEIGHED as u64).map(|key| StreamKey(key.to_le_bytes())));
        assert!(!many.is_within(&but(&[])) && many.is_within(&many.clone()));
    }
}
