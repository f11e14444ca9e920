//! The redb store keeps the contract of a store, whatever its durability, also when its disk fails.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::Store;
use gossip_core::proto::{Durability, LogId, Seq};
use gossip_store_kv::testing::spoil;
use gossip_store_kv::{Opener, Opening};
use gossip_testkit::store::opening::opened;
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

macro_rules! durability {
    ($name:ident, $durability:expr, $faults:expr) => {
        mod $name {
            use super::*;

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
                    let open =
                        || RedbStore::with_opener(exposed(self.place.path(), &self.weather), $durability);
                    Arc::new(opened(open))
                }

                async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
                    let open = || exposed(self.place.path(), &self.weather)(Opening::First);
                    spoil(opened(open), log, at).expect("damaged");
                    Ok(())
                }

                fn faults(&self) -> Result<Arc<dyn FaultSwitch>, Cannot> {
                    let faults: Result<(), Cannot> = $faults;
                    faults.map(|()| self.weather.clone() as Arc<dyn FaultSwitch>)
                }
            }

            gossip_testkit::store_conformance!(OnDisk);
        }
    };
}

/// What is not synced goes to the journal.
const JOURNAL: Cannot = Cannot(
    "commits that are not synced go to the journal, a plain file: gossip/tests/faults lets it fail from outside",
);

durability!(sync, Durability::Sync, Ok(()));
durability!(group, Durability::Group(Duration::from_millis(5)), Err(JOURNAL));
durability!(buffered, Durability::Buffered, Err(JOURNAL));
