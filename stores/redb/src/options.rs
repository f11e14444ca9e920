//! What a configuration may say about this store.

use std::path::PathBuf;

use gossip_core::registry::Options;
use serde::Deserialize;

/// Options of the store `redb`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RedbOptions {
    /// Directory the store lives in; made when it does not exist. Default: `data`.
    pub path: PathBuf,
}

impl Default for RedbOptions {
    fn default() -> Self {
        Self { path: "data".into() }
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
