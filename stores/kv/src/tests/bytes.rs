//! Foreign bytes in every row: told as damage, never a panic, and never at the cost of what is sound.

use std::sync::Arc;

use bytes::Bytes;
use gossip_core::proto::{
    Arrival, ChannelId, ChannelRecord, Durability, Fault, Meta, NodeId, NodeRecord, PeerRecord, Scope, Stamp,
    StreamId, StreamRecord,
};
use gossip_core::{
    ChannelRepository, EntryRepository, NodeRepository, PeerRepository, SnapshotRepository, StoreError,
    StoreResult,
};
use gossip_testkit::fixture::LogWriter;

use super::engine::{Ground, Tiny};
use crate::{KvStore, Table};

async fn small() -> (Arc<Ground>, [LogWriter; 2]) {
    let ground = Arc::new(Ground::default());
    let store = KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).unwrap();
    let (mut ann, mut bob) = (LogWriter::new("c", "s", "ann"), LogWriter::new("c", "t", "bob"));
    store.commit(&[ann.run(2), bob.run(3), ann.run(1)], &Meta::default()).await.unwrap();
    let channel = ChannelId::new("c").unwrap();
    let record = ChannelRecord { id: channel.clone(), members: [].into(), payload_limit: 1000 };
    store.save_channel(&record).await.unwrap();
    store.save_stream(&channel, &StreamRecord::new(StreamId::new("s").unwrap())).await.unwrap();
    let bob_id = NodeId::new("bob").unwrap();
    let peer = PeerRecord { id: bob_id.clone(), display_name: "Bob".into(), addresses: Vec::new() };
    store.save_peer(&peer).await.unwrap();
    let node = NodeRecord { incarnation: 3, clock: Stamp::new(7, 1), ..NodeRecord::new(bob_id) };
    store.save_node(&node).await.unwrap();
    store.save_snapshot("view", Bytes::from_static(b"state")).await.unwrap();
    (ground, [ann, bob])
}

/// Anything but a panic, which would be told as this.
fn told<T>(answer: StoreResult<T>, row: &str) -> Option<T> {
    let sound = |error: &StoreError| matches!(error.fault, Fault::Corrupt | Fault::Rejected);
    answer.inspect_err(|error| assert!(sound(error), "{row}: {error:?}")).ok()
}

async fn use_everything(store: &KvStore<Tiny>, logs: &[LogWriter; 2], row: &str) {
    for scope in [Scope::All, logs[0].stream(), Scope::Log(logs[0].id()), Scope::Log(logs[1].id())] {
        told(store.heads(&scope, None, usize::MAX).await, row);
        told(store.usage(&scope).await, row);
        for budget in [1, usize::MAX] {
            let (mut after, mut pages) = (Arrival(0), 0);
            while let Some(page) = told(store.arrivals(&scope, after, budget).await, row) {
                let Some(next) = page.next else { break };
                assert!(next > after && pages < 20, "{row}: it does not end at {next:?}");
                (after, pages) = (next, pages + 1);
            }
        }
        told(store.arrivals(&scope, Arrival(u64::MAX), 1).await, row);
    }
    for log in logs.iter().map(LogWriter::id) {
        told(store.read(log, 1, usize::MAX).await, row);
        told(store.hash_at(log, &[1, 2, 3]).await, row);
        told(store.isolate(log, 2).await, row);
        told(store.prune(&[(log, 1)]).await, row);
    }
    told(store.channels(None, usize::MAX).await, row);
    told(store.streams(&ChannelId::new("c").unwrap(), None, usize::MAX).await, row);
    told(store.peers(None, usize::MAX).await, row);
    told(store.load_node().await, row);
    told(store.load_snapshot("view").await, row);
    told(store.mark_open().await, row);
    told(store.commit(&[LogWriter::new("c", "s", "cleo").run(1)], &Meta::default()).await, row);
    told(store.remove(&Scope::All).await, row);
}

#[tokio::test]
async fn foreign_bytes_in_any_row_are_no_more_than_damage() {
    let (ground, logs) = small().await;
    let rows = ground.rows.lock().unwrap().clone();
    for (key, value) in &rows {
        let spoil = |at: usize, with: u8| {
            let mut spoilt = value.clone();
            spoilt[at] ^= with;
            spoilt
        };
        let flips = (0..value.len()).map(|at| spoil(at, if at % 2 == 0 { 0x80 } else { 0xff }));
        let cuts = (0..value.len()).step_by(3).map(|len| value[..len].to_vec());
        let lengths = [vec![0xff; value.len()], vec![0; 4096]];
        for (n, spoilt) in flips.chain(cuts).chain(lengths).enumerate() {
            let row = format!("{:?} {:?}, spoilt {n}", key.0, key.1);
            let again = Arc::new(Ground::default());
            *again.rows.lock().unwrap() = rows.clone();
            again.rows.lock().unwrap().insert(key.clone(), spoilt);
            let opened = KvStore::with_opener(Tiny::opener(&again), Durability::Sync);
            if let Some(store) = told(opened, &row) {
                let whole =
                    !matches!(key.0, Table::Meta | Table::Arrivals) && !key.1.starts_with(&logs[1].id().0);
                if whole && matches!(key.0, Table::Runs | Table::Heads | Table::Names) {
                    assert_eq!(store.read(logs[1].id(), 1, usize::MAX).await.unwrap().len(), 1, "{row}");
                }
                use_everything(&store, &logs, &row).await;
            }
        }
    }
}

#[tokio::test]
async fn a_row_under_another_key_is_no_more_than_damage() {
    let (ground, logs) = small().await;
    let rows = ground.rows.lock().unwrap().clone();
    for ((table, key), value) in &rows {
        for bit in (0..key.len() * 8).step_by(3) {
            let (mut other, mut moved) = (key.clone(), rows.clone());
            other[bit / 8] ^= 1 << (bit % 8);
            moved.remove(&(*table, key.clone()));
            moved.insert((*table, other), value.clone());
            let again = Arc::new(Ground::default());
            *again.rows.lock().unwrap() = moved;
            let row = format!("{table:?} {key:?}, bit {bit} of the key");
            let store = KvStore::with_opener(Tiny::opener(&again), Durability::Sync).expect("it opens");
            assert!(store.last_arrival().await.unwrap() >= Arrival(6), "{row}: no number is used again");
            use_everything(&store, &logs, &row).await;
        }
    }
}
