//! One log of a merge, read piece by piece.

use std::future::{Future, poll_fn, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;

use gossip_proto::{Fault, LogEntry, LogId, LogName, OrderKey, RunEntry, Seq, SeqRange, Stamp, StoredRun};

use super::Direction;
use super::buffer::Buffer;
use super::merge::Cut;
use crate::handle::Shared;
use crate::{Store, StoreResult};

/// A read that was begun and is not waited for.
type Begun = Pin<Box<dyn Future<Output = StoreResult<Vec<StoredRun>>> + Send>>;

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
    buffer: Buffer,
    /// What is read from `low` on. Never locked: it only lets the reader be shared between threads.
    ahead: Mutex<Option<Begun>>,
    /// It was drawn on to the end of what was read first.
    is_long: bool,
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
        let (lost, buffer, ahead) = (Vec::new(), Buffer::empty(), Mutex::default());
        Self { id, name, writer, low, high, gaps, lost, buffer, ahead, is_long: false }
    }

    pub(super) fn writer(&self) -> usize {
        self.writer
    }

    /// Whether it has the author and epoch of a name.
    pub(super) fn is_by(&self, name: &LogName) -> bool {
        (&self.name.author, self.name.epoch) == (&name.author, name.epoch)
    }

    /// Stamp and sequence of the next entry, if it was read.
    #[inline]
    pub(super) fn front(&self) -> Option<(Stamp, Seq)> {
        self.buffer.front()
    }

    #[inline]
    pub(super) fn take(&mut self) -> Option<LogEntry> {
        let entry = self.buffer.take()?;
        Some(LogEntry::new(self.name.clone(), self.id, entry))
    }

    /// Whether nothing is left to read.
    pub(super) fn is_done(&self) -> bool {
        self.low > self.high
    }

    pub(super) fn take_lost(&mut self) -> impl Iterator<Item = (Arc<LogName>, SeqRange)> {
        let name = &self.name;
        std::mem::take(&mut self.lost).into_iter().map(|range| (name.clone(), range))
    }

    /// Begins the next read upward without waiting for it.
    pub(super) async fn begin(&mut self, shared: &Shared, budget: usize) {
        let ahead = self.ahead.get_mut().unwrap_or_else(PoisonError::into_inner);
        if ahead.is_some() || self.low > self.high || self.buffer.front().is_some() {
            return;
        }
        *ahead = Some(begin(shared, self.id, self.low, budget).await);
    }

    /// Reads on until there is an entry or the log is done, and begins to read what is behind it if
    /// `ahead` and it was read before. Changes nothing before it has read.
    pub(super) async fn fill(
        &mut self,
        shared: &Shared,
        direction: Direction,
        cut: Option<&Cut>,
        budget: usize,
        ahead: bool,
    ) -> StoreResult<()> {
        let was_long = self.is_long;
        while self.buffer.front().is_none() && !self.is_done() {
            let read = match direction {
                Direction::Forward => self.read_on(shared, budget).await,
                Direction::Backward => self.read_back(&*shared.store, budget).await.map(Buffer::downward),
            };
            let (buffer, held) = match read {
                Err(error) if error.fault == Fault::Corrupt => {
                    self.step_over(shared, direction);
                    continue;
                }
                read => read?,
            };
            self.note_lost(direction, &held);
            match (direction, held.first(), held.last()) {
                (Direction::Forward, _, Some(last)) => self.low = last.last + 1,
                (Direction::Backward, Some(first), _) => self.high = first.first - 1,
                // Pruned since the heads were read.
                _ => self.low = self.high + 1,
            }
            (self.buffer, self.is_long) = (buffer, true);
            self.cut_off(direction, cut);
        }
        if ahead && was_long && direction == Direction::Forward && !self.is_done() {
            *self.ahead.get_mut().unwrap_or_else(PoisonError::into_inner) =
                Some(begin(shared, self.id, self.low, budget).await);
        }
        Ok(())
    }

    /// Drops what comes first and is not beyond the cut.
    fn cut_off(&mut self, direction: Direction, cut: Option<&Cut>) {
        let Some(cut) = cut else { return };
        while let Some((stamp, sequence)) = self.buffer.front() {
            let (author, epoch, log) = (self.name.author.clone(), self.name.epoch, self.id);
            if cut.admits(&OrderKey { stamp, author, epoch, sequence, log }, direction) {
                break;
            }
            self.buffer.take();
        }
    }

    /// What is next upward: from the read that was begun, if one was.
    async fn read_on(&mut self, shared: &Shared, budget: usize) -> StoreResult<(Buffer, Vec<SeqRange>)> {
        let begun = self.ahead.get_mut().unwrap_or_else(PoisonError::into_inner);
        let read = match begun {
            Some(reading) => reading.await,
            None => shared.store.read(self.id, self.low, budget).await,
        };
        // Only now: until here the wait can be given up and taken up again.
        *begun = None;
        Ok(Buffer::upward(read?, SeqRange { first: self.low, last: self.high }))
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

    /// Notes what should have been among what was just read.
    fn note_lost(&mut self, direction: Direction, held: &[SeqRange]) {
        let mut expected = match (direction, held.first()) {
            (Direction::Backward, Some(first)) => first.first,
            _ => self.low,
        };
        for range in held {
            self.lose(expected, range.first - 1);
            expected = range.last + 1;
        }
        if direction == Direction::Backward || held.is_empty() {
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
    async fn read(&self, store: &dyn Store, from: Seq, budget: usize) -> StoreResult<Vec<RunEntry>> {
        let runs = store.read(self.id, from, budget).await?;
        let within = SeqRange { first: from, last: self.high };
        Ok(runs.into_iter().flat_map(|stored| stored.run.into_entries().within(within)).collect())
    }

    /// The last entries that are still to read: a guess at where a handful of them begins, then
    /// ever smaller steps, because stores read forward.
    async fn read_back(&self, store: &dyn Store, budget: usize) -> StoreResult<Vec<RunEntry>> {
        for step in [64, 8] {
            let from = self.high.saturating_sub(step - 1).max(self.low);
            match self.read(store, from, budget).await {
                Ok(entries) if entries.last().is_some_and(|entry| entry.sequence == self.high) => {
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
    async fn read_last(&self, store: &dyn Store) -> StoreResult<Vec<RunEntry>> {
        let runs = store.read(self.id, self.high, 1).await?;
        let within = SeqRange { first: self.low, last: self.high };
        let held = runs.into_iter().flat_map(|stored| stored.run.into_entries().within(within));
        let entries: Vec<_> = held.collect();
        if !entries.is_empty() {
            return Ok(entries);
        }
        let below = last_before_gap(store, self.id, self.low, self.high).await?;
        match below {
            Some(high) => {
                let entries = self.read(store, high, 1).await?;
                Ok(entries.into_iter().filter(|entry| entry.sequence == high).collect())
            }
            None => Ok(Vec::new()),
        }
    }
}

/// A read that goes on by itself as far as the store does: stores that block do so on threads of their
/// own once they were asked the first time.
async fn begin(shared: &Shared, log: LogId, from: Seq, budget: usize) -> Begun {
    let store = shared.store.clone();
    let mut reading: Begun = Box::pin(async move { store.read(log, from, budget).await });
    match poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await {
        Poll::Ready(read) => Box::pin(ready(read)),
        Poll::Pending => reading,
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
