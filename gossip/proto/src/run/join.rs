//! Joining neighbours to one run: their columns put together, nothing hashed.

use std::borrow::Borrow;

use super::columns::{Lengths, put_step};
use super::encode::Columns;
use super::{MAX_RUN_ENTRIES, Run, StoredRun};
use crate::Seq;

impl StoredRun {
    /// Joins runs of one log that follow each other, if the result keeps the bounds of a run. The seal
    /// of the last one stays: it vouches for all before it. Joining one run gives it again.
    ///
    /// That each continues the one before is seen from the hashes they carry; payloads are not hashed.
    /// So runs that do not match their own check, which a repository notices when it reads, give a
    /// run that does not either. The bytes are those a [`RunBuilder`](super::RunBuilder) makes.
    #[must_use]
    pub fn join<S: Borrow<Self>>(runs: &[S]) -> Option<Self> {
        let runs: Vec<&Self> = runs.iter().map(Borrow::borrow).collect();
        let (first, last) = (runs.first()?, runs.last()?);
        let mut columns = Columns {
            log: first.run.log,
            first: first.run.first,
            stamp: first.run.stamp,
            stamps: Vec::with_capacity(runs.iter().map(|stored| stored.run.stamps.len() + STEP).sum()),
            lengths: Vec::with_capacity(count(&runs)?),
            bodies: &runs.iter().map(|stored| &stored.run.body[..]).collect::<Vec<_>>(),
            check: last.run.check,
        };
        columns.push(&first.run);
        for pair in runs.windows(2) {
            let (before, next) = (&pair[0].run, &pair[1].run);
            let is_next = next.log == before.log && next.first == before.last() + 1;
            let stamp = before.last_stamp();
            if !is_next || pair[1].prev.check() != before.check || next.stamp <= stamp {
                return None;
            }
            put_step(&mut columns.stamps, stamp, next.stamp);
            columns.push(next);
        }
        let run = Run::decode(columns.encode(last.run.seal().map(|seal| &seal[..]))).ok()?;
        Some(Self { prev: first.prev, run })
    }
}

/// Bytes a step between two runs takes at most.
const STEP: usize = 13;

/// How many entries they have together, if that is not too many.
fn count(runs: &[&StoredRun]) -> Option<usize> {
    let count = runs.iter().map(|stored| stored.run.count).fold(0, Seq::saturating_add);
    usize::try_from(count).ok().filter(|_| count <= MAX_RUN_ENTRIES)
}

impl Columns<'_> {
    fn push(&mut self, run: &Run) {
        self.stamps.extend_from_slice(&run.stamps);
        self.lengths.extend(Lengths::new(run.count, &run.lengths));
    }
}
