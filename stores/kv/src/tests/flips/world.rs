//! A store with something in every table, and what it says while it is sound.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use gossip_core::proto::{
    Arrival, ChannelId, ChannelRecord, CommitItem, Durability, LogHead, LogId, Meta, NodeId, NodeRecord,
    PeerRecord, Rng, RunEntry, Scope, Seq, Stamp, StoreIncarnation, StoredRun, StreamId, StreamRecord, Usage,
};
use gossip_core::{ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository};
use gossip_testkit::fixture::{LogWriter, filling};

use super::super::engine::{Ground, Tables, Tiny};
use crate::KvStore;

const PLACES: [(&str, &str, &str); 4] =
    [("c", "s", "ann"), ("c", "s", "bob"), ("c", "t", "cleo"), ("d", "s", "dora")];

pub(super) struct World {
    pub(super) rows: Tables,
    pub(super) logs: Vec<LogWriter>,
    pub(super) scopes: Vec<Scope>,
    pub(super) heads: Vec<LogHead>,
    pub(super) usage: Vec<Usage>,
    pub(super) runs: BTreeMap<LogId, Vec<StoredRun>>,
    /// What is held, by its arrival number.
    pub(super) order: BTreeMap<u64, (LogId, Seq)>,
    pub(super) entries: BTreeMap<(LogId, Seq), RunEntry>,
    pub(super) last: u64,
    pub(super) incarnation: StoreIncarnation,
    pub(super) open: bool,
    pub(super) node: NodeRecord,
}

impl World {
    pub(super) async fn new(seed: u64) -> Self {
        let (ground, mut rng) = (Arc::new(Ground::default()), Rng::new(seed ^ 0x5eed));
        let store = KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).unwrap();
        let mut logs: Vec<_> =
            PLACES.iter().map(|(channel, stream, author)| LogWriter::new(channel, stream, author)).collect();
        fill(&store, &mut logs, &mut rng).await;
        save_records(&store).await;
        let open = rng.chance(500);
        store.mark_open().await.unwrap();
        if !open {
            store.mark_closed().await.unwrap();
            store.load_node().await.unwrap();
        }
        let rows = ground.rows.lock().unwrap().clone();
        Self::told(&store, rows, logs, open).await
    }

    async fn told(store: &KvStore<Tiny>, rows: Tables, logs: Vec<LogWriter>, open: bool) -> Self {
        let mut scopes = vec![Scope::All, logs[0].stream(), logs[2].stream(), logs[3].stream()];
        scopes.extend(["c", "d"].map(|id| Scope::Channel(ChannelId::new(id).unwrap())));
        scopes.extend(logs.iter().map(|log| Scope::Log(log.id())));
        let (mut usage, mut runs, mut entries) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        for scope in &scopes {
            usage.push(store.usage(scope).await.unwrap());
        }
        for log in logs.iter().map(LogWriter::id) {
            let held = store.read(log, 1, usize::MAX).await.unwrap();
            for entry in held.iter().flat_map(|stored| stored.run.entries()) {
                entries.insert((log, entry.sequence), entry);
            }
            runs.insert(log, held);
        }
        let mut order = BTreeMap::new();
        for row in store.arrivals(&Scope::All, Arrival(0), usize::MAX).await.unwrap().items {
            for (number, sequence) in (row.arrival.0..).zip(row.range.first..=row.range.last) {
                if entries.contains_key(&(row.log, sequence)) {
                    order.insert(number, (row.log, sequence));
                }
            }
        }
        assert_eq!(order.len(), entries.len(), "each entry has one number");
        Self {
            heads: store.heads(&Scope::All, None, usize::MAX).await.unwrap().items,
            last: store.last_arrival().await.unwrap().0,
            incarnation: store.incarnation().await.unwrap(),
            node: store.load_node().await.unwrap().unwrap(),
            rows,
            logs,
            scopes,
            usage,
            runs,
            order,
            entries,
            open,
        }
    }

    /// Whether a log lies in a scope.
    pub(super) fn lies(&self, log: LogId, scope: &Scope) -> bool {
        let writer = self.logs.iter().find(|writer| writer.id() == log).expect("one of ours");
        match scope {
            Scope::All => true,
            Scope::Channel(channel) => writer.name().channel == *channel,
            Scope::Stream(..) => writer.stream() == *scope,
            Scope::Log(id) => log == *id,
        }
    }
}

/// Runs, holes, fills and prunes in random order; the newest numbers of all were of a log that is gone.
async fn fill(store: &KvStore<Tiny>, logs: &mut [LogWriter], rng: &mut Rng) {
    let mut missed: Vec<CommitItem> = Vec::new();
    for log in &mut *logs {
        let item = log.run(2);
        commit(store, log, item).await;
    }
    for _ in 0..24 {
        let log = &mut logs[rng.below(4) as usize];
        match rng.below(8) {
            0 => {
                missed.push(log.run(1 + rng.below(3)));
                commit(store, log, log.adopt()).await;
            }
            1 => {
                // Refused where the floor has passed it, or another hole joined it.
                let item = missed.pop().map(|item| filling(&item));
                let _ = store.commit(item.as_slice(), &Meta::default()).await;
            }
            2 => drop(store.prune(&[(log.id(), rng.below(log.height()))]).await.unwrap()),
            _ => {
                let item = log.run(1 + rng.below(4));
                commit(store, log, item).await;
            }
        }
    }
    let mut gone = LogWriter::new("c", "s", "eve");
    let item = gone.run(5);
    commit(store, &gone, item).await;
    store.remove(&Scope::Log(gone.id())).await.unwrap();
}

async fn commit(store: &KvStore<Tiny>, log: &LogWriter, item: CommitItem) {
    store.commit(&[item], &Meta { clock: LogWriter::stamp_at(log.height()) }).await.unwrap();
}

pub(super) fn channels() -> Vec<ChannelRecord> {
    let record = |id| ChannelRecord { id: ChannelId::new(id).unwrap(), members: [].into(), payload_limit: 9 };
    ["c", "d", "e"].map(record).into()
}

pub(super) fn streams() -> Vec<StreamRecord> {
    ["s", "t"].map(|id| StreamRecord::new(StreamId::new(id).unwrap())).into()
}

pub(super) fn peers() -> Vec<PeerRecord> {
    let peer = |id: &str| PeerRecord {
        id: NodeId::new(id).unwrap(),
        display_name: id.to_uppercase(),
        addresses: Vec::new(),
    };
    ["bob", "cleo"].map(peer).into()
}

pub(super) const SNAPSHOTS: [(&str, &str); 3] = [("view", "state"), ("cursor", ""), ("", "nothing")];

pub(super) async fn save_records(store: &KvStore<Tiny>) {
    for record in channels() {
        store.save_channel(&record).await.unwrap();
    }
    for record in streams() {
        store.save_stream(&ChannelId::new("c").unwrap(), &record).await.unwrap();
    }
    for record in peers() {
        store.save_peer(&record).await.unwrap();
    }
    for (key, value) in SNAPSHOTS {
        store.save_snapshot(key, Bytes::from_static(value.as_bytes())).await.unwrap();
    }
    let id = NodeId::new("ann").unwrap();
    store
        .save_node(&NodeRecord { incarnation: 3, clock: Stamp::new(7, 1), ..NodeRecord::new(id) })
        .await
        .unwrap();
}
