//! What a node occupies.

use gossip_proto::StoreStats;

/// What a node occupies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct ResourceUsage {
    /// Peers known.
    pub peers: usize,
    /// Channels.
    pub channels: usize,
    /// Streams in them.
    pub streams: usize,
    /// Logs held by the store.
    pub logs: u64,
    /// Entries held by the store.
    pub entries: u64,
    /// Bytes of encoded runs held by the store.
    pub bytes: u64,
    /// What the store takes on disk and in memory and what it has written since it was opened; zero
    /// where its engine does not tell.
    pub store: StoreStats,
    /// Frames waiting for links.
    pub outbox_frames: usize,
    /// Their bytes.
    pub outbox_bytes: usize,
    /// Frames dropped so far because an outbox was full; the protocol repeats what mattered.
    pub outbox_dropped: u64,
    /// Subscriptions alive, those of views included.
    pub subscriptions: usize,
    /// Views alive.
    pub views: usize,
    /// Small runs joined to larger ones so far, by the node itself, in the background.
    pub coalesced_runs: u64,
    /// Bytes of runs written once more for that.
    pub coalesced_bytes: u64,
}

impl ResourceUsage {
    /// Bytes the store's engine has written for each byte of encoded runs it was given, since it was
    /// opened; `None` when it was given none or its engine does not tell.
    #[must_use]
    pub fn write_amplification(&self) -> Option<f64> {
        let StoreStats { committed_bytes, written_bytes, .. } = self.store;
        (committed_bytes > 0 && written_bytes > 0).then(|| written_bytes as f64 / committed_bytes as f64)
    }
}
