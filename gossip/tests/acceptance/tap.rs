//! Hooks on a transport: see what its node sends, and spoil it on request.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use gossip::proto::node::{Frame, LinkId};
use gossip::proto::wire::{self, Content, Message};
use gossip::{NodeId, PortError, PortEvent, Transport};
use gossip_testkit::double::{PortHooks, TransportDouble};
use tokio::sync::watch;

/// What happens to frames on their way out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Spoil {
    #[default]
    Nothing,
    /// Messages with runs vanish.
    Mute,
    /// Messages with runs lose their last byte.
    Truncate,
    /// Every send fails.
    Fail,
}

/// The handle a test holds; clones are the same tap.
#[derive(Clone)]
pub(crate) struct Tap {
    sent: Arc<Mutex<Vec<Message>>>,
    spoil: watch::Sender<Spoil>,
    blocked: watch::Sender<Option<NodeId>>,
    /// Of one port at a time: a new one uses its link ids anew.
    peers: Arc<Mutex<BTreeMap<LinkId, NodeId>>>,
}

impl Tap {
    pub(crate) fn new() -> Self {
        Self {
            sent: Arc::default(),
            spoil: watch::Sender::new(Spoil::Nothing),
            blocked: watch::Sender::new(None),
            peers: Arc::default(),
        }
    }

    pub(crate) fn spoil(&self, spoil: Spoil) {
        self.spoil.send_replace(spoil);
    }

    /// From now on the link to this peer takes nothing: sends wait.
    pub(crate) fn block(&self, peer: Option<NodeId>) {
        self.blocked.send_replace(peer);
    }

    /// How many messages of a kind were sent, whole.
    pub(crate) fn count(&self, fits: impl Fn(&Message) -> bool) -> usize {
        self.sent.lock().unwrap().iter().filter(|message| fits(message)).count()
    }

    /// How many messages were sent.
    pub(crate) fn all(&self) -> usize {
        self.count(|_| true)
    }

    pub(crate) fn sent(&self) -> Vec<Message> {
        self.sent.lock().unwrap().clone()
    }

    pub(crate) fn clear(&self) {
        self.sent.lock().unwrap().clear();
    }

    /// The transport with the tap on it.
    pub(crate) fn on(&self, inner: Arc<dyn Transport>) -> TransportDouble {
        TransportDouble::new(inner, Arc::new(self.clone()))
    }

    /// What becomes of a frame; `None` when it vanishes.
    fn pass(&self, frame: Frame) -> Result<Option<Frame>, PortError> {
        let spoil = *self.spoil.borrow();
        if spoil == Spoil::Fail {
            return Err(PortError::Io { doing: "sending", detail: "as the test wishes".into() });
        }
        let bytes = frame.clone().into_bytes();
        let Ok(Content::Whole(message)) = wire::read(&bytes) else { return Ok(Some(frame)) };
        let has_runs = carries_runs(&message);
        self.sent.lock().unwrap().push(message);
        Ok(match spoil {
            Spoil::Mute if has_runs => None,
            Spoil::Truncate if has_runs => Some(bytes.slice(..bytes.len() - 1).into()),
            _ => Some(frame),
        })
    }
}

/// Whether a message brings entries.
pub(crate) fn carries_runs(message: &Message) -> bool {
    matches!(message, Message::Delta(_) | Message::Runs(_) | Message::Push(_))
}

#[async_trait]
impl PortHooks for Tap {
    fn received(&self, event: &PortEvent) {
        if let PortEvent::LinkUp { peer, link, .. } = event {
            self.peers.lock().unwrap().insert(*link, peer.clone());
        }
    }

    async fn sending(&self, to: LinkId, frame: Frame) -> Result<Option<Frame>, PortError> {
        let peer = self.peers.lock().unwrap().get(&to).cloned();
        let mut blocked = self.blocked.subscribe();
        let free = blocked.wait_for(|blocked| blocked.is_none() || *blocked != peer).await.map(drop);
        free.expect("the tap holds the other end");
        self.pass(frame)
    }
}
