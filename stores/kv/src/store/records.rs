//! Everything beside the entries.

use async_trait::async_trait;
use bytes::Bytes;
use gossip_core::proto::{
    ChannelId, ChannelRecord, NodeId, NodeRecord, Page, PeerRecord, StoreIncarnation, StreamId, StreamRecord,
};
use gossip_core::{ChannelRepository, NodeRepository, PeerRepository, SnapshotRepository, StoreResult};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::KvStore;
use crate::engine::{Engine, Table, View};
use crate::fault::Failure;
use crate::host::{Call, When};
use crate::layout::{decode_snapshot, encode, encode_snapshot};
use crate::turn::Turn;
use crate::{keys, notes, records};

#[async_trait]
impl<E: Engine> ChannelRepository for KvStore<E> {
    async fn save_channel(&self, record: &ChannelRecord) -> StoreResult<()> {
        self.save("saving a channel", Table::Channels, record.id.as_str().into(), record).await
    }

    async fn delete_channel(&self, channel: &ChannelId) -> StoreResult<()> {
        let channel = channel.clone();
        let delete = move |turn: &mut Turn<'_>| {
            records::delete_channel(turn, &channel);
            Ok(())
        };
        self.host.write("deleting a channel", When::Now, delete).await
    }

    async fn channels(
        &self,
        after: Option<&ChannelId>,
        limit: usize,
    ) -> StoreResult<Page<ChannelRecord, ChannelId>> {
        let (after, key) = (after.map(ChannelId::as_str), |record: &ChannelRecord| record.id.clone());
        self.list(Table::Channels, Vec::new(), after, limit, key).await
    }

    async fn save_stream(&self, channel: &ChannelId, record: &StreamRecord) -> StoreResult<()> {
        let key = keys::join(&keys::channel(channel), record.id.as_str().as_bytes());
        self.save("saving a stream", Table::Streams, key, record).await
    }

    async fn streams(
        &self,
        channel: &ChannelId,
        after: Option<&StreamId>,
        limit: usize,
    ) -> StoreResult<Page<StreamRecord, StreamId>> {
        let (prefix, after) = (keys::channel(channel), after.map(StreamId::as_str));
        self.list(Table::Streams, prefix, after, limit, |record: &StreamRecord| record.id.clone()).await
    }
}

#[async_trait]
impl<E: Engine> PeerRepository for KvStore<E> {
    async fn save_peer(&self, record: &PeerRecord) -> StoreResult<()> {
        self.save("saving a peer", Table::Peers, record.id.as_str().into(), record).await
    }

    async fn delete_peer(&self, peer: &NodeId) -> StoreResult<()> {
        self.delete("deleting a peer", Table::Peers, peer.as_str().into()).await
    }

    async fn peers(&self, after: Option<&NodeId>, limit: usize) -> StoreResult<Page<PeerRecord, NodeId>> {
        let (after, key) = (after.map(NodeId::as_str), |record: &PeerRecord| record.id.clone());
        self.list(Table::Peers, Vec::new(), after, limit, key).await
    }
}

#[async_trait]
impl<E: Engine> NodeRepository for KvStore<E> {
    async fn load_node(&self) -> StoreResult<Option<NodeRecord>> {
        let work = |engine: &E| records::load_node(&engine.view()?);
        self.host.read(Call::of_a_start("reading the node record"), work).await
    }

    async fn save_node(&self, record: &NodeRecord) -> StoreResult<()> {
        let record = record.clone();
        let save = move |turn: &mut Turn<'_>| records::save_node(turn, &record);
        self.host.write("saving the node record", When::Now, save).await
    }

    async fn incarnation(&self) -> StoreResult<StoreIncarnation> {
        let work = |engine: &E| notes::incarnation(&engine.view()?).map(StoreIncarnation);
        self.host.read("reading the incarnation", work).await
    }

    async fn mark_open(&self) -> StoreResult<bool> {
        let durability = self.host.durability;
        let mark = move |turn: &mut Turn<'_>| records::mark_open(turn, durability);
        self.host.write(Call::of_a_start("marking the store open"), When::Now, mark).await
    }

    async fn mark_closed(&self) -> StoreResult<()> {
        let mark = |turn: &mut Turn<'_>| {
            records::mark_closed(turn);
            Ok(())
        };
        let marked = self.host.write("marking the store closed", When::Now, mark).await;
        // Whatever came of that: who closes a store does not want its files.
        self.host.release("closing the store", marked).await
    }
}

#[async_trait]
impl<E: Engine> SnapshotRepository for KvStore<E> {
    async fn save_snapshot(&self, key: &str, value: Bytes) -> StoreResult<()> {
        let key = key.to_owned();
        let put = move |turn: &mut Turn<'_>| {
            let value = encode_snapshot(&key, value);
            turn.edits.put(Table::Snapshots, key, value);
            Ok(())
        };
        self.host.write("saving a snapshot", When::Now, put).await
    }

    async fn load_snapshot(&self, key: &str) -> StoreResult<Option<Bytes>> {
        let key = key.to_owned();
        let work = move |engine: &E| {
            let view = engine.view()?;
            let Some(row) = view.get(Table::Snapshots, key.as_bytes())? else { return Ok(None) };
            let value = decode_snapshot(&key, &row).map(Bytes::copy_from_slice);
            value.map(Some).ok_or_else(|| Failure::corrupt(format!("snapshot {key:?} is damaged")))
        };
        self.host.read("loading a snapshot", work).await
    }

    async fn delete_snapshot(&self, key: &str) -> StoreResult<()> {
        self.delete("deleting a snapshot", Table::Snapshots, key.into()).await
    }
}

impl<E: Engine> KvStore<E> {
    async fn save<T: Serialize + Clone + Send + 'static>(
        &self,
        doing: &'static str,
        table: Table,
        key: Vec<u8>,
        record: &T,
    ) -> StoreResult<()> {
        let record = record.clone();
        let put = move |turn: &mut Turn<'_>| {
            let value = encode(table, &key, &record)?;
            turn.edits.put(table, key, value);
            Ok(())
        };
        self.host.write(doing, When::Now, put).await
    }

    async fn delete(&self, doing: &'static str, table: Table, key: Vec<u8>) -> StoreResult<()> {
        let delete = move |turn: &mut Turn<'_>| {
            turn.edits.delete(table, key);
            Ok(())
        };
        self.host.write(doing, When::Now, delete).await
    }

    async fn list<T, K>(
        &self,
        table: Table,
        prefix: Vec<u8>,
        after: Option<&str>,
        limit: usize,
        key: impl Fn(&T) -> K + Send,
    ) -> StoreResult<Page<T, K>>
    where
        T: DeserializeOwned + Send + 'static,
    {
        let after = after.map(|after| after.as_bytes().to_vec());
        let list =
            move |engine: &E| records::list::<T>(&engine.view()?, table, (&prefix, after.as_deref()), limit);
        let (items, more) = self.host.read("listing records", list).await?;
        let next = items.last().map(key).filter(|_| more);
        Ok(Page { items, next })
    }
}
