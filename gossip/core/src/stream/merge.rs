//! The logs of a stream merged into stream order, forward or backward.

use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::sync::Arc;

use gossip_proto::{Fault, LogEntry, LogHead, LogName, OrderKey, Seq, SeqRange};

use super::source::Source;
use super::{Direction, StreamRef};
use crate::handle::Shared;
use crate::store::all_heads;
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
    all_heads(&*at.shared.store, &at.scope).await
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
    /// Where the logs that have a next entry stand; the next of all is the greatest.
    fronts: BinaryHeap<Front>,
    /// Logs to read on before the next entry is known.
    dry: Vec<usize>,
}

/// What [`OrderKey`] says of the next entry of a log, in numbers: compared for every entry read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Front {
    /// Stamp; writer, which is the same for all logs of one author and epoch: they are branches of
    /// a fork; sequence; log. Complemented on the way forward.
    key: (u64, u64, u64, u64),
    at: usize,
}

impl Front {
    #[inline]
    fn of(log: &Source, at: usize, direction: Direction) -> Option<Self> {
        let (stamp, sequence) = log.front()?;
        let (stamp, writer, place) = (stamp.bits(), log.writer() as u64, at as u64);
        let key = match direction {
            Direction::Forward => (!stamp, !writer, !sequence, !place),
            Direction::Backward => (stamp, writer, sequence, place),
        };
        Some(Self { key, at })
    }
}

/// Logs read at the same time.
const AT_ONCE: usize = 4;
/// Most logs of which more is read than is drawn on: that takes memory.
const AHEAD: usize = 64;

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
            fronts: BinaryHeap::new(),
            dry: (0..logs.len()).collect(),
            logs,
        })
    }

    /// The next entry, or `None` at the end. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Option<LogEntry>, Error> {
        self.read_on().await?;
        Ok(self.ready())
    }

    /// The next entry if it was read already.
    #[inline]
    pub(crate) fn ready(&mut self) -> Option<LogEntry> {
        if !self.dry.is_empty() {
            return None;
        }
        let mut top = self.fronts.peek_mut()?;
        let at = top.at;
        let log = &mut self.logs[at];
        let entry = log.take();
        match Front::of(log, at, self.direction) {
            Some(front) => *top = front,
            None => {
                PeekMut::pop(top);
                if !log.is_done() {
                    self.dry.push(at);
                }
            }
        }
        entry
    }

    /// Reads what must be known before the next entry is.
    async fn read_on(&mut self) -> Result<(), Error> {
        let is_ahead = self.logs.len() <= AHEAD;
        while let Some(&at) = self.dry.last() {
            if self.direction == Direction::Forward {
                for soon in self.dry.iter().rev().take(AT_ONCE) {
                    self.logs[*soon].begin(&self.shared, self.budget).await;
                }
            }
            let log = &mut self.logs[at];
            log.fill(&self.shared, self.direction, self.cut.as_ref(), self.budget, is_ahead).await?;
            self.dry.pop();
            self.fronts.extend(Front::of(log, at, self.direction));
        }
        Ok(())
    }

    /// Entries that the heads promised and that could not be read, since this was last asked.
    pub(crate) fn take_lost(&mut self) -> Vec<(Arc<LogName>, SeqRange)> {
        self.logs.iter_mut().flat_map(Source::take_lost).collect()
    }
}

/// Sequences of a log that may lie beyond the cut; at most one of them does not, unless the search for
/// it hits damage: then all are read, so that the damage is told.
async fn span(
    store: &dyn Store,
    head: &LogHead,
    direction: Direction,
    cut: Option<&Cut>,
) -> StoreResult<Option<(Seq, Seq)>> {
    let (mut low, mut high) = (head.floor + 1, head.height);
    if let Some(cut) = cut {
        let stamp = cut.key().stamp;
        if head.stamp < stamp {
            return Ok((direction == Direction::Backward && low <= high).then_some((low, high)));
        }
        match (store.seek(head, stamp).await, direction) {
            (Err(error), _) if error.fault == Fault::Corrupt => {}
            (found, Direction::Forward) => low = low.max(found?),
            (found, Direction::Backward) => high = high.min(found?),
        }
    }
    Ok((low <= high).then_some((low, high)))
}
