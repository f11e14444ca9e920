//! Space of removed ranges, given back in the background.
//!
//! Removing a range writes one small mark; what it hides stays in the files until they are
//! compacted, which RocksDB does only as more is written there. A log that was pruned may never be
//! written to again, so a thread asks for it. The same thread looks for waste, see [`crate::garbage`].

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};

use gossip_store_kv::Table;
use rocksdb::{CompactOptions, DB, Range};

use crate::garbage;
use crate::tables;

/// A smaller range of small rows waits until RocksDB gets to it by itself.
const WORTH_BYTES: u64 = 256 << 10;

/// After so many bytes were written there may be waste.
const LOOK_BYTES: usize = 16 << 20;

/// Most ranges that wait; then the newest two become one that spans both.
const MOST_RANGES: usize = 1024;

/// The thread and what it is to do.
pub(crate) struct Reclaimer {
    work: Arc<Work>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Work {
    todo: Mutex<Todo>,
    more: Condvar,
}

#[derive(Default)]
struct Todo {
    ranges: VecDeque<(Table, Vec<u8>, Vec<u8>)>,
    /// Bytes written since it was looked for waste.
    written: usize,
    stop: bool,
}

enum Job {
    Compact(Table, Vec<u8>, Vec<u8>),
    Look,
}

impl Reclaimer {
    /// Starts the thread. Without one, which the system may refuse, space comes back later.
    pub(crate) fn new(db: Arc<DB>) -> Self {
        let work = Arc::<Work>::default();
        let theirs = work.clone();
        let thread = Builder::new().name("gossip-rocksdb".into()).spawn(move || run(&db, &theirs)).ok();
        Self { work, thread }
    }

    /// So many bytes were written, and these ranges of keys, as they stand in the column families,
    /// removed.
    pub(crate) fn add(&self, written: usize, ranges: Vec<(Table, Vec<u8>, Vec<u8>)>) {
        if self.thread.is_none() {
            return;
        }
        let mut todo = self.work.lock();
        todo.written = todo.written.saturating_add(written);
        if ranges.is_empty() && todo.written < LOOK_BYTES {
            return;
        }
        for range in ranges {
            todo.add(range);
        }
        self.work.more.notify_one();
    }

    /// Ends the thread; a compaction it waits for is cancelled.
    pub(crate) fn stop(&mut self, db: &DB) {
        {
            let mut todo = self.work.lock();
            todo.stop = true;
            self.work.more.notify_one();
        }
        if let Some(thread) = self.thread.take() {
            db.cancel_all_background_work(false);
            // It panicked or it ended: gone either way.
            let _ = thread.join();
        }
    }
}

impl Work {
    fn lock(&self) -> MutexGuard<'_, Todo> {
        self.todo.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for something to do; `None` when it is time to stop.
    fn next(&self) -> Option<Job> {
        let mut todo = self.lock();
        loop {
            if todo.stop {
                return None;
            }
            if let Some((table, from, to)) = todo.ranges.pop_front() {
                return Some(Job::Compact(table, from, to));
            }
            if todo.written >= LOOK_BYTES {
                todo.written = 0;
                return Some(Job::Look);
            }
            todo = self.more.wait(todo).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Todo {
    fn add(&mut self, (table, from, to): (Table, Vec<u8>, Vec<u8>)) {
        let full = self.ranges.len() >= MOST_RANGES;
        match self.ranges.iter_mut().rev().find(|range| range.0 == table) {
            // The same log was pruned further, or there is no room to tell them apart.
            Some(last) if full || (last.1 <= to && from <= last.2) => {
                last.1 = from.min(std::mem::take(&mut last.1));
                last.2 = to.max(std::mem::take(&mut last.2));
            }
            _ if full => {}
            _ => self.ranges.push_back((table, from, to)),
        }
    }
}

fn run(db: &DB, work: &Work) {
    while let Some(job) = work.next() {
        if let Job::Compact(table, from, to) = job {
            compact(db, table, &from, &to);
        }
        // After a failure of the disk: there will be another look.
        let _ = garbage::collect(db, || !work.lock().stop);
    }
}

fn compact(db: &DB, table: Table, from: &[u8], to: &[u8]) {
    let family = tables::family(db, table);
    // Of large runs the tables hold only keys: how much a range of them frees cannot be seen there.
    let sizes = || db.get_approximate_sizes_cf(family, &[Range::new(from, to)]).iter().sum::<u64>();
    if table == Table::Runs || sizes() >= WORTH_BYTES {
        let mut options = CompactOptions::default();
        // Beside the compactions RocksDB has running, not instead of them.
        options.set_exclusive_manual_compaction(false);
        db.compact_range_cf_opt(family, Some(from), Some(to), &options);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(from: u16, to: u16) -> (Table, Vec<u8>, Vec<u8>) {
        (Table::Runs, from.to_be_bytes().to_vec(), to.to_be_bytes().to_vec())
    }

    #[test]
    fn neighbours_become_one_range() {
        let mut todo = Todo::default();
        for (from, to) in [(10, 20), (20, 30), (5, 12), (40, 50)] {
            todo.add(range(from, to));
        }
        assert_eq!(todo.ranges, [range(5, 30), range(40, 50)]);
    }

    #[test]
    fn ranges_never_exceed_their_bound() {
        let mut todo = Todo::default();
        for n in 0..5000 {
            todo.add(range(2 * n, 2 * n + 1));
        }
        assert_eq!(todo.ranges.len(), MOST_RANGES);
        assert_eq!(todo.ranges.back(), Some(&range(2 * (MOST_RANGES as u16 - 1), 9999)), "none is forgotten");
    }
}
