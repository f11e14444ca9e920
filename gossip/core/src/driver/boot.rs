//! From a store to what a node starts from.

use std::collections::BTreeSet;
use std::sync::Arc;

use gossip_proto::node::Loading;
use gossip_proto::{
    ChannelId, ChannelRecord, Ed25519Sealer, Inventory, LogName, NodeId, NodeRecord, PeerRecord, Scope,
    Sealer, SecretKey, StreamId, StreamRecord,
};

use super::hints;
use crate::store::HeadPages;
use crate::{BuildError, Identity, Store, StoreResult};

/// Records read at once.
const PAGE: usize = 256;

/// The node's record and what signs for it: the stored one, or a new one that is stored now.
pub(super) async fn identity(
    store: &dyn Store,
    wanted: Option<NodeId>,
    given: Option<Identity>,
) -> Result<(NodeRecord, Option<Arc<dyn Sealer>>), BuildError> {
    let key = given.as_ref().map(Identity::node_id);
    if let (Some(given), Some(key)) = (&wanted, &key)
        && given != key
    {
        return Err(BuildError::OtherKey { key: key.clone(), given: given.clone() });
    }
    let stored = store.load_node().await?;
    let is_new = stored.is_none();
    let record = match (stored, key.or(wanted)) {
        (Some(record), Some(given)) if given != record.id => {
            return Err(BuildError::OtherNode { stored: record.id, given });
        }
        (Some(record), _) => record,
        (None, wanted) => new_record(wanted)?,
    };
    let kept = || record.key.as_ref().map(|key| Identity::signer(Arc::new(Ed25519Sealer::new(key))));
    let identity = given.or_else(kept).filter(|identity| identity.node_id() == record.id);
    if record.id.is_key() && identity.is_none() {
        return Err(BuildError::KeyMissing { id: record.id });
    }
    if is_new {
        store.save_node(&record).await?;
    }
    Ok((record, identity.map(|identity| identity.0)))
}

/// Under the id that is wanted, or under a key made now.
fn new_record(wanted: Option<NodeId>) -> Result<NodeRecord, BuildError> {
    if let Some(id) = wanted {
        return Ok(NodeRecord::new(id));
    }
    let key = SecretKey::from_seed(random()?);
    let id = Ed25519Sealer::new(&key).public().node_id();
    Ok(NodeRecord { key: Some(key), ..NodeRecord::new(id) })
}

/// Random bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], BuildError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| BuildError::Randomness(error.to_string()))?;
    Ok(bytes)
}

/// Everything the store holds but heads.
pub(super) async fn inventory(store: &dyn Store) -> StoreResult<Inventory> {
    let was_open = store.mark_open().await?;
    let incarnation = store.incarnation().await?;
    let mut channels = Vec::new();
    for record in channel_records(store).await? {
        let streams = stream_records(store, &record.id).await?;
        channels.push((record, streams));
    }
    let peers = peer_records(store).await?;
    let (durability, last_arrival) = (store.durability(), store.last_arrival().await?);
    let (mut hints, heads) = (Vec::new(), Vec::new());
    for (record, _) in &channels {
        hints.push((record.id.clone(), hints::load(store, &record.id).await));
    }
    Ok(Inventory { channels, heads, peers, incarnation, durability, was_open, last_arrival, hints })
}

/// What is left of logs after an interrupted removal: those whose channel has no record any more, or whose
/// stream is refused.
pub(super) struct Orphans {
    channels: BTreeSet<ChannelId>,
    refused: BTreeSet<(ChannelId, StreamId)>,
}

impl Orphans {
    pub(super) fn of(inventory: &Inventory) -> Self {
        let refused = inventory.channels.iter().flat_map(|(channel, streams)| {
            let refused = streams.iter().filter(|stream| stream.refused);
            refused.map(|stream| (channel.id.clone(), stream.id.clone()))
        });
        let channels = inventory.channels.iter().map(|(record, _)| record.id.clone());
        Self { channels: channels.collect(), refused: refused.collect() }
    }

    fn include(&self, name: &LogName) -> bool {
        let place = || (name.channel.clone(), name.stream.clone());
        !self.channels.contains(&name.channel) || !self.refused.is_empty() && self.refused.contains(&place())
    }
}

/// Gives a node the heads of all logs, page by page. Orphans are removed.
pub(super) async fn load_heads(store: &dyn Store, node: &mut Loading, orphans: &Orphans) -> StoreResult<()> {
    let mut pages = HeadPages::of(store, &Scope::All);
    while let Some(page) = pages.next().await? {
        let (gone, kept): (Vec<_>, Vec<_>) = page.into_iter().partition(|head| orphans.include(&head.name));
        for head in gone {
            tracing::info!(log = %head.name.id(), channel = %head.name.channel, "removing what is left of a log");
            store.remove(&Scope::Log(head.name.id())).await?;
        }
        node.add(kept);
    }
    Ok(())
}

async fn channel_records(store: &dyn Store) -> StoreResult<Vec<ChannelRecord>> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = store.channels(after.as_ref(), PAGE).await?;
        records.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(records),
        }
    }
}

async fn stream_records(store: &dyn Store, channel: &ChannelId) -> StoreResult<Vec<StreamRecord>> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = store.streams(channel, after.as_ref(), PAGE).await?;
        records.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(records),
        }
    }
}

async fn peer_records(store: &dyn Store) -> StoreResult<Vec<PeerRecord>> {
    let (mut records, mut after) = (Vec::new(), None);
    loop {
        let page = store.peers(after.as_ref(), PAGE).await?;
        records.extend(page.items);
        match page.next {
            Some(next) => after = Some(next),
            None => return Ok(records),
        }
    }
}
