//! Random histories against a model that is too simple to be wrong.

use std::collections::BTreeMap;

use gossip_core::Store;
use gossip_proto::{CommitItem, LogId, Rng, RunEntry, Scope, Seq, SeqRange};

use super::StoreHarness;
use super::expect::{commit, entries, head, read_all, refuses, short_rows};
use crate::fixture::{LogWriter, stored};

const SEEDS: u64 = 6;
const STEPS: u64 = 50;

/// Random commits, repeats, bad batches, adoptions, prunes, joins, removals and reopenings leave
/// the store as a simple model says.
pub async fn random_histories_match_a_simple_model<H: StoreHarness>(_: H) {
    for seed in 0..SEEDS {
        #[allow(clippy::print_stdout, reason = "shown only when the law fails")]
        {
            println!("store model: seed {seed}");
        }
        let place = H::create();
        let mut store = place.open().await;
        let mut model = Model::new(seed);
        for _ in 0..STEPS {
            if model.rng.chance(60) {
                drop(store);
                store = place.open().await;
            }
            model.step(&*store).await;
            model.check(&*store).await;
        }
    }
}

/// One log as the model sees it.
struct Log {
    writer: LogWriter,
    history: Vec<CommitItem>,
    held: BTreeMap<Seq, RunEntry>,
    floor: Seq,
    gaps: Vec<SeqRange>,
    generation: u16,
}

struct Model {
    rng: Rng,
    logs: Vec<Log>,
    rows: Vec<(u64, LogId, Seq, Seq)>,
    last: u64,
}

const PLACES: [(&str, &str, &str); 5] =
    [("a", "bc", "ann"), ("ab", "c", "ann"), ("a", "b", "bob"), ("a", "b", "ann"), ("b", "b", "zoe")];

impl Log {
    fn new((channel, stream, author): (&str, &str, &str), generation: u16) -> Self {
        let writer = LogWriter::in_epoch(channel, stream, author, generation);
        Self { writer, history: vec![], held: BTreeMap::new(), floor: 0, gaps: vec![], generation }
    }

    fn raise(&mut self, floor: Seq) {
        self.floor = floor;
        self.held.retain(|sequence, _| *sequence > floor);
        self.gaps.retain(|gap| gap.last > floor);
    }
}

impl Model {
    fn new(seed: u64) -> Self {
        let logs = PLACES.into_iter().map(|place| Log::new(place, 1)).collect();
        Self { rng: Rng::new(seed), logs, rows: vec![], last: 0 }
    }

    async fn step(&mut self, store: &dyn Store) {
        let index = self.rng.below(self.logs.len() as u64) as usize;
        match self.rng.below(20) {
            0..=9 => self.write(store).await,
            10 | 11 => self.repeat(store, index).await,
            12 | 13 => self.leave_a_hole(store, index).await,
            14 => self.adopt(store, index).await,
            15 | 16 => self.prune(store, index).await,
            17 | 18 => self.join(store, index).await,
            _ => self.remove(store, index).await,
        }
    }

    async fn write(&mut self, store: &dyn Store) {
        let mut batch = Vec::new();
        let mut expected = Vec::new();
        for _ in 0..=self.rng.below(3) {
            let index = self.rng.below(self.logs.len() as u64) as usize;
            let count = 1 + self.rng.below(5);
            let log = &mut self.logs[index];
            let item = log.writer.run(count);
            let run = stored(&item).run;
            log.held.extend(run.entries().map(|entry| (entry.sequence, entry)));
            log.history.push(item.clone());
            self.rows.push((self.last + 1, log.writer.id(), run.first(), run.last()));
            expected.push(Some(self.last + 1));
            self.last += count;
            batch.push(item);
        }
        let committed = commit(store, &batch).await;
        let arrivals: Vec<_> = committed.arrivals.iter().map(|at| at.map(|at| at.0)).collect();
        assert_eq!(arrivals, expected);
    }

    async fn repeat(&mut self, store: &dyn Store, index: usize) {
        let committed = commit(store, &self.logs[index].history).await;
        assert!(committed.arrivals.iter().all(Option::is_none));
    }

    async fn leave_a_hole(&mut self, store: &dyn Store, index: usize) {
        let mut ahead = self.logs[index].writer.clone();
        let (next, hole) = (ahead.run(1), (ahead.run(1), ahead.run(1)).1);
        refuses(store, &[next, hole]).await;
    }

    async fn adopt(&mut self, store: &dyn Store, index: usize) {
        let missed = 1 + self.rng.below(4);
        let log = &mut self.logs[index];
        let height = log.writer.height();
        let _missed = log.writer.run(missed);
        let now = log.writer.height();
        match log.gaps.last_mut() {
            _ if log.floor == height => log.floor = now,
            Some(gap) if gap.last == height => gap.last = now,
            _ => log.gaps.push(SeqRange { first: height + 1, last: now }),
        }
        commit(store, &[log.writer.adopt()]).await;
    }

    async fn prune(&mut self, store: &dyn Store, index: usize) {
        let log = &mut self.logs[index];
        let asked = self.rng.below(log.writer.height() + 3);
        let capped = asked.min(log.writer.height());
        let gap = log.gaps.iter().find(|gap| gap.contains(capped));
        let floor = gap.map_or(capped, |gap| gap.last);
        let before = log.held.len();
        if floor > log.floor {
            log.raise(floor);
        }
        let pruned = store.prune(&[(log.writer.id(), asked)]).await.unwrap();
        assert_eq!(pruned.entries, (before - log.held.len()) as u64);
    }

    async fn join(&mut self, store: &dyn Store, index: usize) {
        let runs = read_all(store, self.logs[index].writer.id()).await;
        let pick = self.rng.below(runs.len() as u64) as usize;
        let Some([one, two]) = runs.get(pick..pick + 2) else { return };
        if let Some(joined) = one.join(two) {
            let range = joined.run.range();
            store.replace(self.logs[index].writer.id(), range, joined).await.unwrap();
        }
    }

    async fn remove(&mut self, store: &dyn Store, index: usize) {
        let id = self.logs[index].writer.id();
        let known = self.logs[index].writer.height() > 0;
        let removed = store.remove(&Scope::Log(id)).await.unwrap();
        assert_eq!(removed.entries, self.logs[index].held.len() as u64);
        assert_eq!(removed.logs, u64::from(known));
        self.rows.retain(|(_, log, ..)| *log != id);
        self.logs[index] = Log::new(PLACES[index], self.logs[index].generation + 1);
    }

    async fn check(&self, store: &dyn Store) {
        for log in self.logs.iter().filter(|log| log.writer.height() > 0) {
            let head = head(store, log.writer.id()).await;
            assert_eq!((head.height, head.hash), (log.writer.height(), log.writer.hash()));
            assert_eq!((head.floor, &head.gaps), (log.floor, &log.gaps));
            assert_eq!(store.hash_at(log.writer.id(), &[head.floor]).await.unwrap(), [head.floor_hash]);
            let held: Vec<_> = log.held.values().cloned().collect();
            assert_eq!(entries(store, log.writer.id()).await, held);
        }
        let held: usize = self.logs.iter().map(|log| log.held.len()).sum();
        let usage = store.usage(&Scope::All).await.unwrap();
        assert_eq!(usage.entries, held as u64);
        let bytes = self.bytes(store).await;
        assert_eq!(usage.bytes, bytes);
        assert_eq!(short_rows(store, &Scope::All, 0).await, self.rows);
        assert_eq!(store.last_arrival().await.unwrap().0, self.last);
    }

    async fn bytes(&self, store: &dyn Store) -> u64 {
        let mut sum = 0;
        for log in &self.logs {
            let runs = read_all(store, log.writer.id()).await;
            sum += runs.iter().map(|stored| stored.run.encoded().len() as u64).sum::<u64>();
        }
        sum
    }
}
