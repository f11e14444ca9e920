//! Options of `kind = "memory"`.

use serde::Deserialize;

/// A place in a network that all transports built by name in this process share.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryOptions {
    /// The address of the port will be `memory:` and this name.
    pub name: String,
    /// Which network; ports of different networks never meet. Default: `default`.
    #[serde(default = "default_network")]
    pub network: String,
}

fn default_network() -> String {
    "default".to_owned()
}
