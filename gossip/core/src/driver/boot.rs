//! From a store to what a node starts from.

use std::collections::BTreeSet;

use gossip_proto::{
    ChannelId, ChannelRecord, Inventory, LogHead, NodeId, NodeRecord, PeerRecord, Scope, Stamp, StreamId,
    StreamRecord,
};

use crate::store::all_heads;
use crate::{BuildError, Store, StoreResult};

/// Records read at once.
const PAGE: usize = 256;

/// The node's record: the stored one, or a new one that is stored now.
pub(super) async fn identity(store: &dyn Store, wanted: Option<NodeId>) -> Result<NodeRecord, BuildError> {
    if let Some(record) = store.load_node().await? {
        return match wanted {
            Some(given) if given != record.id => Err(BuildError::OtherNode { stored: record.id, given }),
            _ => Ok(record),
        };
    }
    let id = match wanted {
        Some(id) => id,
        None => random_id()?,
    };
    let record = NodeRecord { id, incarnation: 0, clock: Stamp::ZERO };
    store.save_node(&record).await?;
    Ok(record)
}

/// 26 characters of base 32: 128 random bits.
fn random_id() -> Result<NodeId, BuildError> {
    const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
    let mut bits = u128::from_le_bytes(random()?);
    let mut text = String::with_capacity(26);
    for _ in 0..26 {
        text.push(char::from(ALPHABET[(bits & 31) as usize]));
        bits >>= 5;
    }
    Ok(NodeId::new(text)?)
}

/// Random bytes from the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], BuildError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| BuildError::Randomness(error.to_string()))?;
    Ok(bytes)
}

/// Everything the store holds, after what an interrupted removal left over is gone.
pub(super) async fn inventory(store: &dyn Store) -> StoreResult<Inventory> {
    let was_open = store.mark_open().await?;
    let incarnation = store.incarnation().await?;
    let mut channels = Vec::new();
    for record in channel_records(store).await? {
        let streams = stream_records(store, &record.id).await?;
        channels.push((record, streams));
    }
    let heads = remove_orphans(store, &channels, all_heads(store, &Scope::All).await?).await?;
    let peers = peer_records(store).await?;
    let durability = store.durability();
    Ok(Inventory { channels, heads, peers, incarnation, durability, was_open })
}

/// Removes logs whose channel has no record any more, or whose stream is refused.
async fn remove_orphans(
    store: &dyn Store,
    channels: &[(ChannelRecord, Vec<StreamRecord>)],
    heads: Vec<LogHead>,
) -> StoreResult<Vec<LogHead>> {
    let known: BTreeSet<&ChannelId> = channels.iter().map(|(record, _)| &record.id).collect();
    let refused: BTreeSet<(&ChannelId, &StreamId)> = channels
        .iter()
        .flat_map(|(channel, streams)| {
            streams.iter().filter(|stream| stream.refused).map(|stream| (&channel.id, &stream.id))
        })
        .collect();
    let (orphans, kept): (Vec<_>, Vec<_>) = heads.into_iter().partition(|head| {
        !known.contains(&head.name.channel) || refused.contains(&(&head.name.channel, &head.name.stream))
    });
    for head in orphans {
        tracing::info!(log = %head.name.id(), channel = %head.name.channel, "removing what is left of a log");
        store.remove(&Scope::Log(head.name.id())).await?;
    }
    Ok(kept)
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
