//! Rows in the order they came, kept per stream and merged for wider scopes.

use std::collections::{BTreeMap, BTreeSet};
use std::iter::Peekable;

use gossip_core::proto::{
    Arrival, Arrived, ChannelId, LogHead, LogId, LogName, Page, Scope, Seq, SeqRange, StreamId,
};

use crate::log::Log;

/// What a page spends on a row beside its runs: bounds a page over rows that were pruned.
const ROW_BYTES: usize = 64;

/// Consecutive entries of one log that were accepted together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Row {
    pub(crate) log: LogId,
    pub(crate) first: Seq,
    pub(crate) count: u64,
}

type Rows = BTreeMap<u64, Row>;

/// All rows, keyed by the arrival number of their first entry.
#[derive(Debug, Default)]
pub(crate) struct Arrivals {
    streams: BTreeMap<ChannelId, BTreeMap<StreamId, Rows>>,
    last: u64,
}

impl Arrivals {
    pub(crate) fn last(&self) -> Arrival {
        Arrival(self.last)
    }

    /// Numbers the entries of a row; returns the number of the first.
    pub(crate) fn push(&mut self, name: &LogName, row: Row) -> Arrival {
        let first = self.last + 1;
        let streams = self.streams.entry(name.channel.clone()).or_default();
        streams.entry(name.stream.clone()).or_default().insert(first, row);
        self.last += row.count;
        Arrival(first)
    }

    /// Forgets the rows of these logs, not the numbers.
    pub(crate) fn remove(&mut self, logs: &BTreeSet<LogId>) {
        for streams in self.streams.values_mut() {
            streams.values_mut().for_each(|rows| rows.retain(|_, row| !logs.contains(&row.log)));
            streams.retain(|_, rows| !rows.is_empty());
        }
        self.streams.retain(|_, streams| !streams.is_empty());
    }

    /// A page of rows after `after`.
    pub(crate) fn page(
        &self,
        logs: &BTreeMap<LogId, Log>,
        scope: &Scope,
        after: Arrival,
        budget: usize,
    ) -> Page<Arrived, Arrival> {
        let mut streams: Vec<_> =
            self.of(scope, logs).into_iter().map(|rows| from(rows, after.0).peekable()).collect();
        let (mut page, mut bytes) = (Page { items: Vec::new(), next: None }, 0);
        let mut seen = after;
        while let Some((arrival, row)) = earliest(&mut streams, scope) {
            let arrived = arrived(arrival, row, after.0, logs);
            bytes += ROW_BYTES + arrived.runs.iter().map(|stored| stored.run.encoded().len()).sum::<usize>();
            if bytes > budget && !page.items.is_empty() {
                page.next = Some(seen);
                break;
            }
            seen = Arrival(arrival + row.count - 1);
            page.items.push(arrived);
        }
        page
    }

    fn of(&self, scope: &Scope, logs: &BTreeMap<LogId, Log>) -> Vec<&Rows> {
        let stream = |channel, stream| self.streams.get(channel).and_then(|streams| streams.get(stream));
        match scope {
            Scope::All => self.streams.values().flat_map(BTreeMap::values).collect(),
            Scope::Channel(channel) => {
                self.streams.get(channel).into_iter().flat_map(BTreeMap::values).collect()
            }
            Scope::Stream(channel, name) => stream(channel, name).into_iter().collect(),
            Scope::Log(log) => {
                let head: Option<&LogHead> = logs.get(log).map(|log| &log.head);
                head.and_then(|head| stream(&head.name.channel, &head.name.stream)).into_iter().collect()
            }
        }
    }
}

/// The rows of a stream from the one in whose middle `after` stands, if there is one.
fn from(rows: &Rows, after: u64) -> impl Iterator<Item = (u64, Row)> {
    let before = rows.range(..=after).next_back();
    let across = before.filter(|(arrival, row)| *arrival + row.count - 1 > after);
    let start = across.map_or(after.saturating_add(1), |(arrival, _)| *arrival);
    rows.range(start..).map(|(arrival, row)| (*arrival, *row))
}

fn earliest(streams: &mut [Peekable<impl Iterator<Item = (u64, Row)>>], scope: &Scope) -> Option<(u64, Row)> {
    loop {
        let ahead = streams.iter_mut().filter_map(|rows| Some((rows.peek()?.0, rows)));
        let (_, rows) = ahead.min_by_key(|(arrival, _)| *arrival)?;
        let (arrival, row) = rows.next()?;
        if !matches!(scope, Scope::Log(log) if *log != row.log) {
            return Some((arrival, row));
        }
    }
}

fn arrived(arrival: u64, row: Row, after: u64, logs: &BTreeMap<LogId, Log>) -> Arrived {
    let skip = (after + 1).saturating_sub(arrival);
    let range = SeqRange { first: row.first + skip, last: row.first + row.count - 1 };
    let log = logs.get(&row.log);
    Arrived {
        arrival: Arrival(arrival + skip),
        log: row.log,
        range,
        runs: log.map(|log| log.covering(range).cloned().collect()).unwrap_or_default(),
        damaged: log.and_then(|log| log.lost(range)),
    }
}
