//! The life of a link: one task that reads, writes and watches.

use std::sync::Arc;
use std::time::Duration;

use gossip_core::PortEvent;
use gossip_core::proto::NodeId;
use gossip_core::proto::node::{LinkId, LinkLimits};
use tokio::net::tcp::OwnedReadHalf;
use tokio::sync::Notify;
use tokio::time::timeout;

use crate::dial::renew;
use crate::outbox::Outbox;
use crate::pulse::{Signs, pulse};
use crate::reader::{End, read};
use crate::rivalry::Connection;
use crate::shared::Shared;

/// How long a link that we close may take to write what was accepted.
const DRAIN_WITHIN: Duration = Duration::from_millis(200);

/// What others may do with a link.
#[derive(Debug)]
pub(crate) struct Link {
    pub(crate) id: LinkId,
    pub(crate) peer: NodeId,
    pub(crate) connection: Connection,
    pub(crate) limits: LinkLimits,
    pub(crate) outbox: Outbox,
    pub(crate) signs: Signs,
    /// Where it leads, if we began it.
    target: Option<String>,
    stop: Notify,
}

impl Link {
    pub(crate) fn new(
        id: LinkId,
        peer: NodeId,
        connection: Connection,
        limits: LinkLimits,
        target: Option<String>,
        outbox: Outbox,
    ) -> Self {
        Self { id, peer, connection, limits, outbox, signs: Signs::default(), target, stop: Notify::new() }
    }

    /// It may have lost its way: another connection is tried beside it by who began it, until something comes.
    pub(crate) fn renew(self: &Arc<Self>, shared: &Arc<Shared>) {
        if let Some(target) = self.target.clone().filter(|_| self.signs.begin_renewal()) {
            shared.spawn(renew(shared.clone(), self.clone(), target));
        }
    }

    /// Has the link end soon.
    pub(crate) fn stop(&self) {
        self.stop.notify_one();
    }
}

/// Lives a link from its `LinkUp` to its `LinkDown`.
pub(crate) async fn live(shared: Arc<Shared>, link: Arc<Link>, socket: OwnedReadHalf, keepalive: Duration) {
    let (id, limits) = (link.id, link.limits);
    shared.inbox.put(PortEvent::LinkUp { peer: link.peer.clone(), link: id, limits }).await;
    let complaint = tokio::select! {
        () = link.stop.notified() => {
            let _ = timeout(DRAIN_WITHIN, link.outbox.drain()).await;
            None
        }
        end = read(socket, id, limits.max_frame, &shared.inbox, &link.signs) => match end {
            End::Gone => None,
            End::TooLong(len) => {
                Some(format!("announced a frame of {len} bytes, over the limit of {}", limits.max_frame))
            }
        },
        _ = link.outbox.write() => None,
        () = pulse(keepalive, &link.signs, &link.outbox, || link.renew(&shared)) => Some(format!("was silent for {:?}", keepalive * 3)),
    };
    if let Some(complaint) = complaint {
        shared.inbox.trouble(format!("{} {complaint}; the link was closed", link.peer));
    }
    link.outbox.close();
    shared.inbox.put(PortEvent::LinkDown { link: id }).await;
    shared.links.remove(&link);
}
