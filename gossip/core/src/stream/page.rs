//! Pages of a stream.

use std::sync::Arc;

use gossip_proto::{EntryId, LogEntry, LogHead, LogId, LogName, NodeId, OrderKey, Seq, SeqRange};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use super::{Cut, Merge, StreamRef, heads};
use crate::{Error, NodeState};

/// Which way to go from a [`Place`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Towards newer entries.
    Forward,
    /// Towards older entries.
    Backward,
}

/// A place between two entries of a stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Before all entries.
    Start,
    /// After all entries.
    End,
    /// Just before this entry, which must be held.
    Before(EntryId),
    /// Just after this entry, which must be held.
    After(EntryId),
    /// Just before where an entry of this key stands, held or not.
    BeforeKey(OrderKey),
    /// Just after where an entry of this key stands, held or not.
    AfterKey(OrderKey),
}

/// Which part of a stream to read. Entries come in stream order in both directions.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct PageQuery {
    /// Where to begin.
    pub from: Place,
    /// Which way to go.
    pub direction: Direction,
    /// At most so many entries.
    pub limit: usize,
    /// About so many payload bytes, but at least one entry.
    pub bytes: usize,
}

impl PageQuery {
    const LIMIT: usize = 100;
    const BYTES: usize = 1 << 20;

    /// The first 100 entries after a place.
    #[must_use]
    pub fn forward(from: Place) -> Self {
        Self { from, direction: Direction::Forward, limit: Self::LIMIT, bytes: Self::BYTES }
    }

    /// The last 100 entries before a place.
    #[must_use]
    pub fn backward(from: Place) -> Self {
        Self { from, direction: Direction::Backward, limit: Self::LIMIT, bytes: Self::BYTES }
    }

    /// The oldest entries.
    #[must_use]
    pub fn first(limit: usize) -> Self {
        Self::forward(Place::Start).limit(limit)
    }

    /// The newest entries.
    #[must_use]
    pub fn last(limit: usize) -> Self {
        Self::backward(Place::End).limit(limit)
    }

    /// With another limit of entries.
    #[must_use]
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// With another limit of payload bytes.
    #[must_use]
    pub fn bytes(mut self, bytes: usize) -> Self {
        self.bytes = bytes;
        self
    }
}

/// A log of which not all entries are held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incomplete {
    /// The log.
    pub log: LogId,
    /// Who writes it.
    pub author: NodeId,
    /// Entries up to and including this one are not held.
    pub floor: Seq,
    /// Nor are these.
    pub gaps: Vec<SeqRange>,
}

/// Part of a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryPage {
    /// In stream order.
    pub entries: Vec<LogEntry>,
    /// What to ask for to go on in the same direction; `None` at the end.
    pub next: Option<PageQuery>,
    /// Logs of the stream of which not all entries are held, or not any more when it was read. What
    /// is damaged is left out, told here, and repaired from peers in the background.
    pub incomplete: Vec<Incomplete>,
}

impl EntryPage {
    /// Whether every entry ever written in the stream, as far as known, is held.
    #[must_use]
    pub fn complete(&self) -> bool {
        self.incomplete.is_empty()
    }
}

pub(super) fn incomplete(heads: &[LogHead]) -> Vec<Incomplete> {
    let lacking = heads.iter().filter(|head| super::lacks(head, heads));
    lacking
        .map(|head| Incomplete {
            log: head.name.id(),
            author: head.name.author.clone(),
            floor: head.floor,
            gaps: head.gaps.clone(),
        })
        .collect()
}

/// Adds what was held when the heads were read and could not be read any more.
fn note_lost(incomplete: &mut Vec<Incomplete>, lost: Vec<(Arc<LogName>, SeqRange)>) {
    for (name, range) in lost {
        let log = name.id();
        match incomplete.iter_mut().find(|found| found.log == log) {
            Some(found) => {
                found.gaps.push(range);
                found.gaps.sort_unstable();
            }
            None => {
                let author = name.author.clone();
                incomplete.push(Incomplete { log, author, floor: 0, gaps: vec![range] });
            }
        }
    }
}

pub(super) async fn page(at: &StreamRef, query: PageQuery) -> Result<EntryPage, Error> {
    let heads = heads(at).await?;
    let mut incomplete = incomplete(&heads);
    let mut merge = match cut(at, &query).await? {
        Side::Nothing => return Ok(EntryPage { entries: Vec::new(), next: None, incomplete }),
        Side::From(cut) => Merge::open(at, &heads, query.direction, cut).await?,
    };
    let (mut entries, more) = take(&mut merge, &query).await?;
    note_lost(&mut incomplete, merge.take_lost());
    let edge = if more { entries.last().map(LogEntry::key) } else { None };
    if query.direction == Direction::Backward {
        entries.reverse();
    }
    let next = edge.map(|key| PageQuery {
        from: match query.direction {
            Direction::Forward => Place::AfterKey(key),
            Direction::Backward => Place::BeforeKey(key),
        },
        ..query
    });
    Ok(EntryPage { entries, next, incomplete })
}

/// As many entries as the query allows, and whether there are more.
async fn take(merge: &mut Merge, query: &PageQuery) -> Result<(Vec<LogEntry>, bool), Error> {
    let (mut entries, mut bytes) = (Vec::new(), 0);
    while let Some(entry) = merge.next().await? {
        if entries.len() >= query.limit.max(1) || (!entries.is_empty() && bytes >= query.bytes) {
            return Ok((entries, true));
        }
        bytes += entry.payload().len();
        entries.push(entry);
    }
    Ok((entries, false))
}

enum Side {
    /// There is nothing on that side.
    Nothing,
    /// From the cut, or from the very end.
    From(Option<Cut>),
}

async fn cut(at: &StreamRef, query: &PageQuery) -> Result<Side, Error> {
    Ok(match (&query.from, query.direction) {
        (Place::Start, Direction::Forward) | (Place::End, Direction::Backward) => Side::From(None),
        (Place::Start, Direction::Backward) | (Place::End, Direction::Forward) => Side::Nothing,
        (Place::Before(id), _) => Side::From(Some(Cut::Before(key(at, *id).await?))),
        (Place::After(id), _) => Side::From(Some(Cut::After(key(at, *id).await?))),
        (Place::BeforeKey(key), _) => Side::From(Some(Cut::Before(key.clone()))),
        (Place::AfterKey(key), _) => Side::From(Some(Cut::After(key.clone()))),
    })
}

async fn key(at: &StreamRef, id: EntryId) -> Result<OrderKey, Error> {
    let entry = at.entry(id).await?;
    Ok(entry.ok_or(Error::UnknownEntry(id))?.key())
}

/// All entries of a stream as of one moment, in stream order; from
/// [`EventStream::read_all`](crate::EventStream::read_all). Memory is bounded by two pages and two runs
/// per log: what comes next is read while the entries before are dealt with.
pub struct Pager {
    at: Arc<StreamRef>,
    merge: Merge,
    incomplete: Vec<Incomplete>,
    /// Changes when the node is shut down, which is cheaper to ask for each entry than the state.
    state: watch::Receiver<NodeState>,
}

impl Pager {
    pub(super) async fn open(at: Arc<StreamRef>) -> Result<Self, Error> {
        let (heads, state) = (heads(&at).await?, at.shared.state.subscribe());
        let merge = Merge::open(&at, &heads, Direction::Forward, None).await?;
        Ok(Self { at, merge, incomplete: incomplete(&heads), state })
    }

    /// The next entry; `None` at the end. Cancel safe; after an error the same entry is tried again.
    ///
    /// # Errors
    /// [`Error::Store`]; [`Error::State`] after shutdown.
    pub async fn next(&mut self) -> Result<Option<LogEntry>, Error> {
        if !self.state.has_changed().unwrap_or(true)
            && let Some(entry) = self.merge.ready()
        {
            return Ok(Some(entry));
        }
        self.state.mark_unchanged();
        self.at.shared.check_open().inspect_err(|_| self.state.mark_changed())?;
        let next = self.merge.next().await;
        note_lost(&mut self.incomplete, self.merge.take_lost());
        next
    }

    /// Everything that is left, in memory.
    ///
    /// # Errors
    /// [`Error::Store`].
    pub async fn collect(mut self) -> Result<Vec<LogEntry>, Error> {
        let mut entries = Vec::new();
        while let Some(entry) = self.next().await? {
            entries.push(entry);
        }
        Ok(entries)
    }

    /// Logs of the stream of which not all entries are held. What was pruned, or turned out to be
    /// damaged, since the reading began is added on the way.
    #[must_use]
    pub fn incomplete(&self) -> &[Incomplete] {
        &self.incomplete
    }
}
