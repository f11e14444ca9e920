//! A coordinator described in a configuration file.

use std::collections::BTreeMap;
use std::path::PathBuf;

use gossip_proto::NodeId;
use gossip_proto::node::SyncChoice;
use serde::{Deserialize, Serialize};

use crate::Config;
use crate::registry::Options;

/// A coordinator in a file of any serde format, plugins by name.
///
/// ```toml
/// identity = "laptop.key"
/// connect = ["tcp://192.168.1.7:7400"]
///
/// [store]
/// kind = "redb"
/// path = "data"
///
/// [[transport]]
/// kind = "tcp"
/// listen = "0.0.0.0:7400"
///
/// # Over links that cost much, two streams of one channel and no other channel.
/// [[sync]]
/// min_cost = 100
/// channel = "family"
/// streams = { only = ["messages", "calls"] }
///
/// [[sync]]
/// min_cost = 100
/// streams = "none"
///
/// [config]
/// events = 4096
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConfigFile {
    /// Id for a store that has none yet.
    pub node_id: Option<NodeId>,
    /// A file with the seed of the node's identity, as for [`Identity::from_file`](crate::Identity::from_file).
    pub identity: Option<PathBuf>,
    /// Addresses to connect to at every start.
    pub connect: Vec<String>,
    /// The store; the default one when absent.
    pub store: Option<PluginConfig>,
    /// Any number of transports.
    pub transport: Vec<PluginConfig>,
    /// What is exchanged with whom; the first rule that fits counts.
    pub sync: SyncChoice,
    /// Bounds.
    pub config: Config,
}

/// One plugin by name with its options.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PluginConfig {
    /// Its name, as in `redb`.
    pub kind: String,
    /// Everything else; the plugin refuses what it does not know.
    #[serde(flatten)]
    pub options: BTreeMap<String, Options>,
}

impl PluginConfig {
    /// The options as one self-describing value.
    pub(crate) fn to_options(&self) -> Options {
        let pairs = self.options.iter();
        Options::Map(pairs.map(|(name, value)| (Options::Text(name.clone()), value.clone())).collect())
    }
}
