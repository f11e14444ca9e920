//! What was just committed, for subscriptions that have caught up: they need not read it again.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_proto::{Arrival, Arrived, ChannelId, CommitItem, Committed, LogName, Page, StoredRun, StreamId};

/// Rows kept. Each may hold the whole buffer it was received in.
const ROWS: usize = 16;
/// Encoded bytes kept.
const BYTES: usize = 64 << 10;

/// The newest rows of all streams, without one left out between them: arrival numbers are given out
/// consecutively, so whoever stands exactly before one of them has missed nothing.
///
/// What changes what is stored otherwise (erases, prunes, removes), or fails, empties it: see
/// [`Recent::forget`].
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<Rows>);

#[derive(Debug, Default)]
struct Rows {
    rows: VecDeque<(Arc<LogName>, Arrived)>,
    bytes: usize,
    /// The newest arrival, if it is known.
    end: Option<Arrival>,
}

impl Recent {
    fn lock(&self) -> MutexGuard<'_, Rows> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A commit was accepted. Called in the order of commits.
    pub(crate) fn note(&self, items: &[CommitItem], committed: &Committed) {
        let mut rows = self.lock();
        for (item, first) in items.iter().zip(&committed.arrivals) {
            match (item, first) {
                (_, None) => {}
                (CommitItem::Run { log, prev, run, .. }, Some(first)) => {
                    let runs = vec![StoredRun { prev: *prev, run: run.clone() }];
                    let (range, log_id) = (run.range(), run.log());
                    let row = Arrived { arrival: *first, log: log_id, range, runs, damaged: None };
                    rows.push(log.clone(), row);
                }
                // Only the store knows how much of it is new.
                (_, Some(_)) => *rows = Rows::default(),
            }
        }
    }

    /// Nothing is known of what is stored any more.
    pub(crate) fn forget(&self) {
        *self.lock() = Rows::default();
    }

    /// What arrived in a stream after a place, up to the newest; `None` when that must be read.
    pub(crate) fn after(
        &self,
        channel: &ChannelId,
        stream: &StreamId,
        place: Arrival,
    ) -> Option<Page<Arrived, Arrival>> {
        let rows = self.lock();
        let mut items = Vec::new();
        if rows.end? != place {
            let next = rows.rows.iter().position(|(_, row)| row.arrival.0 == place.0 + 1)?;
            let here = |name: &LogName| name.channel == *channel && name.stream == *stream;
            let rows = rows.rows.range(next..).filter(|(name, _)| here(name));
            items.extend(rows.map(|(_, row)| row.clone()));
        }
        Some(Page { items, next: None })
    }
}

impl Rows {
    fn push(&mut self, name: Arc<LogName>, row: Arrived) {
        if self.end.is_none_or(|end| end.0 + 1 != row.arrival.0) {
            *self = Self::default();
        }
        self.end = Some(Arrival(row.arrival.0 + row.range.count() - 1));
        self.bytes += bytes(&row);
        self.rows.push_back((name, row));
        while self.rows.len() > ROWS || self.bytes > BYTES {
            let Some((_, row)) = self.rows.pop_front() else { break };
            self.bytes -= bytes(&row);
        }
    }
}

fn bytes(row: &Arrived) -> usize {
    row.runs.iter().map(|stored| stored.run.encoded().len()).sum()
}

#[cfg(test)]
mod tests {
    use gossip_proto::Seq;
    use gossip_testkit::fixture::LogWriter;

    use super::*;

    /// Notes commits of one run each, and what a reader at a place is given.
    struct World {
        recent: Recent,
        logs: Vec<LogWriter>,
        next: u64,
    }

    impl World {
        fn new() -> Self {
            let logs = ["s", "t"].map(|stream| LogWriter::new("c", stream, "ann"));
            Self { recent: Recent::default(), logs: logs.into(), next: 5 }
        }

        fn run(&mut self, log: usize, count: u64) {
            let item = self.logs[log].run(count);
            let committed = Committed { arrivals: vec![Some(Arrival(self.next))] };
            self.recent.note(&[item], &committed);
            self.next += count;
        }

        /// Arrivals and first sequences in the first stream.
        fn after(&self, place: u64) -> Option<Vec<(u64, Seq)>> {
            let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
            let page = self.recent.after(&channel, &stream, Arrival(place))?;
            assert_eq!(page.next, None);
            Some(page.items.iter().map(|row| (row.arrival.0, row.range.first)).collect())
        }
    }

    #[test]
    fn whoever_stands_exactly_before_a_row_is_given_what_follows() {
        let mut world = World::new();
        assert_eq!(world.after(0), None, "nothing is known");
        world.run(0, 2);
        world.run(1, 3);
        world.run(0, 1);
        assert_eq!(world.after(4), Some(vec![(5, 1), (10, 3)]), "other streams do not show");
        assert_eq!(world.after(6), Some(vec![(10, 3)]));
        assert_eq!(world.after(10), Some(vec![]), "nothing is left");
        for between in [0, 3, 5, 8, 11] {
            assert_eq!(world.after(between), None, "{between} must be read");
        }
    }

    #[test]
    fn what_it_was_not_told_of_is_not_passed_over() {
        let mut world = World::new();
        world.run(0, 1);
        world.next += 1;
        world.run(0, 1);
        assert_eq!(world.after(4), None);
        assert_eq!(world.after(5), None, "one is missing between");
        assert_eq!(world.after(6), Some(vec![(7, 2)]));
        world.recent.forget();
        assert_eq!((world.after(6), world.after(7)), (None, None));
    }

    #[test]
    fn it_keeps_a_bounded_number_of_rows_and_bytes() {
        let mut world = World::new();
        for _ in 0..ROWS + 1 {
            world.run(0, 1);
        }
        assert_eq!(world.after(4), None, "the oldest is gone");
        assert_eq!(world.after(5).map(|rows| rows.len()), Some(ROWS));
        let rows = world.recent.lock();
        assert_eq!(rows.bytes, rows.rows.iter().map(|(_, row)| bytes(row)).sum::<usize>());
        assert!(rows.bytes <= BYTES);
    }
}
