//! What to do next, from what the store says it holds.

use gossip::proto::{LogHead, Rng, Scope, Seq, SeqRange};
use gossip::{Store, StoreResult};

use super::chain::{Chain, LOGS};
use super::op::{NewRun, Op, Step};

/// Entries of one run, at most.
const RUN: u64 = 40;

/// Plans for one task.
pub(crate) struct Planner<'a> {
    pub(crate) store: &'a dyn Store,
    pub(crate) chains: &'a mut [Chain],
    pub(crate) rng: &'a mut Rng,
}

impl Planner<'_> {
    /// An operation the store must accept.
    pub(crate) async fn next(&mut self) -> StoreResult<Op> {
        let log = self.rng.below(LOGS as u64) as usize;
        let head = self.head(log).await?;
        let planned = match self.rng.below(100) {
            0..7 => self.skip(log, &head),
            7..20 => self.fill(log, &head),
            20..40 => self.replace(log, &head).await?,
            40..48 => Some(self.prune(log, &head)),
            48..52 => Some(Op::Isolate { log, at: 1 + self.rng.below(head.height + 2) }),
            52..54 => Some(Op::Remove(self.rng.chance(700).then_some(log))),
            54..57 => Some(Op::Note(self.rng.next_u64())),
            57..60 => self.turn(log, &head),
            60..64 if head.height >= end_of(&head) => Some(Op::Remove(Some(log))),
            _ => None,
        };
        match planned {
            Some(op) => Ok(op),
            None => self.append().await,
        }
    }

    async fn head(&self, log: usize) -> StoreResult<LogHead> {
        let chain = &self.chains[log];
        let page = self.store.heads(&Scope::Log(chain.id), None, 1).await?;
        Ok(page.items.into_iter().next().unwrap_or_else(|| LogHead::empty((*chain.name).clone())))
    }

    /// Several runs of several logs: all of it or nothing. Where all logs have ended they begin anew.
    async fn append(&mut self) -> StoreResult<Op> {
        let mut steps = Vec::new();
        for log in 0..LOGS {
            if steps.is_empty() || self.rng.chance(400) {
                let head = self.head(log).await?;
                let (mut height, end) = (head.height, end_of(&head));
                for _ in 0..=self.rng.below(2) {
                    if height < end {
                        let mut range = self.upwards(log, height + 1);
                        range.last = range.last.min(end);
                        steps.push(Step::Run(log, range));
                        height = range.last;
                    }
                }
            }
        }
        Ok(if steps.is_empty() { Op::Remove(None) } else { Op::Commit(steps) })
    }

    /// Goes on above a hole.
    fn skip(&mut self, log: usize, head: &LogHead) -> Option<Op> {
        let floor = head.height + 1 + self.rng.below(2 * RUN);
        let run = self.upwards(log, floor + 1);
        (run.last <= end_of(head)).then(|| Op::Commit(vec![Step::Adopt(log, floor), Step::Run(log, run)]))
    }

    /// Ends a log inside what is held, or before what is to come.
    fn turn(&mut self, log: usize, head: &LogHead) -> Option<Op> {
        let above = head.height - head.floor;
        let at = head.floor + 1 + self.rng.below(above + RUN);
        (at <= end_of(head)).then_some(Op::Turn { log, at, reached: at <= head.height })
    }

    /// Fills the upper end of a hole.
    fn fill(&mut self, log: usize, head: &LogHead) -> Option<Op> {
        let below = SeqRange { first: 1, last: head.floor };
        let holes: Vec<_> =
            head.gaps.iter().copied().chain([below]).filter(|hole| hole.count() > 0).collect();
        let hole = *holes.get(self.rng.below(holes.len().max(1) as u64) as usize)?;
        let mut range = SeqRange { first: hole.last.saturating_sub(self.rng.below(RUN)), last: hole.last };
        range.first = range.first.max(hole.first);
        while self.chains[log].run(range, &[]).is_none() {
            range.first += range.count() / 2;
        }
        Some(Op::Commit(vec![Step::Fill(log, range)]))
    }

    /// Joins neighbours or takes payloads away, often in two logs: in both or in none.
    async fn replace(&mut self, log: usize, head: &LogHead) -> StoreResult<Option<Op>> {
        let mut new: Vec<_> = self.new_run(log, head).await?.into_iter().collect();
        if self.rng.chance(500) {
            let other = (log + 1) % LOGS;
            let head = self.head(other).await?;
            new.extend(self.new_run(other, &head).await?);
        }
        Ok((!new.is_empty()).then_some(Op::Replace(new)))
    }

    async fn new_run(&mut self, log: usize, head: &LogHead) -> StoreResult<Option<NewRun>> {
        let from = head.floor + 1 + self.rng.below((head.height - head.floor).max(1));
        let runs = self.store.read(self.chains[log].id, from, 20_000).await?;
        let Some(mut range) = runs.first().map(|stored| stored.run.range()) else { return Ok(None) };
        for stored in &runs[1..] {
            let joined = SeqRange { last: stored.run.last(), ..range };
            let follows = stored.run.first() == range.last + 1;
            if !follows || self.chains[log].run(joined, &[]).is_none() {
                break;
            }
            range = joined;
        }
        let hollow = match self.rng.chance(300) {
            true => vec![range.first + self.rng.below(range.count())],
            false => Vec::new(),
        };
        // What one run held before may have been hollow, and be too long for one run again.
        let fits = self.chains[log].run(range, &hollow).is_some();
        Ok(fits.then_some(NewRun { log, range, hollow }))
    }

    fn prune(&mut self, log: usize, head: &LogHead) -> Op {
        let mut floors = vec![(log, self.rng.below(head.height + 2))];
        if self.rng.chance(300) {
            floors.push(((log + 1) % LOGS, self.rng.below(60)));
        }
        Op::Prune(floors)
    }

    /// A range that fits one run and begins at `first`.
    fn upwards(&mut self, log: usize, first: Seq) -> SeqRange {
        let most = if self.rng.chance(500) { 3 } else { RUN };
        let mut range = SeqRange { first, last: first + self.rng.below(most) };
        while self.chains[log].run(range, &[]).is_none() {
            range.last -= range.count() / 2;
        }
        range
    }
}

/// The last sequence a log may reach.
fn end_of(head: &LogHead) -> Seq {
    head.turn.map_or(Seq::MAX, |turn| turn.at - 1)
}
