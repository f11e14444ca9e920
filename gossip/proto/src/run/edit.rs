//! Cutting a run and taking payloads out of it: both re-encode, neither needs a key.

use super::{Payload, Run, RunBuilder, RunEntry, RunError, StoredRun};
use crate::{ChainHash, LogId, Seq};

impl StoredRun {
    /// The part of the run from `from` on; its end, check and seal stay.
    ///
    /// # Errors
    /// [`RunError::Outside`] when `from` is not inside the run, [`RunError::BrokenChain`] when
    /// the stored run does not match its own check.
    pub fn cut_front(&self, from: Seq) -> Result<Self, RunError> {
        if from == self.run.first() {
            return Ok(self.clone());
        }
        if !self.run.range().contains(from) {
            return Err(RunError::Outside(from));
        }
        let prev = self.hash_at(from - 1)?;
        let mut builder = RunBuilder::new(self.run.log(), from, prev);
        let skip = (from - self.run.first()) as usize;
        for entry in self.run.entries().skip(skip) {
            builder.push_whatever(entry.stamp, &entry.payload).ok_or(RunError::OverBounds("cut"))?;
        }
        let run = finish(builder, &self.run)?;
        Ok(Self { prev, run })
    }

    /// The part of the run up to and including `upto`, and the chain hash there. It carries no seal:
    /// only what is followed by other runs of the log may be stored so.
    ///
    /// # Errors
    /// As [`StoredRun::cut_front`].
    pub fn cut_back(&self, upto: Seq) -> Result<(Self, ChainHash), RunError> {
        let end = self.hash_at(upto)?;
        if upto == self.run.last() {
            return Ok((self.clone(), end));
        }
        if !self.run.range().contains(upto) {
            return Err(RunError::Outside(upto));
        }
        let mut builder = RunBuilder::new(self.run.log(), self.run.first(), self.prev);
        for entry in self.run.entries().take_while(|entry| entry.sequence <= upto) {
            builder.push_whatever(entry.stamp, &entry.payload).ok_or(RunError::OverBounds("cut"))?;
        }
        let (run, _) = builder.finish(None).ok_or(RunError::BrokenChain)?;
        Ok((Self { prev: self.prev, run }, end))
    }

    /// The same entries in a log of another name, as a branch of a fork has: the chain is the same, because
    /// only its root depends on the name. `None` when they do not fit the bounds.
    #[must_use]
    pub fn relabel(&self, log: LogId) -> Option<Self> {
        let mut builder = RunBuilder::new(log, self.run.first(), self.prev);
        for entry in self.run.entries() {
            builder.push_whatever(entry.stamp, &entry.payload)?;
        }
        let run = finish(builder, &self.run).ok()?;
        Some(Self { prev: self.prev, run })
    }

    /// The same run without the payloads of the entries that `is_unwanted` picks: only their hashes
    /// stay, and the chain with them.
    #[must_use]
    pub fn hollowed(&self, is_unwanted: impl Fn(&RunEntry) -> bool) -> Option<Self> {
        let mut builder = RunBuilder::new(self.run.log(), self.run.first(), self.prev);
        for entry in self.run.entries() {
            let hollow = Payload::Hollow { hash: entry.payload.hash(), len: entry.payload.len() };
            let payload = if is_unwanted(&entry) { hollow } else { entry.payload };
            builder.push_whatever(entry.stamp, &payload)?;
        }
        let run = finish(builder, &self.run).ok()?;
        Some(Self { prev: self.prev, run })
    }
}

/// Finishes a run that must end exactly as `model` does.
fn finish(builder: RunBuilder, model: &Run) -> Result<Run, RunError> {
    let seal = model.seal().map(|seal| &seal[..]);
    let (run, _) = builder.finish(seal).ok_or(RunError::BrokenChain)?;
    if run.check() == model.check() { Ok(run) } else { Err(RunError::BrokenChain) }
}
