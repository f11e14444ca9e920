//! Which logs have gathered small runs: what the writer lane does when it has nothing to write.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use gossip_proto::{CommitItem, LogId, MAX_RUN_ENTRIES, Run, Seq, Tick};

use super::tidy::{Chore, Size};

/// Small runs since a log was last looked at. Memory is bounded; what is forgotten is found again,
/// because a look begins a full run before what it is about.
#[derive(Debug, Default)]
pub(super) struct Chores {
    logs: BTreeMap<LogId, Gathered>,
    /// Logs to look at, each once.
    ready: VecDeque<LogId>,
    /// Logs with enough small runs to be joined once nothing more comes.
    stirred: BTreeSet<LogId>,
    /// When to see which of them are calm.
    calm_at: Option<Tick>,
    /// Batches written while a log was ready.
    passed_over: u32,
    /// Off: notes nothing.
    is_off: bool,
}

#[derive(Debug, Default)]
struct Gathered {
    from: Seq,
    last: Seq,
    runs: usize,
    size: Size,
    is_ready: bool,
    is_calm: bool,
}

/// Logs remembered.
const MAX_LOGS: usize = 1 << 14;
/// Fewer small runs are not worth a look of their own.
const FEW: usize = 8;
/// A log nobody wrote to for so long is calm (for twice as long at most).
const CALM: Duration = Duration::from_secs(1);
/// Batches of writes that may pass before a log that is ready.
const PATIENCE: u32 = 64;

impl Chores {
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_off: !is_on, ..Self::default() }
    }

    /// Notes what is going to be written.
    pub(super) fn note(&mut self, items: &[CommitItem]) {
        if self.is_off {
            return;
        }
        for item in items {
            match item {
                CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => self.note_run(run),
                CommitItem::Adopt { .. } => {}
            }
        }
    }

    fn note_run(&mut self, run: &Run) {
        let size = Size::of(run);
        if size.is_settled() {
            return;
        }
        let log = run.log();
        // The first one since the start: there may be small ones before it.
        let is_new = !self.logs.contains_key(&log);
        if is_new && self.logs.len() >= MAX_LOGS {
            self.forget_one();
        }
        let gathered = self.logs.entry(log).or_default();
        let from = run.first().saturating_sub(MAX_RUN_ENTRIES).max(1);
        gathered.from = if gathered.runs == 0 && !gathered.is_ready { from } else { gathered.from.min(from) };
        gathered.last = gathered.last.max(run.last());
        gathered.runs += 1;
        gathered.size.add(size);
        gathered.is_calm = false;
        let is_due = gathered.size.is_full() || (is_new && run.first() > 1);
        let is_many = gathered.runs >= FEW;
        if is_due {
            self.queue(log);
        } else if is_many {
            self.stirred.insert(log);
        }
    }

    /// Ids are hashes: the lowest is as good as any.
    fn forget_one(&mut self) {
        if let Some((log, _)) = self.logs.pop_first() {
            self.stirred.remove(&log);
        }
    }

    fn queue(&mut self, log: LogId) {
        if let Some(gathered) = self.logs.get_mut(&log)
            && !std::mem::replace(&mut gathered.is_ready, true)
        {
            self.ready.push_back(log);
        }
    }

    /// When [`Chores::settle`] wants to be called.
    pub(super) fn deadline(&self) -> Option<Tick> {
        self.calm_at
    }

    /// Queues logs that were left alone for a while.
    pub(super) fn settle(&mut self, now: Tick) {
        if self.calm_at.is_some_and(|at| at <= now) {
            self.calm_at = None;
            for log in std::mem::take(&mut self.stirred) {
                let Some(gathered) = self.logs.get_mut(&log).filter(|found| found.runs >= FEW) else {
                    continue;
                };
                match std::mem::replace(&mut gathered.is_calm, true) {
                    true => self.queue(log),
                    false => drop(self.stirred.insert(log)),
                }
            }
        }
        if self.calm_at.is_none() && !self.stirred.is_empty() {
            self.calm_at = Some(now + CALM);
        }
    }

    /// Whether writes have passed before what is ready for long enough; asked once per batch.
    pub(super) fn lost_patience(&mut self) -> bool {
        self.passed_over = if self.ready.is_empty() { 0 } else { self.passed_over + 1 };
        self.passed_over > PATIENCE
    }

    /// What to do next.
    pub(super) fn next(&mut self) -> Option<Chore> {
        self.passed_over = 0;
        loop {
            let log = self.ready.pop_front()?;
            // One that was forgotten meanwhile is found again when more is written to it.
            if let Some(gathered) = self.logs.get_mut(&log) {
                let chore = Chore { log, from: gathered.from, last: gathered.last };
                *gathered = Gathered { from: gathered.from, last: gathered.last, ..Gathered::default() };
                return Some(chore);
            }
        }
    }

    /// Notes that a chore is done up to `next`, or whole.
    pub(super) fn done(&mut self, chore: Chore, next: Option<Seq>) {
        let Some(next) = next else { return };
        if let Some(gathered) = self.logs.get_mut(&chore.log) {
            gathered.from = if gathered.runs == 0 { next } else { gathered.from.min(next) };
            gathered.last = gathered.last.max(chore.last);
            self.queue(chore.log);
        }
    }
}
