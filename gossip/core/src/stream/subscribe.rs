//! Entries as they arrive, from a resumable place on.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use gossip_proto::{
    Arrival, Arrived, Cursor, LogEntry, LogHead, LogId, LogName, RunEntry, Scope, Seq, SeqRange,
};
use tokio::sync::watch;

use super::StreamRef;
use super::branches::end_of;
use super::merge::heads;
use crate::handle::{Counted, Shared};
use crate::retention::Hold;
use crate::{Error, StoreResult};

/// Where a subscription begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum From {
    /// With everything held, in the order it arrived here.
    #[default]
    Start,
    /// With what arrives from now on.
    Now,
    /// After the last item before [`Subscription::cursor`] was taken. What was pruned since shows as
    /// a gap; a [`NamedCursor`](crate::NamedCursor) keeps it, up to a cap.
    Cursor(Cursor),
}

/// What a subscription delivers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivered {
    /// An entry.
    Entry(LogEntry),
    /// These entries of a log are not held: they were pruned, never arrived, or what was stored of
    /// them is damaged. If a hole is filled later, entries that had never arrived come then, below
    /// others of their log that came before; what was repaired does not come again.
    Gap {
        /// The log.
        log: LogId,
        /// What is missing.
        range: SeqRange,
    },
}

/// Entries of a stream in the order they arrived here (not in stream order: what was written
/// offline elsewhere arrives late); from [`EventStream::subscribe`](crate::EventStream::subscribe).
///
/// It reads the store page by page and waits for a wake-up when it has caught up, so nothing is
/// lost however slow the reader is, and memory stays at one page. Dropping it ends it.
pub struct Subscription {
    at: Arc<StreamRef>,
    waiting: watch::Receiver<u64>,
    /// Last arrival given to the reader.
    seen: Arrival,
    /// Last arrival read from the store.
    read: Arrival,
    /// Nothing was left behind that: there is nothing to read until it is told that something came.
    drained: bool,
    buffer: VecDeque<(Arrival, Delivered)>,
    /// How far each log was delivered; notices what was never received.
    heights: HashMap<LogId, Seq>,
    from_start: bool,
    /// What is not read yet is not pruned by itself.
    hold: Hold,
    _counted: Counted,
}

impl Subscription {
    /// Registers for wake-ups; done before anything is looked up.
    pub(super) fn waiting(at: &StreamRef) -> Result<watch::Receiver<u64>, Error> {
        at.shared.check_open()?;
        let waiting = at.shared.pulses.watch(&at.channel, &at.stream);
        waiting.ok_or(Error::State { state: gossip_proto::node::NodeState::ShutDown })
    }

    pub(crate) async fn open(
        at: Arc<StreamRef>,
        from: From,
        waiting: watch::Receiver<u64>,
    ) -> Result<Self, Error> {
        let seen = match from {
            From::Start => Arrival(0),
            From::Now => at.shared.store.last_arrival().await?,
            From::Cursor(cursor) => check(&at, cursor).await?,
        };
        let held = if from == From::Now { heads(&at).await? } else { Vec::new() };
        let _counted = Counted::new(&at.shared, |meters| &meters.subscriptions);
        let hold = Hold::new(&at, seen);
        let mut this = Self {
            at,
            waiting,
            seen,
            read: seen,
            drained: false,
            buffer: VecDeque::new(),
            heights: HashMap::new(),
            from_start: from == From::Start,
            hold,
            _counted,
        };
        if from == From::Now {
            this.expect(&held);
        }
        Ok(this)
    }

    /// What is held already: whatever is missing beyond it shows as a gap.
    pub(crate) fn expect(&mut self, held: &[LogHead]) {
        self.heights = held.iter().map(|head| (head.name.id(), head.height)).collect();
        self.from_start = true;
    }

    /// Waits for the next entry; `None` when the stream was removed or the node shut down.
    ///
    /// A range that is not held any more shows as one [`Error::Gap`]; calling again goes on behind
    /// it. [`Subscription::next_delivered`] gives gaps as values.
    ///
    /// Cancel safe: nothing is lost when the future is dropped.
    ///
    /// # Errors
    /// Inside the option: [`Error::Gap`]; [`Error::Store`], after which the call may be repeated. Where the
    /// name of a log is damaged that is [`Fault::Corrupt`](gossip_proto::Fault), until something of this
    /// log comes in: what cannot be told by whom it is would otherwise be left out.
    pub async fn next(&mut self) -> Option<Result<LogEntry, Error>> {
        Some(match self.next_delivered().await? {
            Ok(Delivered::Entry(entry)) => Ok(entry),
            Ok(Delivered::Gap { log, range }) => Err(Error::Gap { log, range }),
            Err(error) => Err(error),
        })
    }

    /// As [`Subscription::next`], with gaps as values.
    ///
    /// # Errors
    /// Inside the option: [`Error::Store`], as [`Subscription::next`].
    pub async fn next_delivered(&mut self) -> Option<Result<Delivered, Error>> {
        loop {
            if let Some(item) = self.take() {
                return Some(Ok(item));
            }
            match self.fill().await {
                Err(error) => return Some(Err(error)),
                Ok(true) => {}
                Ok(false) if self.wait().await => {}
                Ok(false) => return None,
            }
        }
    }

    /// The place after the last item returned: save it to go on from here after a restart. Items
    /// after it are delivered again then, none are left out (at-least-once).
    #[must_use]
    pub fn cursor(&self) -> Cursor {
        Cursor { incarnation: self.at.shared.incarnation, arrival: self.seen }
    }

    /// Items that wait in memory, for readers that work in batches.
    pub(crate) fn take(&mut self) -> Option<Delivered> {
        let (arrival, item) = self.buffer.pop_front()?;
        self.seen = arrival;
        Some(item)
    }

    /// Waits until there may be something new; `false` when there never will be.
    pub(crate) async fn wait(&mut self) -> bool {
        let goes_on = self.waiting.changed().await.is_ok();
        self.drained = false;
        if !goes_on {
            // Kept by its owner, it must not hold up a stream made again under this name.
            self.hold.advance(Arrival(u64::MAX));
        }
        goes_on
    }

    /// Reads one page; `false` when there is nothing new. Changes nothing before it has read.
    pub(crate) async fn fill(&mut self) -> Result<bool, Error> {
        if self.drained && !self.waiting.has_changed().unwrap_or(true) {
            return Ok(false);
        }
        // Before the read: what is committed while it runs wakes the next wait.
        self.waiting.mark_unchanged();
        self.drained = false;
        let shared = &self.at.shared;
        if shared.check_open().is_err() {
            return Ok(false);
        }
        let page = match shared.recent.after(&self.at.channel, &self.at.stream, self.read) {
            Some(page) => page,
            None => shared.store.arrivals(&self.at.scope, self.read, shared.config.page_bytes).await?,
        };
        let mut names = Vec::with_capacity(page.items.len());
        for row in &page.items {
            // The node may have ended since: a store that was closed is not asked any more.
            if shared.check_open().is_err() {
                return Ok(false);
            }
            match self.told(row).await {
                Ok(told) => names.push(told),
                Err(error) if names.is_empty() => return Err(error.into()),
                // What comes before it first.
                Err(_) => break,
            }
        }
        let told = names.len() == page.items.len();
        self.drained = told && page.next.is_none();
        let next = page.next.filter(|_| told);
        let before = self.read;
        for (row, (name, end)) in page.items.iter().zip(names) {
            if let Some(at) = row.damaged {
                self.at.shared.damage.report(row.log, at);
            }
            self.queue(row, name.as_ref(), end);
        }
        self.read = self.read.max(next.unwrap_or(self.read));
        self.hold.advance(self.read);
        Ok(self.read > before)
    }

    /// The name of a row's log, and how far the row goes: what follows a fork comes as another log.
    async fn told(&self, row: &Arrived) -> StoreResult<(Option<Arc<LogName>>, Seq)> {
        let name = self.name(row).await?;
        let whole = row.runs.last().is_some_and(|stored| stored.run.last() >= row.range.last);
        let end = if whole { Seq::MAX } else { end_of(&*self.at.shared.store, row.log).await? };
        Ok((name, end))
    }

    /// The name of a row's log. `None` when the log was removed since, or its head is damaged: then it comes
    /// in anew, and its entries arrive again.
    async fn name(&self, row: &Arrived) -> StoreResult<Option<Arc<LogName>>> {
        let Shared { store, names, .. } = &*self.at.shared;
        let name = names.resolve(&**store, row.log).await?;
        if name.is_none() {
            // It may be that only the name is damaged. Then this fails: the row stays, and must be waited for.
            let before = Arrival(row.arrival.0.saturating_sub(1));
            store.arrivals(&Scope::Log(row.log), before, 1).await?;
        }
        Ok(name)
    }

    /// Queues what a row delivers, if it has a name.
    fn queue(&mut self, row: &Arrived, name: Option<&Arc<LogName>>, end: Seq) {
        let count = row.range.count();
        self.read = self.read.max(Arrival(row.arrival.0 + count.saturating_sub(1)));
        let Some(name) = name else { return };
        let known = self.heights.get(&row.log).copied();
        let mut expected = match known {
            // A row at or below the height fills a hole: what is around it was told before.
            Some(height) => row.range.first.min(height + 1),
            // A branch begins where another log ends.
            None if self.from_start && name.branch.is_none() => 1,
            None => row.range.first,
        };
        let arrival = |sequence: Seq| Arrival(row.arrival.0 + sequence.saturating_sub(row.range.first));
        for entry in kept(row) {
            let at = entry.sequence;
            if expected < at {
                // The gap is passed together with the entry: a cursor cannot stand between them.
                let before = Arrival(arrival(at).0 - 1);
                self.gap(before, row.log, SeqRange { first: expected, last: at - 1 });
            }
            expected = at + 1;
            let entry = LogEntry::new(name.clone(), row.log, entry);
            self.buffer.push_back((arrival(at), Delivered::Entry(entry)));
        }
        let last = row.range.last.min(end);
        if expected <= last {
            self.gap(arrival(row.range.last), row.log, SeqRange { first: expected, last });
        }
        self.heights.insert(row.log, row.range.last.max(known.unwrap_or(0)));
    }

    /// Queues a gap, joined with the one before it when they touch.
    fn gap(&mut self, passed: Arrival, log: LogId, missing: SeqRange) {
        if let Some((arrival, Delivered::Gap { log: of, range })) = self.buffer.back_mut()
            && *of == log
            && range.last + 1 == missing.first
        {
            *arrival = passed;
            range.last = missing.last;
            return;
        }
        self.buffer.push_back((passed, Delivered::Gap { log, range: missing }));
    }
}

impl std::fmt::Debug for Subscription {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription")
            .field("stream", &self.at.scope)
            .field("cursor", &self.cursor())
            .finish_non_exhaustive()
    }
}

/// Entries of a row that are still held.
fn kept(row: &Arrived) -> impl Iterator<Item = RunEntry> + '_ {
    let entries = row.runs.iter().flat_map(|stored| stored.run.entries());
    entries.filter(|entry| row.range.contains(entry.sequence))
}

/// The place of a cursor, if it means something here.
pub(super) async fn check(at: &StreamRef, cursor: Cursor) -> Result<Arrival, Error> {
    if cursor.incarnation != at.shared.incarnation {
        return Err(Error::ForeignCursor { cursor });
    }
    if cursor.arrival > at.shared.store.last_arrival().await? {
        return Err(Error::CursorBeyondEnd { cursor });
    }
    Ok(cursor.arrival)
}
