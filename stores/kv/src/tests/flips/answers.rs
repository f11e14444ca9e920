//! What a store may say after one bit of it was flipped.

use std::collections::BTreeSet;
use std::fmt::Debug;

use bytes::Bytes;
use gossip_core::proto::{Arrival, ChannelId, Fault, LogId, Meta, Page, Rng, Scope, Seq};
use gossip_core::{
    ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository, StoreResult,
};

use super::super::engine::Tiny;
use super::world::{SNAPSHOTS, World, channels, peers, save_records, streams};

use crate::{KvStore, Table, keys, notes};

/// A store of which one row is not what it was.
pub(super) struct Flipped<'w> {
    pub(super) world: &'w World,
    pub(super) store: KvStore<Tiny>,
    pub(super) table: Table,
    pub(super) key: Vec<u8>,
}

/// The answer, or that it is damaged, which only the flipped row can be the reason for.
fn told<T: Debug>(answer: StoreResult<T>, may_fail: bool) -> Option<T> {
    match answer {
        Ok(answer) => Some(answer),
        Err(error) => {
            assert!(may_fail && error.fault == Fault::Corrupt, "{error:?}");
            None
        }
    }
}

impl Flipped<'_> {
    /// Asks for everything, repairs what can be, and goes on writing.
    pub(super) async fn check(&self, rng: &mut Rng) {
        self.check_numbers().await;
        self.check_heads().await;
        self.check_runs().await;
        self.check_order(rng.below(self.world.last + 1), &[], rng).await;
        self.check_records().await;
        self.check_node().await;
        let lost = self.isolate().await;
        self.check_order(0, &lost, rng).await;
        self.go_on(rng).await;
    }

    fn is_of(&self, tables: &[Table], log: LogId) -> bool {
        let key_names = match self.table {
            Table::Runs => self.key.starts_with(&log.0),
            _ => keys::log(&self.key) == log,
        };
        tables.contains(&self.table) && key_names
    }

    async fn check_numbers(&self) {
        let last = self.store.last_arrival().await.unwrap().0;
        assert_eq!(last, self.world.last, "told by the rows, or by what was noted when some were removed");
        assert_eq!(self.store.incarnation().await.unwrap(), self.world.incarnation);
    }

    async fn check_heads(&self) {
        for (scope, truth) in self.world.scopes.iter().zip(&self.world.usage) {
            let mut wanted = self.world.heads.clone();
            wanted.retain(|head| {
                let readable = !self.is_of(&[Table::Names, Table::Heads], head.name.id());
                readable && self.world.lies(head.name.id(), scope)
            });
            for limit in [1, usize::MAX] {
                let (mut found, mut after) = (Vec::new(), None);
                loop {
                    let page = self.store.heads(scope, after, limit).await.unwrap();
                    found.extend(page.items);
                    after = page.next;
                    if after.is_none() {
                        break;
                    }
                }
                assert_eq!(found, wanted, "{scope:?}");
            }
            let usage = self.store.usage(scope).await.unwrap();
            assert!(usage == *truth || self.table == Table::Heads, "{scope:?}");
        }
    }

    async fn check_runs(&self) {
        for (log, truth) in &self.world.runs {
            let damaged = self.is_of(&[Table::Runs], *log);
            let Some(runs) = told(self.store.read(*log, 1, usize::MAX).await, damaged) else { continue };
            assert!(truth.starts_with(&runs) && (damaged || runs.len() == truth.len()), "{log}");
            for stored in truth {
                let end = stored.run.hashes(stored.prev).last().unwrap();
                let unknown = damaged || self.is_of(&[Table::Names, Table::Heads], *log);
                match self.store.hash_at(*log, &[stored.run.last()]).await {
                    Ok(found) => assert_eq!(found, [end]),
                    Err(error) => assert!(unknown, "{error:?}"),
                }
            }
        }
    }

    /// Reads on from a number in every scope: what is behind it and not known to be lost comes or is told.
    pub(super) async fn check_order(&self, after: u64, lost: &[(LogId, Seq)], rng: &mut Rng) {
        for scope in &self.world.scopes {
            let budget = [1, 300, usize::MAX][rng.below(3) as usize];
            let nameless = matches!(scope, Scope::Log(log) if self.is_of(&[Table::Names], *log));
            let Some(seen) = self.delivered(scope, after, budget, nameless).await else { continue };
            let behind = self.world.order.range(after + 1..);
            for (number, entry) in behind.filter(|(_, (log, _))| self.world.lies(*log, scope)) {
                let there = seen.contains(entry) || lost.contains(entry);
                assert!(there, "{scope:?}: {entry:?} with number {number} was passed over");
            }
        }
    }

    /// Which entries were delivered or told to be damaged.
    async fn delivered(
        &self,
        scope: &Scope,
        after: u64,
        budget: usize,
        may_fail: bool,
    ) -> Option<BTreeSet<(LogId, Seq)>> {
        let (mut seen, mut from, mut newest) = (BTreeSet::new(), Arrival(after), after);
        loop {
            let page = told(self.store.arrivals(scope, from, budget).await, may_fail)?;
            for row in page.items {
                assert!(row.arrival.0 > newest, "in order, and nothing twice");
                newest = row.arrival.0 + (row.range.count() - 1);
                for entry in row.runs.iter().flat_map(|stored| stored.run.entries()) {
                    let (at, sequence) = ((row.log, entry.sequence), entry.sequence);
                    if !row.range.contains(sequence) {
                        continue;
                    }
                    if let Some(truth) = self.world.entries.get(&at) {
                        assert_eq!(entry, *truth);
                        let number = row.arrival.0 + (sequence - row.range.first);
                        let own = self.world.order.get(&number) == Some(&at);
                        let lost = matches!(self.table, Table::Arrivals | Table::Heads);
                        let again = lost && number > self.world.last;
                        assert!(own || again, "{at:?} has number {number}");
                    }
                    seen.insert(at);
                }
                let missed = self.world.heads.iter().filter(|head| head.name.id() == row.log);
                let missed = missed.flat_map(|head| &head.missed).find_map(|range| range.overlap(&row.range));
                assert!(missed.is_none() || self.table == Table::Heads, "{missed:?} never arrived");
                let damaged = row.damaged.filter(|_| self.is_of(&[Table::Runs], row.log));
                assert_eq!(damaged, row.damaged, "nothing else is damaged");
                seen.extend(damaged.into_iter().flat_map(|at| at..=row.range.last).map(|at| (row.log, at)));
            }
            let Some(next) = page.next else { return Some(seen) };
            assert!(next > from, "it advances");
            from = next;
        }
    }

    async fn check_records(&self) {
        let (store, channel) = (&self.store, ChannelId::new("c").unwrap());
        for limit in [1, usize::MAX] {
            let page = async |after: Option<ChannelId>| store.channels(after.as_ref(), limit).await;
            self.listed(Table::Channels, channels(), page).await;
            let page = async |after: Option<_>| store.streams(&channel, after.as_ref(), limit).await;
            self.listed(Table::Streams, streams(), page).await;
            let page = async |after: Option<_>| store.peers(after.as_ref(), limit).await;
            self.listed(Table::Peers, peers(), page).await;
        }
        for (key, value) in SNAPSHOTS {
            let damaged = self.table == Table::Snapshots && self.key == key.as_bytes();
            if let Some(found) = told(store.load_snapshot(key).await, damaged) {
                assert_eq!(found, Some(Bytes::from_static(value.as_bytes())));
            }
        }
        if !matches!(self.table, Table::Meta) {
            // Saved again it is whole.
            save_records(store).await;
            assert_eq!(store.channels(None, 9).await.unwrap().items, channels());
            assert_eq!(store.streams(&channel, None, 9).await.unwrap().items, streams());
            assert_eq!(store.peers(None, 9).await.unwrap().items, peers());
            assert!(store.load_snapshot("view").await.unwrap().is_some());
        }
    }

    /// Goes through a listing: all of it, or what is before the damage and then the damage.
    async fn listed<T: PartialEq + Debug, K: Debug>(
        &self,
        table: Table,
        truth: Vec<T>,
        page: impl AsyncFn(Option<K>) -> StoreResult<Page<T, K>>,
    ) {
        let (mut found, mut after) = (Vec::new(), None);
        while let Some(page) = told(page(after.take()).await, self.table == table) {
            found.extend(page.items);
            let Some(next) = page.next else {
                assert!(found == truth && self.table != table, "{table:?}: {found:?}");
                return;
            };
            after = Some(next);
        }
        assert!(truth.starts_with(&found) && found.len() < truth.len(), "{table:?}: {found:?}");
    }

    async fn check_node(&self) {
        let note = |key: &[u8]| self.table == Table::Meta && self.key == key;
        if let Some(node) = told(self.store.load_node().await, note(notes::NODE)) {
            let (mut node, truth) = (node.expect("it was saved"), &self.world.node);
            // What it wrote itself.
            let own =
                self.world.entries.range((self.world.logs[0].id(), 0)..=(self.world.logs[0].id(), Seq::MAX));
            let newest = own.map(|(_, entry)| entry.stamp).max();
            if note(notes::NUMBERS) && Some(node.clock) >= newest && node.clock <= truth.clock {
                node.clock = truth.clock;
            }
            assert_eq!(node, *truth);
        }
        let was_open = self.store.mark_open().await.unwrap();
        assert_eq!(was_open, self.world.open || note(notes::OPEN), "in doubt it was");
    }

    /// Makes a gap of a damaged run: then nothing is damaged any more. Returns what it held.
    async fn isolate(&self) -> Vec<(LogId, Seq)> {
        if self.table != Table::Runs {
            return Vec::new();
        }
        let (log, at) = (LogId(*self.key.first_chunk().unwrap()), keys::number(&self.key));
        let gap = self.store.isolate(log, at).await.unwrap().expect("damaged");
        let run = self.world.runs[&log].iter().find(|stored| stored.run.last() == at).expect("one of ours");
        let held = (gap.first..=gap.last).filter(|at| self.world.entries.contains_key(&(log, *at)));
        assert!(held.eq(run.run.first()..=run.run.last()), "{gap:?}: that run, and gaps beside it");
        let held = self.world.runs[&log].len();
        assert_eq!(self.store.read(log, 1, usize::MAX).await.unwrap().len(), held - 1);
        let rows = self.store.arrivals(&Scope::Log(log), Arrival(0), usize::MAX).await.unwrap().items;
        assert!(rows.iter().all(|row| row.damaged.is_none()));
        (gap.first..=gap.last).map(|at| (log, at)).collect()
    }

    /// New entries get new numbers, and whoever has read to the end sees them.
    async fn go_on(&self, rng: &mut Rng) {
        for mut log in self.world.logs.clone() {
            let before = self.store.last_arrival().await.unwrap();
            let anew = self.is_of(&[Table::Heads], log.id());
            if anew {
                let (channel, stream) = (log.name().channel.as_str(), log.name().stream.as_str());
                log = gossip_testkit::fixture::LogWriter::new(channel, stream, log.name().author.as_str());
            }
            let item = log.run(1 + rng.below(2));
            let committed = self.store.commit(std::slice::from_ref(&item), &Meta::default()).await.unwrap();
            assert_eq!(committed.arrivals, [Some(Arrival(before.0 + 1))]);
            let seen = self.delivered(&log.stream(), before.0, usize::MAX, false).await.unwrap();
            assert!(seen.contains(&(log.id(), log.height())));
            let heads = self.store.heads(&log.stream(), None, usize::MAX).await.unwrap().items;
            let head = heads.iter().find(|head| head.name.id() == log.id()).expect("listed, with its name");
            assert_eq!(head.height, log.height());
        }
    }
}
