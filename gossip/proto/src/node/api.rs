//! The doors of the node.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use serde::{Deserialize, Serialize};

use super::{Command, CommandError, Event, Reply, SyncChoice};
use crate::wire::OFFERED_VERSION;
use crate::{
    Ed25519Check, Inventory, MemberRow, NodeId, NodeRecord, SealCheck, Sealer, StoreFailure, StoreReply,
    StoreRequest,
};

/// One reachable peer over one transport; never used again after it went down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub u64);

/// One store operation in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// One command in flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u64);

/// What a link can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LinkLimits {
    /// Largest frame in bytes, at least [`LinkLimits::MIN_FRAME`]; larger messages go in pieces.
    pub max_frame: usize,
    /// Frames arrive in the order sent.
    pub ordered: bool,
    /// Frames arrive while the link is up.
    pub reliable: bool,
    /// Ends within seconds when the other side is gone, as radio links do: then beats and rounds on it are rare.
    pub notices_loss: bool,
    /// Of several links to one peer the cheapest is used. A [`SyncChoice`] can leave streams out on dear ones.
    pub cost: u8,
}

impl LinkLimits {
    /// Every link carries frames of at least this size; smaller radios segment inside.
    pub const MIN_FRAME: usize = 256;
}

/// In which lane of a link's outbox a frame waits. Urgent overtakes live, live overtakes bulk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// Handshakes, pings, acknowledgements.
    Urgent,
    /// Fresh entries and what leads to them.
    Live,
    /// History.
    Bulk,
}

/// Bytes for one link, in parts so that payloads are not copied on their way out. A small frame lies in the
/// value itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    small: [u8; Self::INLINE],
    len: u8,
    parts: Vec<Bytes>,
}

impl Frame {
    /// Frames up to this size need no memory of their own.
    pub const INLINE: usize = 48;

    /// A frame of several parts.
    #[must_use]
    pub fn from_parts(parts: Vec<Bytes>) -> Self {
        Self { small: [0; Self::INLINE], len: 0, parts }
    }

    /// A frame of a copy of these bytes.
    #[must_use]
    pub fn small(bytes: &[u8]) -> Self {
        let mut frame = Self::from_parts(Vec::new());
        match frame.small.get_mut(..bytes.len()) {
            Some(small) => {
                small.copy_from_slice(bytes);
                frame.len = bytes.len() as u8;
            }
            None => frame.parts.push(Bytes::copy_from_slice(bytes)),
        }
        frame
    }

    /// Its bytes: first those in the value itself, then the parts, of which none needs to be copied.
    #[must_use]
    pub fn split(&self) -> (&[u8], &[Bytes]) {
        (&self.small[..usize::from(self.len)], &self.parts)
    }

    /// The parts in order. None is copied, unless the frame is small.
    #[must_use]
    pub fn into_parts(mut self) -> Vec<Bytes> {
        let (small, _) = self.split();
        if !small.is_empty() {
            let small = Bytes::copy_from_slice(small);
            self.parts.insert(0, small);
        }
        self.parts
    }

    /// Length of all parts together.
    #[must_use]
    pub fn len(&self) -> usize {
        usize::from(self.len) + self.parts.iter().map(Bytes::len).sum::<usize>()
    }

    /// Whether there are no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All parts as one buffer; copies only if there are several, or the frame is small.
    #[must_use]
    pub fn into_bytes(mut self) -> Bytes {
        if self.len == 0 && self.parts.len() == 1 {
            return self.parts.swap_remove(0);
        }
        let mut joined = BytesMut::with_capacity(self.len());
        joined.extend_from_slice(self.split().0);
        self.parts.iter().for_each(|part| joined.extend_from_slice(part));
        joined.freeze()
    }
}

impl Default for Frame {
    fn default() -> Self {
        Self::from_parts(Vec::new())
    }
}

impl From<Bytes> for Frame {
    fn from(bytes: Bytes) -> Self {
        Self::from_parts(vec![bytes])
    }
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Bytes::from(bytes).into()
    }
}

/// Everything that can happen to a node.
#[derive(Debug, Clone)]
pub enum Input {
    /// A frame arrived.
    Frame {
        /// On this link.
        link: LinkId,
        /// Its bytes; payloads will be slices of them.
        bytes: Bytes,
    },
    /// A peer became reachable.
    LinkUp {
        /// As the transport proved or claimed.
        peer: NodeId,
        /// New name for the link.
        link: LinkId,
        /// What it can carry.
        limits: LinkLimits,
    },
    /// A link is gone.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A link's outbox filled up, or drained again.
    LinkCongested {
        /// Which.
        link: LinkId,
        /// Whether to hold back.
        congested: bool,
    },
    /// The application wants something.
    Command {
        /// Comes back in the reply.
        id: CommandId,
        /// What.
        command: Command,
    },
    /// A store operation ended.
    Stored {
        /// Which.
        op: OpId,
        /// How.
        result: Result<StoreReply, StoreFailure>,
    },
    /// The store can take a commit now: what was appended since the last one becomes runs. To be given
    /// whenever [`Node::has_unwritten`](super::Node::has_unwritten), at once or as soon as the store has
    /// done what it was given; waiting for that makes fewer, larger runs.
    StoreReady,
    /// The deadline named before is due.
    Deadline,
}

/// Everything a node wants done.
#[derive(Debug, Clone)]
pub enum Effect {
    /// Put a frame into a link's outbox; a full outbox drops it and the protocol repairs.
    Send {
        /// The link.
        link: LinkId,
        /// The bytes.
        frame: Frame,
        /// The lane.
        class: Class,
    },
    /// Close a link: its peer broke the protocol or is not wanted.
    Close {
        /// The link.
        link: LinkId,
    },
    /// Do a store operation and report with [`Input::Stored`].
    Store {
        /// Comes back with the result.
        op: OpId,
        /// What to do.
        request: StoreRequest,
    },
    /// Answer a command; each is answered exactly once.
    Reply {
        /// The command.
        id: CommandId,
        /// Its outcome.
        result: Result<Reply, CommandError>,
    },
    /// Try to open a link to a member, once and soon: [`Input::LinkUp`] comes of it, or nothing.
    Dial {
        /// Whom.
        peer: NodeId,
        /// Where it can be dialled, as it says.
        addresses: Vec<String>,
    },
    /// Nothing comes on a link any more. Where its way may be lost, try another one, which takes its place.
    Renew(LinkId),
    /// Stop trying to reach a member that was dialled: others are next to us now. Links stay.
    Forget(NodeId),
    /// Tell the application.
    Notify(Event),
}

/// Bounds of a node. Everything else is measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Remote stamps further ahead of the wall clock are not merged into ours.
    pub max_drift: Duration,
    /// Payload limit of channels created without one, in bytes.
    pub payload_limit: u64,
    /// Bytes of runs asked for and not yet received, per peer.
    pub window_bytes: usize,
    /// Bytes of runs handed to the store and not yet acknowledged; above it nothing is asked for.
    pub store_budget_bytes: usize,
    /// Payload bytes of appends accepted and not yet handed to the store.
    pub append_queue_bytes: usize,
    /// Shortest pause between two exchanges with a peer that is out of step.
    pub round_min: Duration,
    /// Longest pause between two exchanges with any peer.
    pub round_max: Duration,
    /// An idle link is probed this often.
    pub keepalive: Duration,
    /// Largest message taken apart into pieces or put together from them, in bytes.
    pub message_bytes: usize,
    /// Links at once.
    pub max_links: usize,
    /// Logs known at once, and streams: peers cannot make the node remember more.
    pub max_logs: usize,
    /// Members of the group tell each other of those they know, where they share a channel: who is in touch with one
    /// is in touch with all. When off, only those are members that have a link to this node, and what others say of
    /// them counts for nothing: a silence of our own is taken for theirs (there is no witness), one link that is lost
    /// or falls silent decides (no second accuser), and nobody vouches for who is only late here.
    pub peer_exchange: bool,
    /// Members known at once, at most 32,768: tables are compared by 256 arcs of up to 256 members each.
    pub max_members: usize,
    /// Entries are erased when their author asks. In open channels anybody can claim to be the author
    /// of what is written already. When off, every request is only told, as
    /// [`Event::EraseRequested`].
    pub follow_erasures: bool,
}

impl Default for NodeConfig {
    fn default() -> Self {
        Self {
            max_drift: Duration::from_secs(300),
            payload_limit: 1 << 20,
            window_bytes: 2 << 20,
            store_budget_bytes: 8 << 20,
            append_queue_bytes: 64 << 20,
            round_min: Duration::from_millis(20),
            round_max: Duration::from_secs(30),
            keepalive: Duration::from_secs(15),
            message_bytes: 80 << 20,
            max_links: 4096,
            max_logs: 4 << 20,
            peer_exchange: true,
            max_members: 4_096,
            follow_erasures: true,
        }
    }
}

/// A bound in [`NodeConfig`] makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("config: {0}")]
pub struct ConfigError(pub &'static str);

impl NodeConfig {
    /// Largest payload any channel of this node may allow.
    #[must_use]
    pub fn max_payload(&self) -> u64 {
        let message = self.message_bytes.saturating_sub(64 * 1024);
        (crate::MAX_PAYLOAD_BYTES.min(self.append_queue_bytes).min(message)) as u64
    }

    /// Checks the bounds against each other.
    ///
    /// # Errors
    /// [`ConfigError`] names the first rule that is broken.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let rules = [
            (self.round_min.is_zero(), "round_min must be above zero"),
            (self.round_max < self.round_min, "round_max must be at least round_min"),
            (self.keepalive.is_zero(), "keepalive must be above zero"),
            (self.payload_limit == 0, "payload_limit must be above zero"),
            (self.payload_limit > crate::MAX_PAYLOAD_BYTES as u64, "payload_limit must be at most 64 MiB"),
            (self.window_bytes < crate::MAX_RUN_BYTES, "window_bytes must be at least 64 KiB, one run"),
            (
                self.store_budget_bytes < crate::MAX_RUN_BYTES,
                "store_budget_bytes must be at least 64 KiB, one run",
            ),
            (
                (self.append_queue_bytes as u64) < self.payload_limit,
                "append_queue_bytes must be at least payload_limit",
            ),
            (
                (self.message_bytes as u64) < self.payload_limit.saturating_add(64 * 1024),
                "message_bytes must be at least payload_limit and 64 KiB",
            ),
            (self.max_links == 0, "max_links must be above zero"),
            (self.max_logs == 0, "max_logs must be above zero"),
            (self.max_members == 0, "max_members must be above zero"),
            (self.max_members > 256 * crate::wire::MAX_KEYS / 2, "max_members must be at most 32,768"),
        ];
        match rules.iter().find(|(broken, _)| *broken) {
            Some((_, rule)) => Err(ConfigError(rule)),
            None => Ok(()),
        }
    }
}

/// What a node starts from.
#[derive(Debug)]
pub struct Boot {
    /// Who this is.
    pub record: NodeRecord,
    /// Signs what this node writes; there must be one if its id is a key, and it must be that key.
    pub sealer: Option<Arc<dyn Sealer>>,
    /// Checks what others signed.
    pub check: Box<dyn SealCheck>,
    /// What its store holds.
    pub inventory: Inventory,
    /// Bounds.
    pub config: NodeConfig,
    /// Seed for jitter and choices.
    pub seed: u64,
    /// From the operating system: epochs and nonces are drawn from it.
    pub secret: [u8; 32],
    /// The newest wire version to offer and to read; for tests of nodes that know no newer one.
    pub max_version: u8,
    /// What is exchanged, and with whom.
    pub sync: SyncChoice,
    /// Members of the group known from before; those beyond [`NodeConfig::max_members`] are left out.
    pub members: Vec<MemberRow>,
}

impl Boot {
    /// A node with a plain id that checks Ed25519 seals.
    #[must_use]
    pub fn new(
        record: NodeRecord,
        inventory: Inventory,
        config: NodeConfig,
        seed: u64,
        secret: [u8; 32],
    ) -> Self {
        let check = Box::new(Ed25519Check::default());
        let (max_version, sync, members) = (OFFERED_VERSION, SyncChoice::default(), Vec::new());
        Self { record, sealer: None, check, inventory, config, seed, secret, max_version, sync, members }
    }
}
