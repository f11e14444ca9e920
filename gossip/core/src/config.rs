//! Bounds of a coordinator.

use std::time::Duration;

use gossip_proto::node::{ConfigError, NodeConfig};
use gossip_proto::{MAX_ADDRESS_BYTES, MAX_ADDRESSES, MAX_RUN_BYTES};
use serde::{Deserialize, Serialize};

use crate::PeerAddr;

/// Bounds of a coordinator. The defaults suit a desktop or a phone; nothing needs to be set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Bounds of the node inside.
    pub node: NodeConfig,
    /// Where others can dial this node, as in `tcp://chat.example:7400`; they are told. When empty it is what the
    /// transports know, which is wrong behind a router that forwards a port. At most 8 of 256 bytes each.
    pub advertise: Vec<String>,
    /// Notices kept for a slow listener; older ones become one [`Notice::Lagged`](crate::Notice::Lagged). Whoever joins
    /// a group is told two of each member at once, and one when its own last link is gone: less than twice
    /// [`NodeConfig::max_members`] may not be enough then. A place takes some 200 bytes once it is used.
    pub events: usize,
    /// Commands waiting for the node; more callers wait.
    pub commands: usize,
    /// Frames received and waiting for the node, over all transports.
    pub frames: usize,
    /// Frames waiting in the outbox of one link; more are dropped and repaired by the protocol.
    pub outbox_frames: usize,
    /// Bytes waiting in the outbox of one link.
    pub outbox_bytes: usize,
    /// Store reads at once on behalf of peers.
    pub read_lanes: usize,
    /// Bytes of runs read at once by subscriptions, pages and views.
    pub page_bytes: usize,
    /// Bytes of runs merged into one commit. While more than this waits for the store, no frames
    /// are taken from the transports.
    pub commit_bytes: usize,
    /// Small runs are joined to larger ones in the background, so that a log written one entry at a
    /// time reads and syncs like one written in bulk. A byte is written again at most three times.
    pub coalesce: bool,
    /// Streams drop by themselves what their retention does not keep; otherwise only
    /// [`EventStream::compact`](crate::EventStream::compact) does.
    pub auto_retention: bool,
    /// About how long after entries came, or grew too old, they are dropped. Drawn anew between
    /// half and one and a half of it every time.
    pub retention_every: Duration,
    /// Entries that a reader may be behind before pruning passes it by: a named cursor, and, when a
    /// stream is pruned by itself, also a subscription or view. The reader gets a gap then.
    pub hold_entries: u64,
    /// A named cursor not saved for so long holds nothing back.
    pub hold_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node: NodeConfig::default(),
            advertise: Vec::new(),
            events: 16_384,
            commands: 1024,
            frames: 256,
            outbox_frames: 1024,
            outbox_bytes: 4 << 20,
            read_lanes: 2,
            page_bytes: 256 << 10,
            commit_bytes: 8 << 20,
            coalesce: true,
            auto_retention: true,
            retention_every: Duration::from_secs(30),
            hold_entries: 100_000,
            hold_age: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl Config {
    /// Most queue places any setting may ask for.
    const MAX_QUEUE: usize = 1 << 20;

    /// Checks the bounds, each alone and against each other.
    ///
    /// # Errors
    /// [`ConfigError`] names the first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.node.validate()?;
        let queue = |size: usize| size == 0 || size > Self::MAX_QUEUE;
        let is_wrong =
            |address: &String| address.len() > MAX_ADDRESS_BYTES || address.parse::<PeerAddr>().is_err();
        let spoilt = self.advertise.len() > MAX_ADDRESSES || self.advertise.iter().any(is_wrong);
        let rules = [
            (spoilt, "advertise must be at most 8 addresses of at most 256 bytes"),
            (queue(self.events), "events must be 1 to 1048576"),
            (queue(self.commands), "commands must be 1 to 1048576"),
            (queue(self.frames), "frames must be 1 to 1048576"),
            (self.outbox_frames < 8, "outbox_frames must be at least 8"),
            (self.outbox_bytes < 2 * MAX_RUN_BYTES, "outbox_bytes must be at least 128 KiB, two runs"),
            (self.read_lanes == 0 || self.read_lanes > 64, "read_lanes must be 1 to 64"),
            (self.page_bytes == 0, "page_bytes must be above zero"),
            (self.commit_bytes < MAX_RUN_BYTES, "commit_bytes must be at least 64 KiB, one run"),
            (self.retention_every < Duration::from_millis(10), "retention_every must be at least 10 ms"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(ConfigError(rule)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_valid_and_every_bound_is_checked() {
        assert_eq!(Config::default().validate(), Ok(()));
        type Spoil = fn(&mut Config);
        let spoils: [Spoil; 12] = [
            |c| c.advertise = vec!["nowhere".into()],
            |c| c.advertise = vec!["tcp://there:1".into(); 9],
            |c| c.node.max_links = 0,
            |c| c.events = 0,
            |c| c.commands = usize::MAX,
            |c| c.frames = 0,
            |c| c.outbox_frames = 7,
            |c| c.outbox_bytes = 1000,
            |c| c.read_lanes = 0,
            |c| c.page_bytes = 0,
            |c| c.commit_bytes = 1,
            |c| c.retention_every = Duration::ZERO,
        ];
        for (at, spoil) in spoils.iter().enumerate() {
            let mut config = Config::default();
            spoil(&mut config);
            assert!(config.validate().is_err(), "rule {at}");
        }
    }
}
