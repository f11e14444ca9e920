//! Version vectors: how far a replica holds each log, without holes.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{LogId, Seq, SeqRange};

/// Highest contiguous sequence for each log; a log not named stands at 0.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionVector(BTreeMap<LogId, Seq>);

impl VersionVector {
    /// The empty vector.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Height of a log, 0 when unknown.
    #[must_use]
    pub fn height(&self, log: &LogId) -> Seq {
        self.0.get(log).copied().unwrap_or(0)
    }

    /// Raises a log to `height`; a lower height changes nothing.
    pub fn raise(&mut self, log: LogId, height: Seq) {
        if height > 0 {
            let held = self.0.entry(log).or_insert(0);
            *held = (*held).max(height);
        }
    }

    /// Takes the higher of both for every log.
    pub fn merge(&mut self, other: &Self) {
        for (log, height) in &other.0 {
            self.raise(*log, *height);
        }
    }

    /// Whether this holds at least what `other` holds.
    #[must_use]
    pub fn dominates(&self, other: &Self) -> bool {
        other.0.iter().all(|(log, height)| self.height(log) >= *height)
    }

    /// What `other` holds beyond this, for each log.
    pub fn missing<'a>(&'a self, other: &'a Self) -> impl Iterator<Item = (LogId, SeqRange)> + 'a {
        other.0.iter().filter_map(|(log, last)| {
            let first = self.height(log) + 1;
            (first <= *last).then_some((*log, SeqRange { first, last: *last }))
        })
    }

    /// All logs above height 0, in order of their id.
    pub fn iter(&self) -> impl Iterator<Item = (LogId, Seq)> + '_ {
        self.0.iter().map(|(log, height)| (*log, *height))
    }

    /// How many logs stand above 0.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether no log stands above 0.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromIterator<(LogId, Seq)> for VersionVector {
    fn from_iter<I: IntoIterator<Item = (LogId, Seq)>>(heights: I) -> Self {
        let mut vector = Self::new();
        for (log, height) in heights {
            vector.raise(log, height);
        }
        vector
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vectors() -> impl Strategy<Value = VersionVector> {
        proptest::collection::vec((0..6_u8, 0..9_u64), 0..8)
            .prop_map(|heights| heights.into_iter().map(|(log, height)| (LogId([log; 16]), height)).collect())
    }

    fn merged(a: &VersionVector, b: &VersionVector) -> VersionVector {
        let mut out = a.clone();
        out.merge(b);
        out
    }

    proptest! {
        #[test]
        fn lattice_laws(a in vectors(), b in vectors(), c in vectors()) {
            prop_assert_eq!(merged(&a, &b), merged(&b, &a));
            prop_assert_eq!(merged(&a, &merged(&b, &c)), merged(&merged(&a, &b), &c));
            prop_assert_eq!(merged(&a, &a), a.clone());
            prop_assert!(merged(&a, &b).dominates(&a));
            prop_assert_eq!(a.dominates(&b) && b.dominates(&a), a == b);
            prop_assert_eq!(a.dominates(&b), a.missing(&b).next().is_none());
        }

        #[test]
        fn missing_is_exactly_what_lies_beyond(a in vectors(), b in vectors()) {
            let mut filled = a.clone();
            for (log, range) in a.missing(&b) {
                prop_assert_eq!(range.first, a.height(&log) + 1);
                filled.raise(log, range.last);
            }
            prop_assert_eq!(filled, merged(&a, &b));
        }
    }
}
