//! One log of a merge, read piece by piece.

use std::collections::VecDeque;
use std::sync::Arc;

use gossip_proto::{Fault, LogEntry, LogId, LogName, Seq, SeqRange};

use super::Direction;
use super::merge::Cut;
use crate::handle::Shared;
use crate::{Store, StoreResult};

pub(super) struct Source {
    id: LogId,
    name: Arc<LogName>,
    writer: usize,
    /// Lowest and highest sequence still to read; empty when crossed.
    low: Seq,
    high: Seq,
    /// What the head says is not held.
    gaps: Vec<SeqRange>,
    /// What the head says is held and was not found.
    lost: Vec<SeqRange>,
    buffer: VecDeque<LogEntry>,
}

impl Source {
    /// Reads `low` to `high`; `writer` is the place of author and epoch in the order.
    pub(super) fn new(
        name: Arc<LogName>,
        id: LogId,
        writer: usize,
        (low, high): (Seq, Seq),
        gaps: Vec<SeqRange>,
    ) -> Self {
        Self { id, name, writer, low, high, gaps, lost: Vec::new(), buffer: VecDeque::new() }
    }

    pub(super) fn writer(&self) -> usize {
        self.writer
    }

    /// Whether it has the author and epoch of a name.
    pub(super) fn is_by(&self, name: &LogName) -> bool {
        (&self.name.author, self.name.epoch) == (&name.author, name.epoch)
    }

    pub(super) fn front(&self) -> Option<&LogEntry> {
        self.buffer.front()
    }

    pub(super) fn take(&mut self) -> Option<LogEntry> {
        self.buffer.pop_front()
    }

    /// Whether nothing is left to read.
    pub(super) fn is_done(&self) -> bool {
        self.low > self.high
    }

    pub(super) fn take_lost(&mut self) -> impl Iterator<Item = (Arc<LogName>, SeqRange)> {
        let name = self.name.clone();
        std::mem::take(&mut self.lost).into_iter().map(move |range| (name.clone(), range))
    }

    /// Reads on until there is an entry or the log is done. Changes nothing before it has read.
    pub(super) async fn fill(
        &mut self,
        shared: &Shared,
        direction: Direction,
        cut: Option<&Cut>,
        budget: usize,
    ) -> StoreResult<()> {
        while self.buffer.is_empty() && !self.is_done() {
            let read = match direction {
                Direction::Forward => self.read(&*shared.store, self.low, budget).await,
                Direction::Backward => self.read_back(&*shared.store, budget).await,
            };
            let mut entries = match read {
                Err(error) if error.fault == Fault::Corrupt => {
                    self.step_over(shared, direction);
                    continue;
                }
                read => read?,
            };
            self.note_lost(direction, &entries);
            match (direction, entries.first(), entries.last()) {
                (Direction::Forward, _, Some(last)) => self.low = last.sequence() + 1,
                (Direction::Backward, Some(first), _) => self.high = first.sequence() - 1,
                // Pruned since the heads were read.
                _ => self.low = self.high + 1,
            }
            entries.retain(|entry| cut.is_none_or(|cut| cut.admits(&entry.key(), direction)));
            if direction == Direction::Backward {
                entries.reverse();
            }
            self.buffer = entries.into();
        }
        Ok(())
    }

    /// Goes one entry past what is damaged, which is a run at most: where it ends is not known, and
    /// what is sound behind it must not be passed over.
    fn step_over(&mut self, shared: &Shared, direction: Direction) {
        let at = match direction {
            Direction::Forward => self.low,
            Direction::Backward => self.high,
        };
        let gap = self.gaps.iter().find(|gap| gap.contains(at)).copied();
        let passed = gap.unwrap_or(SeqRange { first: at, last: at });
        match direction {
            Direction::Forward => self.low = passed.last + 1,
            Direction::Backward => self.high = passed.first - 1,
        }
        if gap.is_none() {
            let is_new = self.lost.iter().all(|lost| lost.last + 1 != at && lost.first != at + 1);
            if is_new {
                shared.damage.report(self.id, at);
            }
            self.lose(at, at);
        }
    }

    /// Notes what should have been among the entries just read.
    fn note_lost(&mut self, direction: Direction, entries: &[LogEntry]) {
        let mut expected = match (direction, entries.first()) {
            (Direction::Backward, Some(first)) => first.sequence(),
            _ => self.low,
        };
        for entry in entries {
            self.lose(expected, entry.sequence() - 1);
            expected = entry.sequence() + 1;
        }
        if direction == Direction::Backward || entries.is_empty() {
            self.lose(expected, self.high);
        }
    }

    /// Notes a range as lost, less what was known not to be held.
    fn lose(&mut self, mut first: Seq, last: Seq) {
        for gap in &self.gaps {
            if gap.last < first || gap.first > last {
                continue;
            }
            if gap.first > first {
                self.lost.push(SeqRange { first, last: gap.first - 1 });
            }
            first = gap.last + 1;
        }
        if first > last {
            return;
        }
        match self.lost.last_mut() {
            Some(before) if before.last + 1 == first => before.last = last,
            Some(after) if last + 1 == after.first => after.first = first,
            _ => self.lost.push(SeqRange { first, last }),
        }
    }

    /// Entries from `from` on that are still to read.
    async fn read(&self, store: &dyn Store, from: Seq, budget: usize) -> StoreResult<Vec<LogEntry>> {
        let runs = store.read(self.id, from, budget).await?;
        let entries = runs.iter().flat_map(|stored| stored.run.entries());
        let wanted = entries.filter(|entry| (from..=self.high).contains(&entry.sequence));
        Ok(wanted.map(|entry| LogEntry::new(self.name.clone(), self.id, entry)).collect())
    }

    /// The last entries that are still to read: a guess at where a handful of them begins, then
    /// ever smaller steps, because stores read forward.
    async fn read_back(&self, store: &dyn Store, budget: usize) -> StoreResult<Vec<LogEntry>> {
        for step in [64, 8] {
            let from = self.high.saturating_sub(step - 1).max(self.low);
            match self.read(store, from, budget).await {
                Ok(entries) if entries.last().is_some_and(|entry| entry.sequence() == self.high) => {
                    return Ok(entries);
                }
                // Damage below says nothing about the highest.
                Err(error) if error.fault != Fault::Corrupt => return Err(error),
                _ => {}
            }
        }
        self.read_last(store).await
    }

    /// The run that holds the highest entry to read, which may lie below a gap.
    async fn read_last(&self, store: &dyn Store) -> StoreResult<Vec<LogEntry>> {
        let runs = store.read(self.id, self.high, 1).await?;
        let whole = runs.iter().flat_map(|stored| stored.run.entries());
        let held = whole.filter(|entry| (self.low..=self.high).contains(&entry.sequence));
        let entries: Vec<_> = held.map(|entry| LogEntry::new(self.name.clone(), self.id, entry)).collect();
        if !entries.is_empty() {
            return Ok(entries);
        }
        let below = last_before_gap(store, self.id, self.low, self.high).await?;
        match below {
            Some(high) => {
                let entries = self.read(store, high, 1).await?;
                Ok(entries.into_iter().filter(|entry| entry.sequence() == high).collect())
            }
            None => Ok(Vec::new()),
        }
    }
}

/// The highest sequence held in `low..=high`, by bisection: a read from below a gap finds
/// something at or before its place only if something is held there.
async fn last_before_gap(store: &dyn Store, log: LogId, low: Seq, high: Seq) -> StoreResult<Option<Seq>> {
    let (mut floor, mut ceiling, mut found) = (low, high, None);
    while floor <= ceiling {
        let middle = floor + (ceiling - floor) / 2;
        let runs = store.read(log, middle, 1).await?;
        let next = runs.first().and_then(|stored| {
            stored.run.entries().map(|entry| entry.sequence).find(|sequence| *sequence >= middle)
        });
        match next {
            Some(next) if next <= ceiling => {
                found = Some(next);
                floor = next + 1;
            }
            _ if middle == floor => break,
            _ => ceiling = middle - 1,
        }
    }
    Ok(found)
}
