//! Links to members the application never named: whom the node wants next to it is dialled for a while.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip_proto::NodeId;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::PeerAddr;

/// What the node wants of the supervisor.
pub(super) enum Wish {
    Dial { peer: NodeId, addresses: Vec<String> },
    Forget { peer: NodeId },
}

/// Wishes that may wait. More are dropped: the node asks again.
pub(super) const WISHES: usize = 32;

/// A port tries for so long. A link that comes of it stays; the node asks again for one that does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Members that are dialled at once.
const MOST: usize = 64;

/// Members being dialled, and the way on which the node asks for it.
pub(super) struct Dials {
    wishes: mpsc::Receiver<Wish>,
    open: BTreeMap<NodeId, (Instant, BTreeSet<PeerAddr>)>,
    /// The node is gone.
    ended: bool,
}

impl Dials {
    pub(super) fn new(wishes: mpsc::Receiver<Wish>) -> Self {
        Self { wishes, open: BTreeMap::new(), ended: false }
    }

    /// Waits for a wish, which gives `Some`, or until a dial has taken too long. Cancel safe.
    pub(super) async fn next(&mut self) -> Option<Wish> {
        loop {
            let patience = self.open.values().map(|(until, _)| *until).min();
            tokio::select! {
                wish = self.wishes.recv(), if !self.ended => match wish {
                    Some(wish) => return Some(wish),
                    None => self.ended = true,
                },
                () = until(patience) => return None,
            }
        }
    }

    /// Notes a dial; answers which addresses are to be dialled.
    pub(super) fn begin(&mut self, peer: NodeId, addresses: &[String]) -> Vec<PeerAddr> {
        if self.open.len() >= MOST && !self.open.contains_key(&peer) {
            return Vec::new();
        }
        let addresses: Vec<PeerAddr> = addresses.iter().filter_map(|text| text.parse().ok()).collect();
        let until = Instant::now() + PATIENCE;
        let (longest, open) = self.open.entry(peer).or_insert((until, BTreeSet::new()));
        *longest = until;
        open.extend(addresses.iter().cloned());
        addresses
    }

    /// Addresses dialled for a member, which are not any more.
    pub(super) fn end(&mut self, peer: &NodeId) -> BTreeSet<PeerAddr> {
        self.open.remove(peer).map(|(_, addresses)| addresses).unwrap_or_default()
    }

    /// Those who were dialled for long enough.
    pub(super) fn overdue(&self) -> Vec<NodeId> {
        let now = Instant::now();
        self.open.iter().filter(|(_, (until, _))| *until <= now).map(|(peer, _)| peer.clone()).collect()
    }

    /// Everybody is given up.
    pub(super) fn clear(&mut self) {
        self.open.clear();
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
