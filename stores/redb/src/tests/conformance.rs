//! The redb store keeps the contract of a store, whatever its durability, also when its disk fails.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use gossip_core::proto::{Durability, Fault, LogId, Seq};
use gossip_core::{Store, StoreResult};
use gossip_store_kv::testing::spoil;
use gossip_store_kv::{Opener, Opening};
use gossip_testkit::store::{Cannot, FaultSwitch, StoreHarness};
use gossip_testkit::wait::eventually;

use super::weather::{Exposed, Weather};
use crate::open::opener_on;
use crate::{Redb, RedbStore, Tuning};

/// How redb is opened under the weather.
pub(super) fn exposed(directory: &Path, weather: &Arc<Weather>) -> Opener<Redb> {
    let weather = weather.clone();
    let between = move |file| Exposed { file, weather: weather.clone() };
    opener_on(directory.to_owned(), Tuning::default(), between)
}

/// Waits while a sync in the background still holds a store that was dropped.
async fn opened<T>(mut open: impl FnMut() -> StoreResult<T>) -> T {
    let open = || {
        let opened = match open() {
            Err(error) if error.fault == Fault::Rejected => None,
            opened => Some(opened.expect("the store opens")),
        };
        std::future::ready(opened)
    };
    eventually("nobody holds the store any more", open).await
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
                    Arc::new(opened(open).await)
                }

                async fn damage(&self, log: LogId, at: Seq) -> Result<(), Cannot> {
                    let open = || exposed(self.place.path(), &self.weather)(Opening::First);
                    spoil(opened(open).await, log, at).expect("damaged");
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
