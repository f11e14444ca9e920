//! Who a node is: a key of its own, a key given, or a plain name.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on shall fail at that place")]

use std::sync::Arc;

use gossip_core::proto::{Ed25519Sealer, NodeRecord, SecretKey};
use gossip_core::{BuildError, Coordinator, Identity, NodeRepository, Sealer};
use gossip_store_memory::MemoryStore;

fn identity(seed: u8) -> Identity {
    Identity::from_seed([seed; 32])
}

async fn author_of_one(node: &Coordinator) -> gossip_core::LogEntry {
    let stream = node.channel("room").await.unwrap().stream("notes").await.unwrap();
    let id = stream.append("hello").await.unwrap();
    stream.get(id).await.unwrap().expect("just written")
}

#[tokio::test]
async fn an_identity_that_is_given_is_not_stored_and_must_be_given_again() {
    let store = Arc::new(MemoryStore::new());
    let builder = || Coordinator::builder().shared_store(store.clone());
    let node = builder().identity(identity(1)).build().await.unwrap();
    assert_eq!(node.id(), &identity(1).node_id());
    assert!(author_of_one(&node).await.verified());
    node.shutdown().await.unwrap();
    assert_eq!(store.load_node().await.unwrap().unwrap().key, None);

    match builder().build().await {
        Err(BuildError::KeyMissing { id }) => assert_eq!(id, identity(1).node_id()),
        other => panic!("{other:?}"),
    }
    match builder().identity(identity(2)).build().await {
        Err(BuildError::OtherNode { given, .. }) => assert_eq!(given, identity(2).node_id()),
        other => panic!("{other:?}"),
    }
    let node = builder().identity(identity(1)).build().await.unwrap();
    assert_eq!(author_of_one(&node).await.sequence(), 2, "it goes on where it ended");
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_key_made_for_a_store_is_kept_in_it() {
    let store = Arc::new(MemoryStore::new());
    let node = Coordinator::builder().shared_store(store.clone()).build().await.unwrap();
    let id = node.id().clone();
    node.shutdown().await.unwrap();
    let kept = store.load_node().await.unwrap().unwrap().key.expect("a key");
    assert_eq!(Ed25519Sealer::new(&kept).public().node_id(), id);
    assert!(
        !format!("{:?}", store.load_node().await).contains("key: Some(SecretKey"),
        "secrets are not shown"
    );
    let node = Coordinator::builder().shared_store(store).build().await.unwrap();
    assert_eq!(node.id(), &id);
    node.shutdown().await.unwrap();
}

#[tokio::test]
async fn an_id_and_an_identity_that_do_not_belong_together_are_refused() {
    let build = |id: String| {
        Coordinator::builder().store(MemoryStore::new()).identity(identity(1)).node_id(id).build()
    };
    for other in ["ann".to_owned(), identity(2).node_id().to_string()] {
        match build(other.clone()).await {
            Err(BuildError::OtherKey { key, given }) => {
                assert_eq!((key, given.as_str()), (identity(1).node_id(), &*other));
            }
            other => panic!("{other:?}"),
        }
    }
    build(identity(1).node_id().to_string()).await.unwrap().shutdown().await.unwrap();
    // An id that is a key cannot be taken by name: whoever has it has its secret.
    let store = Arc::new(MemoryStore::new());
    let taken =
        Coordinator::builder().shared_store(store.clone()).node_id(identity(1).node_id()).build().await;
    assert!(matches!(taken, Err(BuildError::KeyMissing { .. })), "{taken:?}");
    assert_eq!(store.load_node().await.unwrap(), None, "nothing was stored");
}

#[tokio::test]
async fn a_plain_name_has_no_key_and_a_stored_key_of_another_id_does_not_sign_for_it() {
    let store = Arc::new(MemoryStore::new());
    let node = Coordinator::builder().shared_store(store.clone()).node_id("ann").build().await.unwrap();
    assert!(!author_of_one(&node).await.verified());
    node.shutdown().await.unwrap();
    assert_eq!(store.load_node().await.unwrap().unwrap().key, None);

    let damaged = Arc::new(MemoryStore::new());
    let key = Some(SecretKey::from_seed([2; 32]));
    damaged.save_node(&NodeRecord { key, ..NodeRecord::new(identity(1).node_id()) }).await.unwrap();
    let built = Coordinator::builder().shared_store(damaged).build().await;
    assert!(matches!(built, Err(BuildError::KeyMissing { .. })), "{built:?}");
}
