//! What the node remembers of its peers, kept among the snapshots. Only hints: whatever goes wrong with
//! them, they are as good as none.

use bytes::Bytes;
use gossip_proto::{ChannelId, Fault, Hint};

use crate::{Store, StoreError, StoreResult};

pub(super) async fn load(store: &dyn Store, channel: &ChannelId) -> Vec<Hint> {
    let stored = store.load_snapshot(&key(channel)).await;
    let bytes = stored.inspect_err(|error| tracing::warn!(%channel, %error, "hints were not read")).ok();
    bytes.flatten().and_then(|bytes| ciborium::from_reader(&bytes[..]).ok()).unwrap_or_default()
}

pub(super) async fn save(store: &dyn Store, channel: &ChannelId, hints: &[Hint]) -> StoreResult<()> {
    let mut bytes = Vec::new();
    ciborium::into_writer(hints, &mut bytes)
        .map_err(|error| StoreError::new(Fault::Rejected, "saving hints", error.to_string()))?;
    store.save_snapshot(&key(channel), Bytes::from(bytes)).await
}

/// Forgets those of a channel that was removed.
pub(super) async fn forget(store: &dyn Store, channel: &ChannelId) {
    if let Err(error) = store.delete_snapshot(&key(channel)).await {
        tracing::warn!(%channel, %error, "hints were not removed");
    }
}

fn key(channel: &ChannelId) -> String {
    format!("sync/{channel}")
}
