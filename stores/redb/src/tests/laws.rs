//! The redb store keeps the contract of a store, also when its disk fails.

use std::path::Path;
use std::sync::Arc;

use gossip_core::Store;
use gossip_core::proto::{Durability, LogId, Seq};
use gossip_store_kv::testing::spoil;
use gossip_store_kv::{Opener, Opening};
use gossip_testkit::store::{Cannot, FaultSwitch, StoreHarness};

use super::weather::{Exposed, Weather};
use crate::open::opener_on;
use crate::{Redb, RedbStore, Tuning};

/// How redb is opened under the weather.
pub(super) fn exposed(directory: &Path, weather: &Arc<Weather>) -> Opener<Redb> {
    let weather = weather.clone();
    let between = move |file| Exposed { file, weather: weather.clone() };
    opener_on(directory.to_owned(), Tuning::default(), between)
}

struct OnDisk {
    place: tempfile::TempDir,
    weather: Arc<Weather>,
}

impl StoreHarness for OnDisk {
    const DURABLE: bool = true;
    const READS_GO_ON: bool = false;

    fn create() -> Self {
        Self { place: tempfile::tempdir().expect("a directory"), weather: Arc::default() }
    }

    async fn open(&self) -> Arc<dyn Store> {
        let store = RedbStore::with_opener(exposed(self.place.path(), &self.weather), Durability::Sync);
        Arc::new(store.expect("the store opens"))
    }

    async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
        let engine = exposed(self.place.path(), &self.weather)(Opening::First).expect("the engine opens");
        spoil(engine, log, at).expect("damaged");
        Ok(())
    }

    fn faults(&self) -> Result<Arc<dyn FaultSwitch>, Cannot> {
        Ok(self.weather.clone())
    }
}

gossip_testkit::store_conformance!(OnDisk);
