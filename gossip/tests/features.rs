//! Every enabled feature is linked and can be chosen by name.
//!
//! rustc does not link a crate that nobody names, so a forgotten `pub use` in the facade would
//! show only when a configuration asks for the plugin.

use gossip::registry;

/// The kinds that the enabled features must bring, sorted.
fn kinds(features: &[(bool, &'static str)]) -> Vec<&'static str> {
    let mut kinds: Vec<_> = features.iter().filter(|(on, _)| *on).map(|(_, kind)| *kind).collect();
    kinds.sort_unstable();
    kinds
}

#[test]
fn stores_are_registered() {
    let mut linked: Vec<_> = registry::stores().map(|plugin| plugin.kind).collect();
    linked.sort_unstable();
    let enabled = [
        (cfg!(feature = "memory"), "memory"),
        (cfg!(feature = "redb"), "redb"),
        (cfg!(feature = "rocksdb"), "rocksdb"),
    ];
    assert_eq!(linked, kinds(&enabled));
}

#[test]
fn transports_are_registered() {
    let mut linked: Vec<_> = registry::transports().map(|plugin| plugin.kind).collect();
    linked.sort_unstable();
    assert_eq!(linked, kinds(&[(cfg!(feature = "memory"), "memory"), (cfg!(feature = "tcp"), "tcp")]));
}

#[test]
fn an_unknown_name_lists_what_is_linked() {
    let error = registry::build_store("no-such-store", &registry::Options::Map(Vec::new())).err();
    let text = error.map(|error| error.to_string()).unwrap_or_default();
    assert!(text.contains("no-such-store"), "{text}");
    for plugin in registry::stores() {
        assert!(text.contains(plugin.kind), "{text}");
    }
}

#[test]
#[cfg(feature = "memory")]
fn a_plugin_is_built_by_name() {
    let store = registry::build_store("memory", &registry::Options::Map(Vec::new()));
    assert_eq!(store.map(|store| store.name().to_owned()).map_err(|e| e.to_string()), Ok("memory".into()));
}

/// The short names resolve at the root, as promised in the documentation.
#[allow(unused_imports)]
mod names {
    use gossip::{EntryRepository, MessagePort, StateMaterializer, Store, Transport};
    #[cfg(feature = "crdt")]
    use gossip::{GCounter, LwwMap, LwwRegister, PnCounter, crdt};
    #[cfg(feature = "memory")]
    use gossip::{MemoryNetwork, MemoryStore};
    #[cfg(feature = "redb")]
    use gossip::{RedbStore, redb};
    #[cfg(feature = "rocksdb")]
    use gossip::{RocksdbStore, rocksdb};
    #[cfg(feature = "tcp")]
    use gossip::{TcpTransport, tcp};
}

#[tokio::test]
#[cfg(feature = "memory")]
async fn the_default_store_is_memory() {
    let node = gossip::Coordinator::builder().build().await.unwrap();
    let stream = node.channel("c").await.unwrap().stream("s").await.unwrap();
    let id = stream.append("kept for now").await.unwrap();
    assert_eq!(
        stream.get(id).await.unwrap().map(|entry| entry.payload().to_vec()),
        Some(b"kept for now".to_vec())
    );
    node.shutdown().await.unwrap();
}
