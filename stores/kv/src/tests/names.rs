//! What a damaged name of a log means to those who read its stream.

use std::sync::Arc;

use gossip_core::proto::{ChannelId, ChannelRecord, Durability, Fault, Meta, StreamId, StreamRecord};
use gossip_core::{ChannelRepository, Coordinator, EntryRepository, Error, From};
use gossip_testkit::fixture::LogWriter;

use super::engine::Tiny;
use crate::{KvStore, Table};

#[tokio::test]
async fn a_subscription_is_not_led_past_a_log_whose_name_is_damaged() {
    let (before, ground) = super::store(Durability::Sync);
    let (channel, stream) = (ChannelId::new("c").unwrap(), StreamId::new("s").unwrap());
    let record = ChannelRecord { id: channel.clone(), members: [].into(), payload_limit: 99 };
    before.save_channel(&record).await.unwrap();
    before.save_stream(&channel, &StreamRecord::new(stream)).await.unwrap();
    let (mut cleo, mut bob) = (LogWriter::new("c", "s", "cleo"), LogWriter::new("c", "s", "bob"));
    before.commit(&[cleo.run(1), bob.run(2), cleo.run(1)], &Meta::default()).await.unwrap();
    drop(before);
    ground.rows.lock().unwrap().get_mut(&(Table::Names, bob.id().0.to_vec())).unwrap()[5] ^= 1;

    let store = KvStore::with_opener(Tiny::opener(&ground), Durability::Sync).unwrap();
    let node =
        Coordinator::builder().shared_store(Arc::new(store.clone())).node_id("ann").build().await.unwrap();
    let stream = node.channel("c").await.unwrap().stream("s").await.unwrap();
    let mut live = stream.subscribe(From::Start).await.unwrap();
    assert_eq!(live.next().await.unwrap().unwrap().id().log, cleo.id(), "what is before it");
    let place = live.cursor();
    for _ in 0..2 {
        let told = live.next().await.unwrap();
        assert!(matches!(&told, Err(Error::Store(error)) if error.fault == Fault::Corrupt), "{told:?}");
        assert_eq!(live.cursor(), place, "whoever goes on from here goes on before it");
    }
    store.commit(&[bob.run(1)], &Meta::default()).await.unwrap();
    for (log, sequence) in [(bob.id(), 1), (bob.id(), 2), (cleo.id(), 2), (bob.id(), 3)] {
        let entry = live.next().await.unwrap().unwrap();
        assert_eq!((entry.id().log, entry.id().sequence), (log, sequence));
    }
}
