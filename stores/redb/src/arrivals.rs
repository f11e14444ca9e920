//! Rows in the order they came: kept per stream, merged for wider scopes.

use std::ops::Bound;

use gossip_core::proto::{Arrival, Arrived, LogId, Page, Scope, SeqRange};
use redb::{AccessGuard, Range, ReadTransaction};

use crate::fault::Failure;
use crate::keys;
use crate::runs::covering;
use crate::tables::{ARRIVALS, HEADS, RUNS, Readable, Row, head_row};

/// What a page spends on a row beside its runs: bounds a page over rows that were pruned.
const ROW_BYTES: usize = 64;

/// A page of rows after `after`.
pub(crate) fn page(
    reading: &ReadTransaction,
    scope: &Scope,
    after: Arrival,
    budget: usize,
) -> Result<Page<Arrived, Arrival>, Failure> {
    let (rows, runs) = (reading.open_table(ARRIVALS)?, reading.open_table(RUNS)?);
    let mut streams = Vec::new();
    for prefix in prefixes(reading, &rows, scope)? {
        streams.push(Stream::open(&rows, &prefix, after.0, only(scope))?);
    }
    let (mut page, mut bytes, mut seen) = (Page { items: Vec::new(), next: None }, 0, after);
    while let Some((arrival, row)) = earliest(&mut streams)? {
        let skip = (after.0 + 1).saturating_sub(arrival);
        let range = SeqRange { first: row.first + skip, last: row.first + row.count - 1 };
        let runs = covering(&runs, row.log, range)?;
        bytes += ROW_BYTES + runs.iter().map(|stored| stored.run.encoded().len()).sum::<usize>();
        if bytes > budget && !page.items.is_empty() {
            page.next = Some(seen);
            break;
        }
        seen = Arrival(arrival + row.count - 1);
        page.items.push(Arrived {
            arrival: Arrival(arrival + skip),
            log: row.log,
            range,
            runs,
            damaged: None,
        });
    }
    Ok(page)
}

fn only(scope: &Scope) -> Option<LogId> {
    if let Scope::Log(log) = scope { Some(*log) } else { None }
}

/// Key prefixes of the streams a scope lies in.
fn prefixes(reading: &ReadTransaction, rows: &impl Readable, scope: &Scope) -> Result<Vec<Vec<u8>>, Failure> {
    match scope {
        Scope::All => streams_under(rows, &[]),
        Scope::Channel(channel) => streams_under(rows, &keys::channel(channel)),
        Scope::Stream(channel, stream) => Ok(vec![keys::stream(channel, stream)]),
        Scope::Log(log) => {
            let row = head_row(&reading.open_table(HEADS)?, *log)?;
            Ok(row.map(|row| keys::stream_of(&row.head.name)).into_iter().collect())
        }
    }
}

/// The streams that have rows, found by leaping from one to the next.
fn streams_under(rows: &impl Readable, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Failure> {
    let mut streams = Vec::new();
    let mut span = keys::span(prefix, None);
    while let Some(row) = rows.range::<&[u8]>(keys::bounds(&span))?.next() {
        let key = row?.0.value().to_vec();
        let Some(stream) = key.len().checked_sub(8).map(|end| key[..end].to_vec()) else {
            return Err(Failure::corrupt("a damaged key of an arrival row"));
        };
        span.0 = Bound::Excluded(keys::join(&stream, &[0xff; 8]));
        streams.push(stream);
    }
    Ok(streams)
}

/// The rows of one stream, the next one in hand.
struct Stream<'t> {
    rows: Range<'t, &'static [u8], &'static [u8]>,
    next: Option<(u64, Row)>,
    only: Option<LogId>,
}

impl<'t> Stream<'t> {
    /// Begins at the row in whose middle `after` stands, if there is one.
    fn open(
        rows: &'t impl Readable,
        prefix: &[u8],
        after: u64,
        only: Option<LogId>,
    ) -> Result<Self, Failure> {
        let key = |arrival: u64| keys::join(prefix, &arrival.to_be_bytes());
        let before = rows.range(&key(0)[..]..=&key(after)[..])?.next_back().transpose()?;
        let across = before.map(read_row).transpose()?;
        let across = across.filter(|(arrival, row)| arrival + (row.count - 1) > after);
        let start = across.map_or(after.saturating_add(1), |(arrival, _)| arrival);
        let rows = rows.range(&key(start)[..]..=&key(u64::MAX)[..])?;
        let mut stream = Self { rows, next: None, only };
        stream.advance()?;
        Ok(stream)
    }

    fn advance(&mut self) -> Result<(), Failure> {
        self.next = None;
        for row in self.rows.by_ref() {
            let (arrival, row) = read_row(row?)?;
            if self.only.is_none_or(|log| log == row.log) {
                self.next = Some((arrival, row));
                break;
            }
        }
        Ok(())
    }
}

type Guards<'t> = (AccessGuard<'t, &'static [u8]>, AccessGuard<'t, &'static [u8]>);

fn read_row((key, value): Guards<'_>) -> Result<(u64, Row), Failure> {
    Ok((keys::number(key.value()), Row::decode(value.value())?))
}

fn earliest(streams: &mut [Stream<'_>]) -> Result<Option<(u64, Row)>, Failure> {
    let ahead = streams.iter_mut().filter_map(|stream| Some((stream.next?.0, stream)));
    let Some((_, stream)) = ahead.min_by_key(|(arrival, _)| *arrival) else { return Ok(None) };
    let row = stream.next;
    stream.advance()?;
    Ok(row)
}
