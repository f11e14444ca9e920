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
    /// When the last batch was begun.
    wrote_at: Tick,
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
    /// Not looked at since the start: an app that ends before it rests would never get to it.
    is_urgent: bool,
}

/// Logs remembered.
const MAX_LOGS: usize = 1 << 14;
/// Fewer small runs are not worth a look of their own.
const FEW: usize = 8;
/// A log nobody wrote to for so long is calm (for twice as long at most).
const CALM: Duration = Duration::from_secs(1);
/// Batches of writes that may pass before a log that is ready.
const PATIENCE: u32 = 64;
/// A lane that has written nothing for so long is at rest. Callers who append again as soon as they are
/// answered leave it shorter pauses, and would wait for whatever is begun in one.
const REST: Duration = Duration::from_millis(5);

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
        gathered.is_urgent |= is_new && run.first() > 1;
        let is_due = gathered.size.is_full() || gathered.is_urgent;
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
            match gathered.is_urgent {
                true => self.ready.push_front(log),
                false => self.ready.push_back(log),
            }
        }
    }

    /// When [`Chores::settle`] wants to be called, and a lane with nothing to write is at rest.
    pub(super) fn deadline(&self, has_time: bool) -> Option<Tick> {
        let rest = (has_time && !self.ready.is_empty()).then(|| self.wrote_at + REST);
        self.calm_at.into_iter().chain(rest).min()
    }

    /// Notes that a batch is begun.
    pub(super) fn wrote(&mut self, now: Tick) {
        self.wrote_at = now;
    }

    /// What to do next, if the lane is at rest or it is urgent.
    pub(super) fn next_at_rest(&mut self, now: Tick) -> Option<Chore> {
        let first = self.ready.front().and_then(|log| self.logs.get(log));
        let is_urgent = first.is_some_and(|gathered| gathered.is_urgent);
        if is_urgent || now >= self.wrote_at + REST { self.next() } else { None }
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

#[cfg(test)]
mod tests {
    use gossip_proto::{ChainHash, Payload, RunBuilder, Stamp};

    use super::*;

    /// A run of one short entry.
    fn single(log: u16, sequence: Seq) -> Run {
        let mut id = [0; 16];
        id[..2].copy_from_slice(&log.to_be_bytes());
        let mut builder = RunBuilder::new(LogId(id), sequence, ChainHash([0; 32]));
        builder.push(Stamp::new(sequence, 0), &Payload::Present("x".into())).expect("fits");
        builder.finish(None).expect("not empty").0
    }

    fn noted(runs: impl IntoIterator<Item = Run>) -> Chores {
        let mut chores = Chores::new(true);
        runs.into_iter().for_each(|run| chores.note_run(&run));
        chores
    }

    #[test]
    fn a_log_is_ready_when_it_has_a_full_run_together() {
        let mut chores = noted((1..=255).map(|n| single(1, n)));
        assert_eq!(chores.next(), None);
        chores.note_run(&single(1, 256));
        let chore = chores.next().expect("ready");
        assert_eq!((chore.from, chore.last), (1, 256));
        assert_eq!(chores.next(), None, "once");
        chores.done(chore, Some(200));
        assert_eq!(chores.next().map(|chore| (chore.from, chore.last)), Some((200, 256)), "it goes on");
    }

    #[test]
    fn a_few_wait_until_their_log_is_calm() {
        let mut chores = noted((1..=8).map(|n| single(1, n)));
        chores.settle(Tick(0));
        let first = chores.deadline(false).expect("to be looked at");
        chores.settle(first);
        chores.note_run(&single(1, 9));
        assert_eq!(chores.next(), None, "seen once");
        let second = chores.deadline(false).expect("again");
        chores.settle(second);
        assert_eq!(chores.next(), None, "it was written to meanwhile");
        chores.settle(chores.deadline(false).expect("again"));
        assert_eq!(chores.next().map(|chore| (chore.from, chore.last)), Some((1, 9)));
        chores.settle(Tick(u64::MAX));
        assert_eq!(chores.deadline(false), None, "nothing is left to wait for");
    }

    #[test]
    fn the_first_entry_since_the_start_is_reason_to_look_back() {
        let mut chores = noted([single(1, 300), single(2, 1)]);
        assert_eq!(chores.next().map(|chore| (chore.from, chore.last)), Some((44, 300)));
        assert_eq!(chores.next(), None, "nothing comes before the beginning of a log");
    }

    #[test]
    fn writes_pass_before_it_for_a_while_only() {
        let mut chores = noted([single(1, 300)]);
        let passed = (0..1000).take_while(|_| !chores.lost_patience()).count();
        assert_eq!(passed as u32, PATIENCE);
        assert!(chores.next().is_some());
        assert!((0..1000).all(|_| !chores.lost_patience()), "nothing waits");
    }

    #[test]
    fn nothing_is_begun_in_the_short_pauses_between_writes() {
        let mut chores = noted((1..=256).map(|n| single(1, n)));
        chores.wrote(Tick(1000));
        let rest = chores.deadline(true).expect("something is ready");
        assert!(rest > Tick(1000));
        assert_eq!(chores.deadline(false), None, "a lane at work asks when it has ended");
        assert_eq!(chores.next_at_rest(Tick(rest.0 - 1)), None);
        assert!(chores.next_at_rest(rest).is_some());
        assert_eq!(chores.deadline(true), None);
        chores.wrote(rest);
        chores.note_run(&single(2, 300));
        assert!(chores.next_at_rest(rest).is_some(), "what an earlier start left is not put off");
    }

    #[test]
    fn memory_is_bounded() {
        let mut chores = Chores::new(true);
        for log in 0..MAX_LOGS as u16 + 500 {
            (1..=8).for_each(|sequence| chores.note_run(&single(log, sequence)));
        }
        assert_eq!(chores.logs.len(), MAX_LOGS);
        assert!(chores.stirred.len() <= MAX_LOGS && chores.ready.len() <= MAX_LOGS);
    }
}
