//! What a transport is: a recipe ([`Transport`]) that opens a live endpoint ([`MessagePort`]).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use gossip_proto::NodeId;
use gossip_proto::node::{Class, Frame, LinkId, LinkLimits};

/// Who opens a port.
#[derive(Debug, Clone)]
pub struct LocalNode {
    /// The node's id.
    pub id: NodeId,
    /// Random for each start of the node: tells two incarnations of one id apart.
    pub instance: u64,
}

/// Where a peer can be reached: a scheme, a colon, and what the transport makes of the rest, as
/// in `tcp://192.168.1.7:7400` or `memory:ann`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerAddr(String);

impl PeerAddr {
    /// The part before the first colon, or `""` when the address begins with a slash.
    #[must_use]
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| if scheme.contains('/') { "" } else { scheme })
    }

    /// The part after the scheme, its colon and up to two slashes.
    #[must_use]
    pub fn rest(&self) -> &str {
        match self.0.split_once(':') {
            Some((scheme, rest)) if !scheme.contains('/') => rest.strip_prefix("//").unwrap_or(rest),
            _ => &self.0,
        }
    }

    /// The whole address.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for PeerAddr {
    type Err = PortError;

    fn from_str(text: &str) -> Result<Self, PortError> {
        let blank = text.trim().is_empty() || text.chars().any(char::is_control);
        if blank || text.len() > 1024 || !text.contains([':', '/']) {
            return Err(PortError::Address { address: text.escape_debug().take(200).collect() });
        }
        Ok(Self(text.to_owned()))
    }
}

/// What happens on a port.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum PortEvent {
    /// A peer is reachable over a new link. The id must not have been used by this port before.
    LinkUp {
        /// Who, as the transport's own handshake says.
        peer: NodeId,
        /// New, unique for the life of the port.
        link: LinkId,
        /// What the link can carry.
        limits: LinkLimits,
    },
    /// A link is gone; nothing more will be received on it.
    LinkDown {
        /// Which.
        link: LinkId,
    },
    /// A frame arrived, whole, never larger than the link's limit.
    Frame {
        /// On which link.
        link: LinkId,
        /// One allocation per read; payloads stay slices of it.
        bytes: Bytes,
    },
    /// Something went wrong that the application may want to know, as an address that cannot be
    /// reached (the port goes on trying) or a handshake that was refused.
    Trouble {
        /// For a person.
        detail: String,
    },
}

/// Why a port could not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PortError {
    /// The port is closed.
    #[error("the port is closed")]
    Closed,
    /// No such link (any more).
    #[error("no such link")]
    UnknownLink,
    /// The frame has no bytes: transports are free to use empty frames for themselves.
    #[error("a frame of no bytes cannot be sent")]
    EmptyFrame,
    /// The frame is larger than the link carries.
    #[error("a frame of {len} bytes is over the link's limit of {limit}")]
    FrameTooLarge {
        /// Bytes given.
        len: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The address is not one this transport understands.
    #[error("not an address of this transport: {address}")]
    Address {
        /// As given.
        address: String,
    },
    /// Listening failed, as when the port is in use.
    #[error("cannot listen on {address}: {detail}")]
    Listen {
        /// Where.
        address: String,
        /// What the system says.
        detail: String,
    },
    /// An option is wrong.
    #[error("option {option}: {detail}")]
    Option {
        /// Which.
        option: &'static str,
        /// What is wrong with it.
        detail: String,
    },
    /// Anything else the system says.
    #[error("{doing}: {detail}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the system says.
        detail: String,
    },
}

/// A recipe for a port. Kept by the coordinator, which opens it at every start.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    /// Short name for logs, as in `tcp`.
    fn name(&self) -> &str;

    /// Opens an endpoint for this node. Called again after the port it returned was closed.
    ///
    /// # Errors
    /// [`PortError::Listen`] when the local address is taken, [`PortError::Option`] when the
    /// recipe makes no sense. Peers that cannot be reached are no error.
    async fn open(&self, local: LocalNode) -> Result<Arc<dyn MessagePort>, PortError>;
}

/// A live endpoint with any number of links.
///
/// Frames may be lost, duplicated or reordered as the link's limits say; they are never split,
/// joined or altered. Contract, checked by `port_conformance!`:
///
/// * Every link begins with one `LinkUp` and ends with one `LinkDown`; frames come only between.
/// * A frame has at least one byte and at most the link's `max_frame`. One of several parts
///   arrives joined.
/// * `send` queues and returns. Queues are bounded per link: when one is full, `send` waits for
///   room where the link is `reliable`, and drops (and counts) where it is not; either way other
///   links are not held up.
/// * Between two ports there is at most one link, however many addresses lead from one to the
///   other and whoever dialled; while the losing one is found out, a link may come and go.
/// * After `close` every call returns [`PortError::Closed`] and `recv` ends.
#[async_trait]
pub trait MessagePort: Send + Sync + 'static {
    /// Waits for the next event. One task calls it.
    ///
    /// Cancel safe: an event is lost only if it was returned.
    ///
    /// # Errors
    /// [`PortError::Closed`] after `close`.
    async fn recv(&self) -> Result<PortEvent, PortError>;

    /// Hands a frame to a link. `Ok` means accepted, not delivered. It may wait until the link
    /// takes more (the coordinator calls it from one task per link, so one slow link stalls
    /// nobody else) but not for the peer to answer.
    ///
    /// Cancel safety: a cancelled send was made whole or not at all, or the link goes down.
    ///
    /// # Errors
    /// [`PortError::UnknownLink`], [`PortError::EmptyFrame`], [`PortError::FrameTooLarge`],
    /// [`PortError::Closed`].
    async fn send(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), PortError>;

    /// As [`MessagePort::send`] where that needs no waiting, from whoever decides on the frame: it saves
    /// waking the link's task. Not called while a `send` to this link is under way. The default leaves
    /// everything to `send`.
    ///
    /// # Errors
    /// The frame, of which nothing was sent: it would have to wait, or `send` has more to say.
    fn send_at_once(&self, to: LinkId, frame: Frame, class: Class) -> Result<(), Frame> {
        let _ = (to, class);
        Err(frame)
    }

    /// Begins to connect to an address and keeps trying, with jittered back-off, until it is
    /// linked, again after the link was lost, and until [`MessagePort::forget`]. The outcome
    /// arrives as `LinkUp`. An address already being tried is tried now rather than after its pause, which may be left
    /// out where no pause is longer than a second or two. One that is linked changes nothing.
    ///
    /// # Errors
    /// [`PortError::Address`] when the address is not one of this transport.
    async fn connect(&self, to: &PeerAddr) -> Result<(), PortError>;

    /// The network may be back: what waits to be dialled again is dialled now, as if for the first time. Links stay. The
    /// default does nothing, which is right where no pause is longer than a second or two.
    fn hurry(&self) {}

    /// Nothing comes on a link any more, as far as the node can tell. Where that may be for a connection that has lost its
    /// way, another one is tried beside it, which takes its place: its `LinkDown` and the other's `LinkUp` follow. The default
    /// does nothing, which is right where a link notices that itself, or carries what is sent as soon as it can again.
    /// Unknown links are ignored.
    fn renew(&self, link: LinkId) {
        let _ = link;
    }

    /// Stops trying to connect to an address; an existing link stays.
    async fn forget(&self, address: &PeerAddr);

    /// Closes one link. Its `LinkDown` follows. Unknown links are ignored.
    async fn disconnect(&self, link: LinkId);

    /// Addresses others can connect to, as far as known. They may be others when a link comes up, and are told anew then.
    fn local_addresses(&self) -> Vec<PeerAddr>;

    /// Frames accepted for a link and not yet handed to the system; 0 for unknown links.
    fn pending(&self, to: LinkId) -> usize;

    /// Whether this port understands addresses of this scheme.
    fn accepts(&self, address: &PeerAddr) -> bool;

    /// Closes all links and stops listening; returns when the address is free again. Repeated
    /// calls do nothing.
    async fn close(&self);
}
