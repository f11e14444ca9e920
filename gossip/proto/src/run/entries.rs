//! Walking through the entries of a run.

use super::columns::{Lengths, take_step};
use super::{Payload, Run, RunEntry};
use crate::leb::take;
use crate::{PayloadHash, Seq, SeqRange, Stamp};

/// Entries of a run in order, decoded one at a time as they are drawn; from [`Run::into_entries`].
/// What comes next can be seen before it is decoded.
#[derive(Debug, Clone)]
pub struct RunEntries {
    run: Run,
    walk: Walk,
}

impl RunEntries {
    /// Stamp and sequence of the next entry.
    #[must_use]
    pub fn peek(&self) -> Option<(Stamp, Seq)> {
        (self.walk.sequence <= self.walk.last).then_some((self.walk.stamp, self.walk.sequence))
    }

    /// Leaves out what lies outside of a range.
    #[must_use]
    pub fn within(mut self, range: SeqRange) -> Self {
        self.walk.last = self.walk.last.min(range.last);
        while self.peek().is_some_and(|(_, sequence)| sequence < range.first) {
            self.next();
        }
        self
    }

    /// Sequences that are still to come; `None` when there are none.
    #[must_use]
    pub fn range(&self) -> Option<SeqRange> {
        self.peek().map(|(_, first)| SeqRange { first, last: self.walk.last })
    }
}

impl Iterator for RunEntries {
    type Item = RunEntry;

    #[inline]
    fn next(&mut self) -> Option<RunEntry> {
        self.walk.step(&self.run)
    }
}

/// A place in the columns of a run, which were checked.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    sequence: Seq,
    stamp: Stamp,
    last: Seq,
    /// The length that stands for all.
    all: Option<u64>,
    /// How much of the columns was taken.
    steps: usize,
    lengths: usize,
    body: usize,
}

impl Walk {
    pub(super) fn new(run: &Run) -> Self {
        Self {
            sequence: run.first,
            stamp: run.stamp,
            last: run.last(),
            all: Lengths::new(run.count, &run.lengths).all(),
            steps: 0,
            lengths: 0,
            body: 0,
        }
    }

    /// The next entry of the run it was made for.
    #[inline]
    pub(super) fn step(&mut self, run: &Run) -> Option<RunEntry> {
        if self.sequence > self.last {
            return None;
        }
        let (sequence, stamp, payload) = (self.sequence, self.stamp, self.payload(run)?);
        self.sequence += 1;
        if self.sequence <= self.last {
            let mut rest = run.stamps.get(self.steps..)?;
            self.stamp = take_step(&mut rest, stamp)?;
            self.steps = run.stamps.len() - rest.len();
        }
        Some(RunEntry { sequence, stamp, payload })
    }

    #[inline]
    fn payload(&mut self, run: &Run) -> Option<Payload> {
        let word = match self.all {
            Some(word) => word,
            None => {
                let mut rest = run.lengths.get(self.lengths..)?;
                let word = take(&mut rest)?;
                self.lengths = run.lengths.len() - rest.len();
                word
            }
        };
        let (len, hollow) = (word >> 1, word & 1 == 1);
        let size = if hollow { 32 } else { usize::try_from(len).ok()? };
        let end = self.body.checked_add(size).filter(|end| *end <= run.body.len())?;
        let place = self.body..end;
        self.body = end;
        if !hollow {
            return Some(Payload::Present(run.body.slice(place)));
        }
        let hash = PayloadHash(run.body[place].try_into().ok()?);
        Some(Payload::Hollow { hash, len })
    }
}

impl Run {
    /// The entries in order.
    pub fn entries(&self) -> impl Iterator<Item = RunEntry> + '_ {
        let mut walk = Walk::new(self);
        std::iter::from_fn(move || walk.step(self))
    }

    /// The entries in order, with the run in hand.
    #[must_use]
    pub fn into_entries(self) -> RunEntries {
        let walk = Walk::new(&self);
        RunEntries { run: self, walk }
    }
}
