//! Everything a store holds of one task.

use gossip::proto::{Arrival, LogHead, RunEntry, Scope, Seq, SeqRange};
use gossip::{LogId, Store};

use super::chain::{Chain, channel};
use super::op::note_of;
use crate::Outcome;

/// Small, so that paging is part of it.
const BUDGET: usize = 50_000;

/// What must be the same in a store and in the model of it.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Picture {
    logs: Vec<Log>,
    note: Option<bytes::Bytes>,
    counted: (u64, u64),
}

#[derive(Debug, Default, PartialEq)]
struct Log {
    head: Option<LogHead>,
    runs: Vec<SeqRange>,
    entries: Vec<RunEntry>,
    /// In the order they arrived.
    arrived: Vec<Seq>,
}

impl Picture {
    /// Reads everything, and checks what can be checked without the model.
    pub(crate) async fn of(store: &dyn Store, task: usize, chains: &mut [Chain]) -> Outcome<Self> {
        let mut logs = Vec::new();
        for chain in chains.iter_mut() {
            logs.push(Log::of(store, chain).await?);
        }
        for (id, range, _) in rows(store, &Scope::Channel(channel(task))).await? {
            let log = chains.iter().position(|chain| chain.id == id).ok_or("a row of no log")?;
            logs[log].arrived.extend(range.first..=range.last);
        }
        let note = store.load_snapshot(&note_of(task)).await?;
        let usage = store.usage(&Scope::Channel(channel(task))).await?;
        Ok(Self { logs, note, counted: (usage.logs, usage.entries) })
    }

    /// Where two differ, in few words.
    pub(crate) fn difference(&self, model: &Self) -> String {
        if self.note != model.note {
            return "the note is another".to_owned();
        }
        for (at, (mine, other)) in self.logs.iter().zip(&model.logs).enumerate() {
            let place = |log: &Log| log.head.as_ref().map(|it| (it.floor, it.height, it.gaps.clone()));
            let what = match (mine, other) {
                _ if place(mine) != place(other) => format!("{:?}, not {:?}", place(mine), place(other)),
                _ if mine.head != other.head => format!("head {:?}, not {:?}", mine.head, other.head),
                _ if mine.entries != other.entries => "other entries".to_owned(),
                _ if mine.arrived != other.arrived => "another order of arrival".to_owned(),
                _ if mine.runs != other.runs => format!("runs {:?}, not {:?}", mine.runs, other.runs),
                _ => continue,
            };
            return format!("log {at}: {what}");
        }
        format!("usage counts {:?}, not {:?}", self.counted, model.counted)
    }
}

impl Log {
    async fn of(store: &dyn Store, chain: &mut Chain) -> Outcome<Self> {
        let head = store.heads(&Scope::Log(chain.id), None, 1).await?.items.into_iter().next();
        let Some(head) = head else { return Ok(Self::default()) };
        let mut log = Self::default();
        let mut from = head.floor + 1;
        loop {
            let runs = store.read(chain.id, from, BUDGET).await?;
            let Some(last) = runs.last() else { break };
            let next = last.run.last() + 1;
            for stored in &runs {
                let end = stored.run.verify(stored.prev)?;
                if stored.prev != chain.hash(stored.run.first() - 1) || end != chain.hash(stored.run.last()) {
                    return Err(format!("log {}: another chain at {}", chain.id, stored.run.first()).into());
                }
                let first = stored.run.first().max(head.floor + 1);
                log.runs.push(SeqRange { first, last: stored.run.last() });
                log.entries.extend(stored.run.entries().filter(|entry| entry.sequence > head.floor));
            }
            from = next;
        }
        log.head = Some(head);
        Ok(log)
    }
}

/// Rows of the arrival order: the log, which of its entries, and the number of the first.
pub(crate) async fn rows(store: &dyn Store, scope: &Scope) -> Outcome<Vec<(LogId, SeqRange, Arrival)>> {
    let (mut rows, mut after, mut last) = (Vec::new(), Arrival(0), Arrival(0));
    loop {
        let page = store.arrivals(scope, after, BUDGET).await?;
        for row in page.items {
            if row.arrival <= last {
                return Err(format!("arrival {} comes after {}", row.arrival.0, last.0).into());
            }
            last = Arrival(row.arrival.0 + row.range.last - row.range.first);
            rows.push((row.log, row.range, row.arrival));
        }
        match page.next {
            Some(next) => after = next,
            None if last > store.last_arrival().await? => {
                return Err("an arrival number could be given again".into());
            }
            None => return Ok(rows),
        }
    }
}
