//! Opening stores.

use std::path::Path;
use std::sync::Arc;

use gossip::{MemoryStore, Store};

use super::order::Keep;
use crate::Outcome;

pub(super) fn open(keep: Keep, place: Option<&Path>) -> Outcome<Arc<dyn Store>> {
    match keep {
        Keep::Memory => Ok(Arc::new(MemoryStore::new())),
        Keep::Buffered | Keep::Synced => on_disk(keep, place.ok_or("a store on disk needs a place")?),
    }
}

#[cfg(feature = "rocksdb")]
fn on_disk(keep: Keep, place: &Path) -> Outcome<Arc<dyn Store>> {
    use gossip::proto::Durability;
    let durability = if keep == Keep::Synced { Durability::Sync } else { Durability::Buffered };
    Ok(Arc::new(gossip::RocksdbStore::options(place).durability(durability).open()?))
}

#[cfg(not(feature = "rocksdb"))]
fn on_disk(_: Keep, _: &Path) -> Outcome<Arc<dyn Store>> {
    Err("built without the feature `rocksdb`".into())
}
