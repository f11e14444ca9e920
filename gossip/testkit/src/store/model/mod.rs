//! Random histories against a model that is too simple to be wrong.

mod log;

use std::sync::Arc;

use gossip_core::Store;
use gossip_proto::{Arrival, Fault, LogId, Rng, Scope, Seq, SeqRange, StoredRun};

use self::log::Log;
use super::expect::{PLENTY, commit, entries, head, numbered, read_all, refuses};
use super::{Cannot, StoreHarness};
use crate::fixture::stored;

const SEEDS: u64 = 8;
const STEPS: u64 = 60;
const PLACES: [(&str, &str, &str); 5] =
    [("a", "bc", "ann"), ("ab", "c", "ann"), ("a", "b", "bob"), ("a", "b", "ann"), ("b", "b", "zoe")];

/// Random commits, repeats, bad batches, adoptions, fills, prunes, joins, erasures, ends, removals and
/// reopenings leave the store as a simple model says.
pub async fn random_histories_match_a_simple_model<H: StoreHarness>(_: H) {
    for seed in 0..SEEDS {
        let mut trial = Trial::<H>::begin(seed).await;
        for _ in 0..STEPS {
            trial.step().await;
            trial.check().await;
        }
    }
}

/// The same with runs damaged, isolated and filled again in between.
pub async fn random_damage_matches_the_model_too<H: StoreHarness>(_: H) -> Result<(), Cannot> {
    for seed in SEEDS..2 * SEEDS {
        let mut trial = Trial::<H>::begin(seed).await;
        for _ in 0..STEPS {
            trial.step().await;
            if trial.rng.chance(150) {
                trial.damage().await?;
            }
            trial.check().await;
        }
    }
    Ok(())
}

struct Trial<H> {
    place: H,
    store: Option<Arc<dyn Store>>,
    rng: Rng,
    logs: Vec<Log>,
    order: Vec<(u64, LogId, Seq)>,
    last: u64,
}

impl<H: StoreHarness> Trial<H> {
    async fn begin(seed: u64) -> Self {
        #[allow(clippy::print_stdout, reason = "shown only when the law fails")]
        {
            println!("store model: seed {seed}");
        }
        let place = H::create();
        let store = Some(place.open().await);
        let logs = PLACES.into_iter().map(|place| Log::new(place, 1)).collect();
        Self { place, store, rng: Rng::new(seed), logs, order: vec![], last: 0 }
    }

    async fn step(&mut self) {
        let index = self.rng.below(self.logs.len() as u64) as usize;
        match self.rng.below(30) {
            0..=8 => self.write().await,
            9 => self.repeat(index).await,
            10 | 11 => self.leave_a_hole(index).await,
            12..=14 => self.adopt(index).await,
            15..=18 => self.fill(index).await,
            19 => self.fill_wrongly(index).await,
            20..=22 => self.prune(index).await,
            23 | 24 => self.join(index).await,
            25 => self.erase(index).await,
            26 => self.remove(index).await,
            27 | 28 => self.turn(index).await,
            _ => self.reopen(None).await.expect("nothing to damage"),
        }
    }

    fn store(&self) -> &dyn Store {
        self.store.as_deref().expect("it is open")
    }

    /// Lets a range of a log arrive; the number its first new entry gets.
    fn number(&mut self, index: usize, range: SeqRange) -> Option<u64> {
        let (log, last) = (self.logs[index].writer.id(), self.last);
        for sequence in self.logs[index].arrive(range) {
            self.last += 1;
            self.order.push((self.last, log, sequence));
        }
        (self.last > last).then_some(last + 1)
    }

    async fn write(&mut self) {
        let (mut batch, mut expected) = (Vec::new(), Vec::new());
        for _ in 0..=self.rng.below(3) {
            let index = self.rng.below(self.logs.len() as u64) as usize;
            let count = (1 + self.rng.below(5)).min(self.logs[index].room());
            if count == 0 {
                continue;
            }
            let item = self.logs[index].write(count);
            self.logs[index].hold(&stored(&item));
            self.logs[index].history.push(item.clone());
            expected.push(self.number(index, stored(&item).run.range()));
            batch.push(item);
        }
        let committed = commit(self.store(), &batch).await;
        let arrivals: Vec<_> = committed.arrivals.iter().map(|at| at.map(|at| at.0)).collect();
        assert_eq!(arrivals, expected);
    }

    /// Runs once committed are known; fills below the floor and in gaps may fill again, so they
    /// are left out.
    async fn repeat(&mut self, index: usize) {
        let committed = commit(self.store(), &self.logs[index].history).await;
        assert!(committed.arrivals.iter().all(Option::is_none));
    }

    async fn leave_a_hole(&mut self, index: usize) {
        let mut ahead = self.logs[index].writer.clone();
        let (next, hole) = (ahead.run(1), (ahead.run(1), ahead.run(1)).1);
        refuses(self.store(), &[next, hole]).await;
    }

    async fn adopt(&mut self, index: usize) {
        let count = (1 + self.rng.below(6)).min(self.logs[index].room());
        if count == 0 {
            return;
        }
        let log = &mut self.logs[index];
        let missed = stored(&log.write(count)).run.range();
        log.miss(missed);
        let adopt = log.writer.adopt();
        commit(self.store(), &[adopt]).await;
    }

    async fn fill(&mut self, index: usize) {
        let holes = self.logs[index].holes();
        let Some(hole) = pick(&mut self.rng, &holes).copied() else { return };
        let count = 1 + self.rng.below(hole.count().min(5));
        let hollow = self.rng.chance(300);
        let item = self.logs[index].upper_end(hole, count, hollow);
        self.logs[index].fill(hole, &stored(&item));
        let expected = self.number(index, stored(&item).run.range());
        let committed = commit(self.store(), &[item]).await;
        assert_eq!(committed.arrivals[0].map(|at| at.0), expected);
    }

    /// The lower end of a hole, or a run that reaches out of it, is refused.
    async fn fill_wrongly(&mut self, index: usize) {
        let log = &self.logs[index];
        for hole in log.holes() {
            let lower = SeqRange { last: hole.last - 1, ..hole };
            if lower.count() > 0 {
                refuses(self.store(), &[log.upper_end(lower, 1, false)]).await;
            }
            if hole.last < log.writer.height() {
                let beyond = SeqRange { last: hole.last + 1, ..hole };
                refuses(self.store(), &[log.upper_end(beyond, 2, false)]).await;
            }
        }
    }

    async fn prune(&mut self, index: usize) {
        let asked = self.rng.below(self.logs[index].writer.height() + 3);
        let log = &mut self.logs[index];
        let capped = asked.min(log.writer.height());
        let gap = log.gaps.iter().find(|gap| gap.contains(capped));
        let floor = gap.map_or(capped, |gap| gap.last);
        let before = log.held.len();
        if floor > log.floor {
            log.raise(floor);
        }
        let (id, freed) = (log.writer.id(), before - log.held.len());
        let pruned = self.store().prune(&[(id, asked)]).await.unwrap();
        assert_eq!(pruned.entries, freed as u64);
    }

    async fn join(&mut self, index: usize) {
        let log = self.logs[index].writer.id();
        let runs = read_all(self.store(), log).await;
        let pick = self.rng.below(runs.len() as u64) as usize;
        let Some(few) = runs.get(pick..runs.len().min(pick + 4)) else { return };
        let Some(joined) = (1..=few.len()).rev().find_map(|n| StoredRun::join(&few[..n])) else { return };
        self.store().replace(&[joined]).await.unwrap();
    }

    async fn erase(&mut self, index: usize) {
        let log = self.logs[index].writer.id();
        let runs = read_all(self.store(), log).await;
        let Some(run) = pick(&mut self.rng, &runs) else { return };
        let hollow = run.hollowed(|entry| entry.sequence % 3 == 0).unwrap();
        self.logs[index].hold(&hollow);
        self.store().replace(&[hollow]).await.unwrap();
    }

    /// Ends a log, inside what it holds or a little above; what would go on beyond is refused.
    async fn turn(&mut self, index: usize) {
        let log = &self.logs[index];
        let above = log.writer.height() - log.floor;
        let turn = log.turn_at(log.floor + 1 + self.rng.below(above + 4));
        let id = log.writer.name().clone();
        if log.turn.is_some_and(|end| end.at <= turn.at) {
            let known = self.store().turn(&id, &turn).await;
            return assert_eq!(known.is_ok(), log.turn == Some(turn));
        }
        self.store().turn(&id, &turn).await.unwrap();
        self.logs[index].end(turn);
        let log = &self.logs[index];
        let beyond = log.writer.clone().run(log.room() + 1);
        refuses(self.store(), &[beyond]).await;
    }

    async fn remove(&mut self, index: usize) {
        let log = &self.logs[index];
        let removed = self.store().remove(&Scope::Log(log.writer.id())).await.unwrap();
        assert_eq!(removed.entries, log.held.len() as u64);
        assert_eq!(removed.logs, u64::from(log.is_known()));
        self.order.retain(|(_, of, _)| *of != log.writer.id());
        self.logs[index] = Log::new(PLACES[index], log.generation + 1);
    }

    /// Drops the store and opens it again; in between its place may be spoiled.
    async fn reopen(&mut self, spoil: Option<(LogId, Seq)>) -> Result<(), Cannot> {
        self.store = None;
        if let Some((log, at)) = spoil {
            self.place.damage(log, at).await?;
        }
        self.store = Some(self.place.open().await);
        Ok(())
    }

    /// Damages a run, sees it told, isolates it and checks that exactly it became a gap.
    async fn damage(&mut self) -> Result<(), Cannot> {
        let index = self.rng.below(self.logs.len() as u64) as usize;
        let log = self.logs[index].writer.id();
        let runs = read_all(self.store(), log).await;
        let Some(run) = pick(&mut self.rng, &runs) else { return Ok(()) };
        let range = run.run.range();
        self.reopen(Some((log, range.last))).await?;
        let error = self.store().read(log, range.first, 1).await.expect_err("damaged");
        assert_eq!(error.fault, Fault::Corrupt);
        let page = self.store().arrivals(&Scope::Log(log), Arrival(0), PLENTY).await.unwrap();
        assert!(page.items.iter().any(|row| row.damaged.is_some_and(|at| range.contains(at))));
        let gap = self.store().isolate(log, range.first).await.unwrap().expect("damaged");
        assert_eq!((gap.overlap(&range), self.logs[index].overlaps(gap)), (Some(range), range.count()));
        self.logs[index].lose(range);
        Ok(())
    }

    async fn check(&self) {
        let (store, mut bytes) = (self.store(), 0);
        for log in self.logs.iter().filter(|log| log.is_known()) {
            let head = head(store, log.writer.id()).await;
            assert_eq!(head.turn, log.turn);
            assert_eq!((head.height, head.hash), (log.writer.height(), log.writer.hash()));
            assert_eq!((head.floor, &head.gaps), (log.floor, &log.gaps));
            let mut missed: Vec<_> = head.missed.iter().flat_map(|range| range.first..=range.last).collect();
            missed.sort_unstable();
            assert_eq!(missed, log.missed());
            let held: Vec<_> = log.held.values().cloned().collect();
            assert_eq!(entries(store, log.writer.id()).await, held);
            log.check_hashes(store, &head).await;
            let runs = read_all(store, log.writer.id()).await;
            bytes += runs.iter().map(|stored| stored.run.encoded().len() as u64).sum::<u64>();
        }
        let held: usize = self.logs.iter().map(|log| log.held.len()).sum();
        let usage = store.usage(&Scope::All).await.unwrap();
        assert_eq!((usage.entries, usage.bytes), (held as u64, bytes));
        assert_eq!(numbered(store, &Scope::All, 0).await, self.order);
        assert_eq!(store.last_arrival().await.unwrap().0, self.last);
    }
}

fn pick<'a, T>(rng: &mut Rng, from: &'a [T]) -> Option<&'a T> {
    from.get(rng.below(from.len().max(1) as u64) as usize)
}
