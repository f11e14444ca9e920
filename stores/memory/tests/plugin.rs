//! By name, without copying, and exactly repeatable where asked.

use ciborium::Value;
use gossip_core::registry::build_store;
use gossip_core::{EntryRepository, NodeRepository};
use gossip_proto::{Meta, StoreIncarnation};
use gossip_store_memory::MemoryStore;
use gossip_testkit::fixture::{LogWriter, stored};

#[test]
fn is_built_by_name_and_takes_no_options() {
    let store = build_store("memory", &Value::Map(vec![])).expect("registered");
    assert_eq!(store.name(), "memory");
    let option = Value::Map(vec![(Value::Text("path".into()), Value::Text("data".into()))]);
    let error = build_store("memory", &option).err().expect("no such option").to_string();
    assert!(error.contains("path"), "{error}");
}

#[tokio::test]
async fn reading_gives_slices_of_the_very_bytes_committed() {
    let store = MemoryStore::new();
    let mut ann = LogWriter::new("c", "s", "ann");
    let item = ann.run(3);
    let frame = stored(&item).run.encoded().clone();
    store.commit(&[item], &Meta::default()).await.unwrap();
    let read = store.read(ann.id(), 1, 0).await.unwrap();
    assert_eq!(read[0].run.encoded().as_ptr(), frame.as_ptr());
    for entry in read[0].run.entries() {
        let payload = entry.payload.bytes().unwrap().as_ptr();
        assert!(frame.as_ptr_range().contains(&payload), "a slice, not a copy");
    }
}

#[tokio::test]
async fn an_incarnation_may_be_given() {
    let store = MemoryStore::with_incarnation(StoreIncarnation(7));
    assert_eq!(store.incarnation().await.unwrap(), StoreIncarnation(7));
}
