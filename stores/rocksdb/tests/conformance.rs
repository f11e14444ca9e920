//! The RocksDB store keeps the contract of a store, whatever its durability.

use std::sync::Arc;
use std::time::{Duration, Instant};

use gossip_core::Store;
use gossip_core::StoreResult;
use gossip_core::proto::{Durability, Fault, LogId, Seq};
use gossip_store_kv::{Edits, Engine, Opening, Order, Span, Table, View};
use gossip_store_rocksdb::{RocksdbEngine, RocksdbStore, Settings};
use gossip_testkit::store::{Cannot, StoreHarness};

/// Opens it; waits while a sync in the background still holds a store that was dropped.
async fn opened<T>(open: impl Fn() -> StoreResult<T>) -> T {
    let begin = Instant::now();
    loop {
        match open() {
            Err(error) if error.fault == Fault::Rejected && begin.elapsed() < PATIENCE => {
                tokio::task::yield_now().await;
            }
            opened => return opened.map_err(|error| error.to_string()).expect("the store opens"),
        }
    }
}

/// Spoils the row of the run that holds a sequence.
fn spoil<E: Engine>(engine: E, log: LogId, at: Seq) {
    let key = |at: Seq| [&log.0[..], &at.to_be_bytes()].concat();
    let mut edits = Edits::default();
    {
        let view = engine.view().expect("a view");
        let span = Span::between(key(at), key(Seq::MAX));
        let mut rows = view.scan(Table::Runs, &span, Order::Up).expect("rows");
        let (key, value) = rows.next().expect("read").expect("a run holds it");
        let mut value = value.to_vec();
        value[50] ^= 1;
        edits.put(Table::Runs, key, value);
    }
    engine.apply(edits, true).expect("applied");
    engine.close().expect("closed");
}

const PATIENCE: Duration = Duration::from_secs(20);

macro_rules! durability {
    ($name:ident, $durability:expr) => {
        mod $name {
            use super::*;

            struct OnDisk(tempfile::TempDir);

            impl StoreHarness for OnDisk {
                const DURABLE: bool = true;

                fn create() -> Self {
                    Self(tempfile::tempdir().expect("a directory"))
                }

                async fn open(&self) -> Arc<dyn Store> {
                    let open = || RocksdbStore::options(self.0.path()).durability($durability).open();
                    Arc::new(opened(open).await)
                }

                async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
                    let place = self.0.path();
                    let open =
                        || RocksdbEngine::opener(place.to_owned(), Settings::default())(Opening::First);
                    spoil(opened(open).await, log, at);
                    Ok(())
                }
            }

            gossip_testkit::store_conformance!(OnDisk);
        }
    };
}

durability!(sync, Durability::Sync);
durability!(group, Durability::Group(Duration::from_millis(5)));
durability!(buffered, Durability::Buffered);
