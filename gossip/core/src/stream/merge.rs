//! The logs of a stream merged into stream order, forward or backward.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use gossip_proto::{LogEntry, LogHead, LogId, LogName, OrderKey, Seq};

use super::{Direction, StreamRef};
use crate::{Error, Store, StoreResult};

/// A place between two entries of the order.
#[derive(Debug, Clone)]
pub(crate) enum Cut {
    /// Just before this key.
    Before(OrderKey),
    /// Just after this key.
    After(OrderKey),
}

impl Cut {
    fn key(&self) -> &OrderKey {
        match self {
            Self::Before(key) | Self::After(key) => key,
        }
    }

    /// Whether an entry of this key lies beyond the cut.
    fn admits(&self, key: &OrderKey, direction: Direction) -> bool {
        let above = match self {
            Self::Before(cut) => key >= cut,
            Self::After(cut) => key > cut,
        };
        above == (direction == Direction::Forward)
    }
}

/// Heads of all logs of a stream.
pub(crate) async fn heads(at: &StreamRef) -> StoreResult<Vec<LogHead>> {
    const PAGE: usize = 256;
    let (mut heads, mut after) = (Vec::new(), None);
    loop {
        let page = at.shared.store.heads(&at.scope, after, PAGE).await?;
        heads.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(heads),
        }
    }
}

/// Entries of several logs in stream order, read as they are drawn on. It sees what the heads it
/// was opened with reach, whatever is appended meanwhile.
pub(crate) struct Merge {
    store: Arc<dyn Store>,
    direction: Direction,
    cut: Option<Cut>,
    budget: usize,
    logs: Vec<Log>,
    /// Key of the next entry of each log that has one.
    fronts: BTreeMap<OrderKey, usize>,
    /// Logs to read on before the next entry is known.
    dry: Vec<usize>,
}

struct Log {
    id: LogId,
    name: Arc<LogName>,
    /// Lowest and highest sequence still to read; empty when crossed.
    low: Seq,
    high: Seq,
    buffer: VecDeque<LogEntry>,
}

impl Merge {
    /// Begins at `cut`, or at the end of the order that `direction` comes from.
    pub(crate) async fn open(
        at: &StreamRef,
        heads: &[LogHead],
        direction: Direction,
        cut: Option<Cut>,
    ) -> StoreResult<Self> {
        let mut logs = Vec::new();
        for head in heads {
            let id = head.name.id();
            if let Some((low, high)) = span(&*at.shared.store, head, direction, cut.as_ref()).await? {
                let name = at.shared.names.remember(id, &head.name);
                logs.push(Log { id, name, low, high, buffer: VecDeque::new() });
            }
        }
        Ok(Self {
            store: at.shared.store.clone(),
            direction,
            cut,
            budget: at.shared.config.page_bytes / logs.len().max(1),
            fronts: BTreeMap::new(),
            dry: (0..logs.len()).collect(),
            logs,
        })
    }

    /// The next entry, or `None` at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<LogEntry>, Error> {
        while let Some(&at) = self.dry.last() {
            let log = &mut self.logs[at];
            log.fill(&*self.store, self.direction, self.cut.as_ref(), self.budget).await?;
            self.dry.pop();
            self.queue(at);
        }
        let front = match self.direction {
            Direction::Forward => self.fronts.pop_first(),
            Direction::Backward => self.fronts.pop_last(),
        };
        let Some((_, at)) = front else { return Ok(None) };
        let entry = self.logs[at].buffer.pop_front();
        self.queue(at);
        Ok(entry)
    }

    /// Notes where a log goes on after its buffer changed.
    fn queue(&mut self, at: usize) {
        let log = &self.logs[at];
        match log.buffer.front() {
            Some(entry) => drop(self.fronts.insert(entry.key(), at)),
            None if log.low <= log.high => self.dry.push(at),
            None => {}
        }
    }
}

/// Sequences of a log that may lie beyond the cut; at most one of them does not.
async fn span(
    store: &dyn Store,
    head: &LogHead,
    direction: Direction,
    cut: Option<&Cut>,
) -> StoreResult<Option<(Seq, Seq)>> {
    let (mut low, mut high) = (head.floor + 1, head.height);
    if let Some(cut) = cut {
        let stamp = cut.key().stamp;
        let all_before = head.stamp < stamp;
        match direction {
            Direction::Forward if all_before => return Ok(None),
            Direction::Forward => low = low.max(store.seek(head, stamp).await?),
            Direction::Backward if all_before => {}
            Direction::Backward => high = high.min(store.seek(head, stamp).await?),
        }
    }
    Ok((low <= high).then_some((low, high)))
}

impl Log {
    /// Reads on until there is an entry or the log is done. Changes nothing before it has read.
    async fn fill(
        &mut self,
        store: &dyn Store,
        direction: Direction,
        cut: Option<&Cut>,
        budget: usize,
    ) -> StoreResult<()> {
        while self.buffer.is_empty() && self.low <= self.high {
            let mut entries = match direction {
                Direction::Forward => self.read(store, self.low, budget).await?,
                Direction::Backward => self.read_back(store, budget).await?,
            };
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
            let entries = self.read(store, from, budget).await?;
            if entries.last().is_some_and(|entry| entry.sequence() == self.high) {
                return Ok(entries);
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
