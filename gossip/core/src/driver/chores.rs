//! Which logs have gathered small runs, and when the writer lane joins them.
//!
//! Under a load joining is paid for by writing: each small run that is written earns the same, whatever it
//! holds, and so much that joining keeps up with short entries written one or two at a time, a pause or not.
//! These gain most by it. Where more was written at once joining falls behind until the lane rests:
//! a load that never pauses pays one step, which joins about one full run, for so many runs at most.
//! What makes no full run waits for the lane to rest too.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip_proto::{CommitItem, LogId, MAX_RUN_ENTRIES, Run, Seq, StoreRequest, Tick};

use super::plan::{Chore, Size};
use super::tidy::Tidied;

/// Small runs since a log was last looked at. Memory is bounded; what is forgotten is found again,
/// because the first look at a log begins a full run before what it is about.
#[derive(Debug, Default)]
pub(super) struct Chores {
    logs: BTreeMap<LogId, Gathered>,
    /// Logs to look at, each at most once in one of them, by a number that rises.
    queues: BTreeMap<(Why, u64), LogId>,
    number: u64,
    /// Small runs written that no step was made for yet.
    credit: usize,
    /// Logs with enough small runs to be joined once nothing more comes.
    stirred: BTreeSet<LogId>,
    /// When to see which of them are calm.
    calm_at: Option<Tick>,
    /// When the last batch was begun.
    wrote_at: Tick,
    /// Off: notes nothing.
    is_off: bool,
}

#[derive(Debug, Default)]
struct Gathered {
    /// Where small runs may begin.
    from: Option<Seq>,
    last: Seq,
    runs: usize,
    size: Size,
    queued: Option<(Why, u64)>,
    is_calm: bool,
}

/// Why a log is to be looked at; the most pressing first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Why {
    /// It has a full run together.
    Full,
    /// Not looked at since the start: an app that ends before it rests would never get to it.
    New,
    /// Nobody wrote to it for a while.
    Calm,
}

/// Logs remembered.
const MAX_LOGS: usize = 1 << 14;
/// Fewer small runs are not worth a look of their own.
const FEW_RUNS: usize = 8;
/// A log nobody wrote to for so long is calm (for twice as long at most).
const CALM: Duration = Duration::from_secs(1);
/// So many small runs earn a step. Neighbours that do not fit into one run make at least half of one, so
/// a step joins no fewer runs of one short entry.
const STEP: usize = MAX_RUN_ENTRIES as usize / 2;
/// Most steps at once while nobody waits: they share a commit and its sync. Others would wait for all of them.
const STEPS: usize = 4;
/// A lane that has written nothing for so long is at rest. Callers who append again as soon as they are
/// answered leave it shorter pauses, and would wait for whatever is begun in one.
const REST: Duration = Duration::from_millis(5);

impl Gathered {
    /// A settled run follows. A small one alone between such runs, as each batch leaves it, can be joined to
    /// nothing: many of these are no reason to walk over all that lies between them.
    fn shut_in(&mut self, settled: Size) {
        if self.runs == 1 && self.queued.is_none() && settled.first == self.last + 1 {
            *self = Self { from: Some(settled.end()), last: self.last, ..Self::default() };
        }
    }
}

impl Chores {
    pub(super) fn new(is_on: bool) -> Self {
        Self { is_off: !is_on, ..Self::default() }
    }

    /// Notes a batch that is begun.
    pub(super) fn wrote<'r>(&mut self, now: Tick, batch: impl IntoIterator<Item = &'r StoreRequest>) {
        self.wrote_at = now;
        if self.is_off {
            return;
        }
        for request in batch {
            let StoreRequest::Commit { items, .. } = request else { continue };
            for item in items {
                match item {
                    CommitItem::Run { run, .. } | CommitItem::Fill { run, .. } => self.note_run(run),
                    CommitItem::Adopt { .. } => {}
                }
            }
        }
    }

    fn note_run(&mut self, run: &Run) {
        self.note_size(run.log(), Size::of(run));
    }

    fn note_size(&mut self, log: LogId, size: Size) {
        if size.is_settled() {
            return self.logs.get_mut(&log).into_iter().for_each(|gathered| gathered.shut_in(size));
        }
        self.credit = self.credit.saturating_add(1);
        // The first one since the start: there may be small ones before it.
        let is_new = !self.logs.contains_key(&log);
        if is_new && self.logs.len() >= MAX_LOGS {
            self.forget_one();
        }
        let gathered = self.logs.entry(log).or_default();
        let before = size.first.saturating_sub(MAX_RUN_ENTRIES).max(1);
        gathered.from = gathered.from.filter(|from| *from <= size.first).or(Some(before));
        gathered.last = gathered.last.max(size.end() - 1);
        gathered.runs += 1;
        gathered.size.add(size);
        gathered.is_calm = false;
        let is_many = gathered.runs >= FEW_RUNS;
        if gathered.size.is_full() {
            self.queue(log, Why::Full);
        } else if is_new && size.first > 1 {
            self.queue(log, Why::New);
        } else if is_many {
            self.stirred.insert(log);
        }
    }

    /// Ids are hashes: the lowest is as good as any.
    fn forget_one(&mut self) {
        if let Some((log, gathered)) = self.logs.pop_first() {
            self.stirred.remove(&log);
            gathered.queued.and_then(|place| self.queues.remove(&place));
        }
    }

    /// Queues a log, unless it is for a reason that presses as much.
    fn queue(&mut self, log: LogId, why: Why) {
        let Some(gathered) = self.logs.get_mut(&log) else { return };
        if gathered.queued.is_some_and(|(before, _)| before <= why) {
            return;
        }
        self.number += 1;
        if let Some(before) = gathered.queued.replace((why, self.number)) {
            self.queues.remove(&before);
        }
        self.queues.insert((why, self.number), log);
    }

    /// When [`Chores::settle`] wants to be called, and a lane with nothing to write is at rest.
    pub(super) fn deadline(&self, has_time: bool) -> Option<Tick> {
        let rest = (has_time && !self.queues.is_empty()).then(|| self.wrote_at + REST);
        self.calm_at.into_iter().chain(rest).min()
    }

    /// Queues logs that were left alone for a while.
    pub(super) fn settle(&mut self, now: Tick) {
        if self.calm_at.is_some_and(|at| at <= now) {
            self.calm_at = None;
            for log in std::mem::take(&mut self.stirred) {
                let Some(gathered) = self.logs.get_mut(&log).filter(|found| found.runs >= FEW_RUNS) else {
                    continue;
                };
                match std::mem::replace(&mut gathered.is_calm, true) {
                    true => self.queue(log, Why::Calm),
                    false => drop(self.stirred.insert(log)),
                }
            }
        }
        if self.calm_at.is_none() && !self.stirred.is_empty() {
            self.calm_at = Some(now + CALM);
        }
    }

    /// What to do next although others wait to write: one step, once it is earned.
    pub(super) fn next_paid(&mut self) -> Vec<Chore> {
        let is_due = self.queues.range(..(Why::New, 0)).next().is_some();
        if !is_due {
            // What was earned with nothing to do is no reason to do much at once later.
            self.credit = self.credit.min(STEP);
        }
        match self.credit.checked_sub(STEP) {
            Some(rest) if is_due => {
                self.credit = rest;
                self.next(1)
            }
            _ => Vec::new(),
        }
    }

    /// What to do next while nobody waits to write.
    pub(super) fn next_at_rest(&mut self, now: Tick) -> Vec<Chore> {
        let paid = self.next_paid();
        if !paid.is_empty() {
            return paid;
        }
        let is_new = self.queues.first_key_value().is_some_and(|((why, _), _)| *why == Why::New);
        match now >= self.wrote_at + REST {
            true => self.next(STEPS),
            false => self.next(usize::from(is_new)),
        }
    }

    fn next(&mut self, most: usize) -> Vec<Chore> {
        let next = std::iter::from_fn(|| self.queues.pop_first());
        let next: Vec<_> = next.take(most).collect();
        next.into_iter().filter_map(|((why, _), log)| self.begin(why, log)).collect()
    }

    fn begin(&mut self, why: Why, log: LogId) -> Option<Chore> {
        let gathered = self.logs.get_mut(&log)?;
        gathered.queued = None;
        gathered.runs = 0;
        let size = std::mem::take(&mut gathered.size);
        let (from, last) = (gathered.from.unwrap_or(1), gathered.last);
        Some(Chore { log, from, last, only_full: why == Why::Full, budget: size.budget() })
    }

    /// Notes what a step of a chore did. Runs may have been written since it began.
    pub(super) fn done(&mut self, chore: Chore, tidied: &Tidied) {
        let Some(gathered) = self.logs.get_mut(&chore.log) else { return };
        // A hole further down was filled meanwhile.
        let lowered = gathered.from.filter(|from| *from < chore.from);
        // Where nothing is known of what was read, what was written since is.
        let written = gathered.from.filter(|_| gathered.runs > 0);
        gathered.from = lowered.or(tidied.from).or(written);
        // What lies beyond was noted when it was written.
        for size in tidied.left.iter().filter(|size| size.first <= chore.last) {
            gathered.runs += 1;
            gathered.size.add(*size);
        }
        if tidied.more && tidied.from == Some(chore.from) {
            // No time was left for it: it is paid for when it is done.
            self.credit += STEP;
        }
        if tidied.more {
            self.queue(chore.log, if chore.only_full { Why::Full } else { Why::Calm });
        } else if gathered.runs >= FEW_RUNS {
            self.stirred.insert(chore.log);
        }
    }
}

#[cfg(test)]
mod tests;
