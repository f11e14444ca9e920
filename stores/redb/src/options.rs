//! What a configuration may say about this store.

use std::path::PathBuf;

use gossip_core::proto::Durability;
use gossip_core::registry::Options;
use serde::Deserialize;

/// Options of the store `redb`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedbOptions {
    /// Directory the store lives in; made when it does not exist. Default: `data`.
    pub path: PathBuf,
    /// What a commit promises when it returns: `"sync"`, `"buffered"` or `{ group = "50ms" }`.
    /// Default: `"sync"`.
    #[serde(deserialize_with = "gossip_store_kv::durability")]
    pub durability: Durability,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { path: "data".into(), durability: Durability::Sync }
    }
}

impl RedbOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// A text that names the option which is wrong.
    pub fn read(options: &Options) -> Result<Self, String> {
        options.deserialized().map_err(|error| error.to_string())
    }
}

/// What redb can be tuned by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tuning {
    /// Most memory redb keeps pages in. Default: 32 MiB; redb's own default of 1 GiB is not for phones.
    pub cache_bytes: usize,
}

impl Default for Tuning {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20 }
    }
}
