//! A reader far slower than what comes in: it loses nothing, and nothing piles up for it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use async_trait::async_trait;
use gossip::proto::Arrived;
use gossip::{Config, From, MemoryStore, StoreResult};
use gossip_testkit::double::{StoreCall, StoreDouble, StoreHooks};

use crate::world::{World, holds};

on_every_wire! {
    a_reader_ten_thousand_times_slower_than_the_wire_loses_nothing_and_holds_one_page,
}

/// Entries that come in for each one the reader takes.
const SLOWER: usize = 10_000;
const PAYLOAD: usize = 100;
/// Bytes a reader may have in hand.
const PAGE: usize = 16 << 10;
/// Entries in them; pages hold whole runs.
const AHEAD: usize = 2 * PAGE / PAYLOAD + 256;

/// Counts the entries handed to readers.
#[derive(Default)]
struct Counted(AtomicUsize);

#[async_trait]
impl StoreHooks for Counted {
    async fn before(&self, _: StoreCall<'_>) -> StoreResult<()> {
        Ok(())
    }

    fn arrivals(&self, rows: Vec<Arrived>) -> StoreResult<Vec<Arrived>> {
        let entries: u64 = rows.iter().map(|row| row.range.count()).sum();
        self.0.fetch_add(entries as usize, Relaxed);
        Ok(rows)
    }
}

async fn a_reader_ten_thousand_times_slower_than_the_wire_loses_nothing_and_holds_one_page(world: World) {
    let counted = Arc::new(Counted::default());
    let store = StoreDouble::new(MemoryStore::new(), counted.clone());
    let config = Config { page_bytes: PAGE, ..Config::default() };
    let ann = world.device("ann").await;
    let bob = world.device_with("bob", |builder| builder.store(store).config(config)).await;
    world.link(&ann, &bob).await;
    let (written, stream) = (ann.stream().await, bob.stream().await);
    let mut reader = stream.subscribe(From::Start).await.unwrap();
    let before = counted.0.load(Relaxed);
    let in_hand = |taken: usize| counted.0.load(Relaxed) - before - taken;
    let (mut taken, mut batch) = (Vec::new(), 0..);
    for round in 1..=2 {
        for _ in 0..SLOWER / 500 {
            let number = batch.next().unwrap_or(0);
            written.append_all((0..500).map(|n| format!("{:PAYLOAD$}", number * 500 + n))).await.unwrap();
        }
        holds(&stream, round * SLOWER).await;
        taken.push(reader.next().await.unwrap().unwrap());
        assert!(in_hand(round) <= AHEAD, "{} entries wait for a reader that took {round}", in_hand(round));
    }
    let saved = reader.cursor();
    drop(reader);
    // Later, from where it stood.
    let mut reader = stream.subscribe(From::Cursor(saved)).await.unwrap();
    let before = counted.0.load(Relaxed);
    while taken.len() < 2 * SLOWER {
        taken.push(reader.next().await.unwrap().unwrap());
        // The newest may come from memory, not from the store.
        let in_hand = (counted.0.load(Relaxed) + 2).saturating_sub(before + taken.len());
        assert!(in_hand <= AHEAD, "{in_hand} entries wait");
    }
    let ids: BTreeSet<_> = taken.iter().map(gossip::LogEntry::id).collect();
    assert_eq!(ids.len(), 2 * SLOWER, "each once");
    let in_order =
        taken.iter().zip(0..).all(|(entry, n)| entry.payload() == format!("{n:PAYLOAD$}").as_bytes());
    assert!(in_order);
}
