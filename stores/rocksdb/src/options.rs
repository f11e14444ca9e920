//! What a configuration may say about this store.

use std::path::PathBuf;

use gossip_core::registry::Options;
use serde::Deserialize;

/// Least memory that can be worked with.
const LEAST_MEMORY: usize = 4 << 20;

/// Options of the store `rocksdb`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RocksdbOptions {
    /// Directory the store lives in; made when it does not exist. Default: `data`.
    pub path: PathBuf,
    /// Bytes of memory for what was read and for what is not yet in its place on the disk, together.
    /// At least 4 MiB. Default: 64 MiB.
    pub memory: usize,
    /// What is done to make old entries smaller. Default: `lz4`.
    pub compression: Compression,
}

/// How old entries are compressed; new ones are not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Compression {
    /// Not at all: for payloads that are encrypted or compressed already.
    None,
    /// With LZ4, where that makes them at least an eighth smaller.
    #[default]
    Lz4,
}

impl Default for RocksdbOptions {
    fn default() -> Self {
        Self { path: "data".into(), memory: 64 << 20, compression: Compression::default() }
    }
}

impl RocksdbOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// A text that names the option which is wrong.
    pub fn read(options: &Options) -> Result<Self, String> {
        let read: Self = options.deserialized().map_err(|error| error.to_string())?;
        match read.memory {
            LEAST_MEMORY.. => Ok(read),
            memory => Err(format!("memory: {memory} bytes are too few, the least is {LEAST_MEMORY}")),
        }
    }
}
