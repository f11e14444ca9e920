//! What a configuration may say about this store.

use gossip_core::registry::Options;
use serde::Deserialize;

/// There is nothing to choose; any option is an error.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryOptions {}

impl MemoryOptions {
    /// Reads the options.
    ///
    /// # Errors
    /// A text that names the option which is wrong.
    pub fn read(options: &Options) -> Result<Self, String> {
        options.deserialized().map_err(|error| error.to_string())
    }
}
