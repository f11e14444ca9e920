//! A node from a file, with the memory plugins linked.

use gossip_core::{BuildError, ConfigFile, Coordinator};
use gossip_store_memory as _;
use gossip_transport_memory as _;

#[tokio::test]
async fn a_node_with_everything_by_name() {
    let text = r#"
        node_id = "ann"
        connect = ["memory:bob"]
        [store]
        kind = "memory"
        [[transport]]
        kind = "memory"
        name = "ann"
        network = "plugins-test"
        [config]
        events = 9
        [config.node]
        max_links = 5
    "#;
    let file: ConfigFile = toml::from_str(text).unwrap();
    let node = Coordinator::from_config(&file).await.unwrap();
    assert_eq!(node.id().as_str(), "ann");
    node.start().await.unwrap();
    assert_eq!(node.local_addresses()[0].as_str(), "memory:ann");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_linked_memory_store_is_the_default_and_ids_are_checked() {
    let node = Coordinator::builder().build().await.unwrap();
    node.channel("c").await.unwrap();
    assert!(matches!(Coordinator::builder().node_id("\n").build().await, Err(BuildError::Id(_))));
}
