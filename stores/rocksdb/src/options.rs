//! What a configuration may say about this store.

use std::path::PathBuf;

use gossip_core::StoreResult;
use gossip_core::proto::Durability;
use gossip_core::registry::Options;
use serde::Deserialize;

use crate::RocksdbStore;
use crate::tuning::Settings;

/// Options of the store `rocksdb`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RocksdbOptions {
    /// Directory the store lives in; made when it does not exist. Default: `data`.
    pub path: PathBuf,
    /// What a commit promises when it returns: `"sync"`, `"buffered"`, or `{ group = "50ms" }`.
    /// Default: `"sync"`.
    #[serde(deserialize_with = "gossip_store_kv::durability")]
    pub durability: Durability,
    /// Bytes of memory for what was read and for what is not yet in tables, together; less than
    /// [`Settings::LEAST_MEMORY`] is taken as that. Default: 64 MiB.
    pub memory: usize,
    /// What is done to make old entries smaller. Default: `"lz4"`.
    pub compression: Compression,
}

/// How entries are compressed, once they are out of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all: for payloads that are encrypted or compressed already.
    None,
    /// With LZ4; small runs only where that makes them at least an eighth smaller.
    #[default]
    Lz4,
}

impl Default for RocksdbOptions {
    fn default() -> Self {
        let Settings { memory, compression } = Settings::default();
        Self { path: "data".into(), durability: Durability::default(), memory, compression }
    }
}

impl RocksdbOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// A text that names the option which is wrong.
    pub fn read(options: &Options) -> Result<Self, String> {
        options.deserialized().map_err(|error| error.to_string())
    }

    /// Opens the store these options describe; blocks.
    ///
    /// # Errors
    /// As [`OpenOptions::open`](crate::OpenOptions::open).
    pub fn open(self) -> StoreResult<RocksdbStore> {
        let settings = Settings { memory: self.memory, compression: self.compression };
        RocksdbStore::options(self.path).durability(self.durability).engine(settings).open()
    }
}
