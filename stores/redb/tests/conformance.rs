//! The redb store keeps the contract of a store.

use std::sync::Arc;

use gossip_core::Store;
use gossip_core::proto::{LogId, Seq};
use gossip_store_kv::{Edits, Engine, Opening, Order, Span, Table, View};
use gossip_store_redb::{Redb, RedbStore, Tuning};
use gossip_testkit::store::{Cannot, StoreHarness};

struct OnDisk(tempfile::TempDir);

impl StoreHarness for OnDisk {
    const DURABLE: bool = true;

    fn create() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(RedbStore::open(self.0.path()).expect("the store opens"))
    }

    async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
        let mut opener = Redb::opener(self.0.path().to_owned(), Tuning::default());
        spoil(opener(Opening::First).expect("the engine opens"), log, at);
        Ok(())
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

gossip_testkit::store_conformance!(OnDisk);
