//! Rows in the order they came: kept per stream, merged for wider scopes.

use std::collections::BTreeMap;
use std::ops::Bound;

use gossip_core::proto::{Arrival, Arrived, LogId, Page, Scope};

use crate::engine::{KeyValue, Order, Rows, Table, View};
use crate::fault::Failure;
use crate::head::Moving;
use crate::keys::{self, Span};
use crate::layout::decode_name;
use crate::part::{Part, part};
use crate::row::Row;

/// What a page spends on a row beside its runs: bounds a page over rows that were pruned.
const ROW_BYTES: usize = 64;

/// Why a page came to nothing.
pub(crate) enum Stop {
    /// The engine failed.
    Failed(Failure),
    /// A row of this stream is damaged.
    Torn(Vec<u8>),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// A page of rows after `after`.
pub(crate) fn page(
    view: &dyn View,
    scope: &Scope,
    after: Arrival,
    budget: usize,
) -> Result<Page<Arrived, Arrival>, Stop> {
    let mut streams = Vec::new();
    for prefix in prefixes(view, scope)? {
        streams.push(Stream::open(view, prefix, after.0, only(scope))?);
    }
    let (mut page, mut left, mut seen) = (Page { items: Vec::new(), next: None }, budget, after);
    let mut heads = BTreeMap::new();
    while let Some((arrival, row)) = earliest(&mut streams)? {
        let head = head(view, &mut heads, row.log)?;
        let skip = after.0.saturating_add(1).saturating_sub(arrival);
        let range = (row.first + skip, row.last());
        let first = page.items.is_empty();
        let Some(part) = part(view, head, row.log, range, (left.saturating_sub(ROW_BYTES), first))? else {
            page.next = Some(seen);
            break;
        };
        left = left.saturating_sub(ROW_BYTES + part.bytes);
        seen = Arrival(arrival + (part.last - row.first));
        let whole = part.last == range.1;
        page.items.push(arrived(arrival + skip, row.log, range.0, part));
        if !whole || (left == 0 && peek(&streams)) {
            page.next = Some(seen);
            break;
        }
    }
    Ok(page)
}

fn arrived(arrival: u64, log: LogId, first: u64, part: Part) -> Arrived {
    let range = gossip_core::proto::SeqRange { first, last: part.last };
    Arrived { arrival: Arrival(arrival), log, range, runs: part.runs, damaged: part.damaged }
}

/// What is held of a log, looked up once for a page; `None` when the log is gone or damaged.
fn head<'h>(
    view: &dyn View,
    heads: &'h mut BTreeMap<LogId, Option<Moving>>,
    log: LogId,
) -> Result<Option<&'h Moving>, Failure> {
    if let std::collections::btree_map::Entry::Vacant(place) = heads.entry(log) {
        let row = view.get(Table::Heads, &log.0)?;
        place.insert(row.and_then(|row| Moving::decode(log, &row)));
    }
    Ok(heads.get(&log).and_then(Option::as_ref))
}

fn only(scope: &Scope) -> Option<LogId> {
    if let Scope::Log(log) = scope { Some(*log) } else { None }
}

/// Key prefixes of the streams a scope lies in.
fn prefixes(view: &dyn View, scope: &Scope) -> Result<Vec<Vec<u8>>, Failure> {
    match scope {
        Scope::All => streams_under(view, &[]),
        Scope::Channel(channel) => streams_under(view, &keys::channel(channel)),
        Scope::Stream(channel, stream) => Ok(vec![keys::stream(channel, stream)]),
        Scope::Log(log) => {
            let name = view.get(Table::Names, &log.0)?;
            match name.as_deref().map(|name| decode_name(*log, name)) {
                Some(Some(name)) => Ok(vec![keys::stream_of(&name)]),
                None if view.get(Table::Heads, &log.0)?.is_none() => Ok(Vec::new()),
                _ => Err(Failure::corrupt(format!("the name of log {log} is damaged"))),
            }
        }
    }
}

/// The streams that have rows, found by leaping from one to the next.
pub(crate) fn streams_under(view: &dyn View, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut streams = Vec::new();
    let mut span = Span::under(prefix, None);
    loop {
        let mut rows = view.scan(Table::Arrivals, &span, Order::Up)?;
        let Some((key, _)) = rows.next()? else { return Ok(streams) };
        let Some(end) = key.len().checked_sub(8) else {
            return Err(Failure::corrupt("a damaged key of an arrival row"));
        };
        let stream = key[..end].to_vec();
        span.start = Bound::Excluded(keys::join(&stream, &[0xff; 8]));
        streams.push(stream);
    }
}

/// The rows of one stream, the next one in hand.
struct Stream<'v> {
    prefix: Vec<u8>,
    rows: Box<dyn Rows + 'v>,
    next: Option<(u64, Row)>,
    only: Option<LogId>,
}

impl<'v> Stream<'v> {
    /// Begins at the row in whose middle `after` stands, if there is one.
    fn open(view: &'v dyn View, prefix: Vec<u8>, after: u64, only: Option<LogId>) -> Result<Self, Stop> {
        let upto = Span::between(keys::arrival(&prefix, 0), keys::arrival(&prefix, after));
        let mut before = view.scan(Table::Arrivals, &upto, Order::Down)?;
        let across = match before.next()? {
            Some(row) => Some(decode(&prefix, row)?),
            None => None,
        };
        let across = across.filter(|(arrival, row)| arrival + (row.count - 1) > after);
        let start = across.map_or(after.saturating_add(1), |(arrival, _)| arrival);
        let rows = view.scan(Table::Arrivals, &keys::arrivals(&prefix, start), Order::Up)?;
        let mut stream = Self { prefix, rows, next: None, only };
        stream.advance()?;
        Ok(stream)
    }

    fn advance(&mut self) -> Result<(), Stop> {
        self.next = None;
        while let Some(row) = self.rows.next()? {
            let (arrival, row) = decode(&self.prefix, row)?;
            if self.only.is_none_or(|log| log == row.log) {
                self.next = Some((arrival, row));
                break;
            }
        }
        Ok(())
    }
}

fn decode(stream: &[u8], (key, row): KeyValue<'_>) -> Result<(u64, Row), Stop> {
    Row::decode(key, row).ok_or_else(|| Stop::Torn(stream.to_vec()))
}

fn peek(streams: &[Stream<'_>]) -> bool {
    streams.iter().any(|stream| stream.next.is_some())
}

fn earliest(streams: &mut [Stream<'_>]) -> Result<Option<(u64, Row)>, Stop> {
    let ahead = streams.iter_mut().filter_map(|stream| Some((stream.next?.0, stream)));
    let Some((_, stream)) = ahead.min_by_key(|(arrival, _)| *arrival) else { return Ok(None) };
    let row = stream.next;
    stream.advance()?;
    Ok(row)
}
