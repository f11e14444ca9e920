//! The logs of a stream merged into stream order, forward or backward.

use std::collections::BTreeSet;
use std::sync::Arc;

use gossip_proto::{LogEntry, LogHead, LogName, OrderKey, Seq, SeqRange, Stamp};

use super::source::Source;
use super::{Direction, StreamRef};
use crate::handle::Shared;
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
    pub(super) fn admits(&self, key: &OrderKey, direction: Direction) -> bool {
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
/// was opened with reach, whatever is appended meanwhile; what is pruned meanwhile, or damaged, is
/// left out and told by [`Merge::take_lost`].
pub(crate) struct Merge {
    shared: Arc<Shared>,
    direction: Direction,
    cut: Option<Cut>,
    budget: usize,
    /// In order of author, epoch and id.
    logs: Vec<Source>,
    /// Where the logs that have a next entry stand.
    fronts: BTreeSet<Front>,
    /// Logs to read on before the next entry is known.
    dry: Vec<usize>,
}

/// What [`OrderKey`] says of the next entry of a log, in numbers: compared for every entry read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Front {
    stamp: Stamp,
    /// The same for all logs of one author and epoch: they are branches of a fork.
    writer: usize,
    sequence: Seq,
    at: usize,
}

impl Merge {
    /// Begins at `cut`, or at the end of the order that `direction` comes from.
    pub(crate) async fn open(
        at: &StreamRef,
        heads: &[LogHead],
        direction: Direction,
        cut: Option<Cut>,
    ) -> StoreResult<Self> {
        let mut heads: Vec<_> = heads.iter().map(|head| (head, head.name.id())).collect();
        heads.sort_by_key(|(head, id)| (head.name.author.clone(), head.name.epoch, *id));
        let mut logs: Vec<Source> = Vec::new();
        for (head, id) in heads {
            if let Some((low, high)) = span(&*at.shared.store, head, direction, cut.as_ref()).await? {
                let name = at.shared.names.remember(id, &head.name);
                let writer = logs.last().map_or(0, |last| last.writer() + usize::from(!last.is_by(&name)));
                logs.push(Source::new(name, id, writer, (low, high), head.gaps.clone()));
            }
        }
        Ok(Self {
            shared: at.shared.clone(),
            direction,
            cut,
            budget: at.shared.config.page_bytes / logs.len().max(1),
            fronts: BTreeSet::new(),
            dry: (0..logs.len()).collect(),
            logs,
        })
    }

    /// The next entry, or `None` at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<LogEntry>, Error> {
        while let Some(&at) = self.dry.last() {
            let log = &mut self.logs[at];
            log.fill(&self.shared, self.direction, self.cut.as_ref(), self.budget).await?;
            self.dry.pop();
            self.queue(at);
        }
        let front = match self.direction {
            Direction::Forward => self.fronts.pop_first(),
            Direction::Backward => self.fronts.pop_last(),
        };
        let Some(Front { at, .. }) = front else { return Ok(None) };
        let entry = self.logs[at].take();
        self.queue(at);
        Ok(entry)
    }

    /// Entries that the heads promised and that could not be read, since this was last asked.
    pub(crate) fn take_lost(&mut self) -> Vec<(Arc<LogName>, SeqRange)> {
        self.logs.iter_mut().flat_map(Source::take_lost).collect()
    }

    /// Notes where a log goes on after its buffer changed.
    fn queue(&mut self, at: usize) {
        let log = &self.logs[at];
        match log.front() {
            Some(entry) => {
                let (stamp, sequence) = (entry.stamp(), entry.sequence());
                self.fronts.insert(Front { stamp, writer: log.writer(), sequence, at });
            }
            None if !log.is_done() => self.dry.push(at),
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
