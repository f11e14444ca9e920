//! The child that opens the store after a kill, checks it by itself and prints what it holds.

use std::collections::BTreeMap;

use gossip::proto::{Arrival, LogHead, Scope, Seq, StoredRun};
use gossip::{EntryId, LogId, Store};

use crate::Outcome;
use crate::kinds::open_store;
use crate::line::{Said, held};
use crate::program::print;

/// The arrival number of each entry.
type Numbers = BTreeMap<EntryId, Arrival>;

/// Small, so that paging is part of it.
const LOGS: usize = 2;
const BUDGET: usize = 100_000;

/// Prints every entry, then `end` and how many there were.
pub(crate) async fn read(config: &str) -> Outcome {
    let store = open_store(config)?;
    let mut heads = Vec::new();
    let mut after = None;
    loop {
        let page = store.heads(&Scope::All, after, LOGS).await?;
        heads.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => break,
        }
    }
    let numbers = check_arrivals(&*store, &heads).await?;
    let mut entries = 0;
    for head in &heads {
        entries += read_log(&*store, head, &numbers).await?;
    }
    check_clock(&*store, &heads).await?;
    print(&format!("end {entries}"))
}

/// Follows the chain from the root, or from where it was pruned, to the head: no hole, nothing torn, nothing
/// beyond the head.
async fn read_log(store: &dyn Store, head: &LogHead, numbers: &Numbers) -> Outcome<u64> {
    let log = head.name.id();
    print(&crate::line::log(log, head.name.stream.as_str(), head.floor))?;
    let (mut height, mut hash) = (head.floor, head.floor_hash);
    let mut stamp = if head.floor == head.height { head.stamp } else { gossip::Stamp::ZERO };
    loop {
        let runs = store.read(log, height + 1, BUDGET).await?;
        if runs.is_empty() {
            break;
        }
        for StoredRun { prev, run } in runs {
            if run.first() != height + 1 || prev != hash {
                return Err(
                    format!("log {log}: the run at {} does not continue {height}", run.first()).into()
                );
            }
            hash = run.verify(prev)?;
            height = run.last();
            for entry in run.entries() {
                if entry.stamp <= stamp {
                    return Err(format!("log {log}: stamps do not rise at {}", entry.sequence).into());
                }
                stamp = entry.stamp;
                let id = EntryId { log, sequence: entry.sequence };
                let number = numbers.get(&id).ok_or_else(|| format!("{id} never arrived"))?;
                print(&held(id, &Said::new(&head.name.author, entry.stamp, &entry.payload), *number))?;
            }
        }
    }
    if (height, hash, stamp) != (head.height, head.hash, head.stamp) {
        return Err(format!("log {log}: the head says {}, the entries {height}", head.height).into());
    }
    Ok(height - head.floor)
}

/// Every entry arrived once, in the order of its log, and no number was given twice.
async fn check_arrivals(store: &dyn Store, heads: &[LogHead]) -> Outcome<Numbers> {
    let (mut arrived, mut numbers) = (BTreeMap::<LogId, Seq>::new(), Numbers::new());
    let (mut after, mut last) = (Arrival(0), Arrival(0));
    loop {
        let page = store.arrivals(&Scope::All, after, BUDGET).await?;
        for row in page.items {
            let height = arrived.entry(row.log).or_default();
            if row.arrival <= last || row.range.first != *height + 1 {
                return Err(format!("arrival {}: out of order in log {}", row.arrival.0, row.log).into());
            }
            *height = row.range.last;
            for (sequence, number) in (row.range.first..=row.range.last).zip(row.arrival.0..) {
                numbers.insert(EntryId { log: row.log, sequence }, Arrival(number));
            }
            last = Arrival(row.arrival.0 + row.range.last - row.range.first);
        }
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    let missing = heads.iter().find(|head| arrived.get(&head.name.id()).copied().unwrap_or(0) != head.height);
    match missing {
        Some(head) => Err(format!("log {}: arrivals end before its height", head.name.id()).into()),
        None if last > store.last_arrival().await? => Err("an arrival number could be given again".into()),
        None => Ok(numbers),
    }
}

/// The clock is never behind what it stamped.
async fn check_clock(store: &dyn Store, heads: &[LogHead]) -> Outcome {
    let newest = heads.iter().map(|head| head.stamp).max();
    let clock = store.load_node().await?.map(|record| record.clock);
    if newest > clock { Err("the clock was saved apart from the entries".into()) } else { Ok(()) }
}
