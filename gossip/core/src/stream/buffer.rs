//! What was read of a log and not drawn yet.

use std::collections::VecDeque;

use gossip_proto::{RunEntries, RunEntry, Seq, SeqRange, Stamp, StoredRun};

/// Entries in the order they are drawn.
pub(super) enum Buffer {
    /// Upward: decoded when they are drawn. No run in it is empty.
    Runs(VecDeque<RunEntries>),
    /// Downward: in order of sequence, drawn from the end.
    Entries(Vec<RunEntry>),
}

impl Buffer {
    pub(super) fn empty() -> Self {
        Self::Entries(Vec::new())
    }

    /// Of runs in order, what lies within a range; and which sequences these are.
    pub(super) fn upward(runs: Vec<StoredRun>, within: SeqRange) -> (Self, Vec<SeqRange>) {
        let (mut kept, mut held) = (VecDeque::with_capacity(runs.len()), Vec::with_capacity(runs.len()));
        for stored in runs {
            let entries = stored.run.into_entries().within(within);
            if let Some(range) = entries.range() {
                held.push(range);
                kept.push_back(entries);
            }
        }
        (Self::Runs(kept), held)
    }

    /// Of entries in order of sequence, and which sequences these are.
    pub(super) fn downward(entries: Vec<RunEntry>) -> (Self, Vec<SeqRange>) {
        let alone = |entry: &RunEntry| SeqRange { first: entry.sequence, last: entry.sequence };
        let held = entries.iter().map(alone).collect();
        (Self::Entries(entries), held)
    }

    /// Stamp and sequence of the next entry.
    #[inline]
    pub(super) fn front(&self) -> Option<(Stamp, Seq)> {
        match self {
            Self::Runs(runs) => runs.front().and_then(RunEntries::peek),
            Self::Entries(entries) => entries.last().map(|entry| (entry.stamp, entry.sequence)),
        }
    }

    /// Takes the next entry out.
    #[inline]
    pub(super) fn take(&mut self) -> Option<RunEntry> {
        match self {
            Self::Runs(runs) => {
                let front = runs.front_mut()?;
                let entry = front.next();
                if front.peek().is_none() {
                    runs.pop_front();
                }
                entry
            }
            Self::Entries(entries) => entries.pop(),
        }
    }
}
