//! One frame on its way.

use std::time::Duration;

use bytes::Bytes;
use gossip_core::PortError;
use gossip_core::proto::node::{Frame, LinkId};
use tokio::time::Instant;

use crate::state::State;

impl State {
    /// Sends a frame, through whatever the weather is.
    pub(crate) fn carry(
        &mut self,
        name: &str,
        serial: u64,
        to: LinkId,
        frame: Frame,
    ) -> Result<(), PortError> {
        let link = self.port(name, serial).ok_or(PortError::Closed)?.links.get(&to);
        let link = link.ok_or(PortError::UnknownLink)?.clone();
        let len = frame.len();
        if len == 0 {
            return Err(PortError::EmptyFrame);
        }
        if len > link.limits.max_frame {
            return Err(PortError::FrameTooLarge { len, limit: link.limits.max_frame });
        }
        self.stats.sent.count(len);
        let faults = self.weather.faults(name, &link.peer).clone();
        if self.weather.is_silenced(name, &link.peer) || self.rng.chance(faults.loss.into()) {
            self.stats.dropped_by_fault.count(len);
            return Ok(());
        }
        let bytes = frame.into_bytes();
        if self.rng.chance(faults.duplicate.into()) {
            self.stats.duplicated.count(len);
            let delay = faults.travel(&mut self.rng);
            self.arrive(name, to, bytes.clone(), delay, None);
        }
        let (delay, held) = (faults.travel(&mut self.rng), faults.hold_back(&mut self.rng));
        self.arrive(name, to, bytes, delay, held);
        Ok(())
    }

    /// Puts a frame into the receiver's inbox. Frames keep their order unless held back.
    fn arrive(&mut self, from: &str, over: LinkId, bytes: Bytes, delay: Duration, held: Option<Duration>) {
        let Some(link) = self.ports.get_mut(from).and_then(|port| port.links.get_mut(&over)) else { return };
        let due = match held {
            Some(held) => Some(Instant::now() + delay + held),
            None if delay.is_zero() && link.last_due.is_none() => None,
            None => {
                let due =
                    link.last_due.map_or(Instant::now() + delay, |last| last.max(Instant::now() + delay));
                link.last_due = Some(due);
                Some(due)
            }
        };
        let (peer, peer_link, len) = (link.peer.clone(), link.peer_link, bytes.len());
        let Some(peer) = self.ports.get_mut(&peer) else { return };
        if peer.inbox.put(peer_link, bytes, due) {
            peer.wake.notify_one();
        } else {
            self.stats.dropped_by_full_queue.count(len);
        }
    }

    /// Frames sent over a link that its receiver did not take yet.
    pub(crate) fn pending(&mut self, name: &str, serial: u64, to: LinkId) -> usize {
        let Some(link) = self.port(name, serial).and_then(|port| port.links.get(&to)).cloned() else {
            return 0;
        };
        self.ports.get(&link.peer).map_or(0, |peer| peer.inbox.pending(link.peer_link))
    }
}
