//! The stores under test: by name and options, as an application would configure them.

use std::sync::Arc;

use gossip::registry::{Options, build_store, stores};
use gossip::{ConfigFile, Store};
use serde_json::{Value, json};

use crate::Outcome;
use crate::program::print;

/// A store with options.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    /// Name in `GOSSIP_CRASH_STORES` and in what is printed.
    pub(crate) name: &'static str,
    store: &'static str,
    /// JSON of the options beside the path.
    pub(crate) options: &'static str,
    /// Of the rounds asked for, one in so many.
    pub(crate) share: u64,
}

/// All there are; those whose store is not linked are skipped.
const KINDS: [Kind; 6] = [
    kind("redb", "redb", "{}", 1),
    kind("redb-group", "redb", GROUP, 3),
    kind("redb-buffered", "redb", BUFFERED, 3),
    kind("rocksdb", "rocksdb", "{}", 1),
    kind("rocksdb-group", "rocksdb", GROUP, 3),
    kind("rocksdb-buffered", "rocksdb", BUFFERED, 3),
];

const GROUP: &str = r#"{ "durability": { "group": "20ms" } }"#;
const BUFFERED: &str = r#"{ "durability": "buffered" }"#;

const fn kind(name: &'static str, store: &'static str, options: &'static str, share: u64) -> Kind {
    Kind { name, store, options, share }
}

impl Kind {
    /// Those that are linked and that `GOSSIP_CRASH_STORES` names (default: all).
    pub(crate) fn chosen() -> Outcome<Vec<Self>> {
        let wanted = std::env::var("GOSSIP_CRASH_STORES").unwrap_or_default();
        let wanted: Vec<&str> = wanted.split(',').filter(|name| !name.is_empty()).collect();
        if let Some(unknown) = wanted.iter().find(|name| KINDS.iter().all(|kind| kind.name != **name)) {
            let names: Vec<_> = KINDS.iter().map(|kind| kind.name).collect();
            return Err(format!("no kind of store {unknown:?}; there are {}", names.join(", ")).into());
        }
        let chosen = KINDS.into_iter().filter(|kind| wanted.is_empty() || wanted.contains(&kind.name));
        let (linked, not): (Vec<_>, Vec<_>) = chosen.partition(Self::is_linked);
        for kind in not {
            let (name, store) = (kind.name, kind.store);
            print(&format!("SKIPPED {name}: the store {store} is not built in (feature {store})"))?;
        }
        Ok(linked)
    }

    fn is_linked(&self) -> bool {
        stores().any(|plugin| plugin.kind == self.store)
    }

    /// The configuration of a node on the store in this directory; linked with `peer` if any.
    pub(crate) fn config(&self, path: &str, peer: Option<&str>) -> Outcome<String> {
        let mut store: Value = serde_json::from_str(self.options)?;
        store["kind"] = self.store.into();
        store["path"] = path.into();
        let node = json!({
            "node_id": crate::VICTIM, "store": store, "transport": [{ "kind": "tcp" }],
            "connect": peer.into_iter().collect::<Vec<_>>(),
        });
        Ok(node.to_string())
    }
}

/// Reads a configuration.
pub(crate) fn parse(config: &str) -> Outcome<ConfigFile> {
    Ok(serde_json::from_str(config)?)
}

/// The store of a configuration alone.
pub(crate) fn open_store(config: &str) -> Outcome<Arc<dyn Store>> {
    let store = parse(config)?.store.ok_or("a configuration without a store")?;
    let options = store.options.into_iter().map(|(name, value)| (Options::Text(name), value));
    Ok(build_store(&store.kind, &Options::Map(options.collect()))?)
}
