//! What waits for one port.

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;
use gossip_core::PortEvent;
use gossip_core::proto::node::LinkId;
use tokio::time::Instant;

use crate::Tally;

/// Frames that wait for the receiver, per link.
pub(crate) const QUEUE_FRAMES: u64 = 4096;
/// Bytes that wait for the receiver, per link; a single frame may exceed it.
pub(crate) const QUEUE_BYTES: u64 = 16 << 20;
/// Complaints that wait for the receiver; more are dropped.
const QUEUE_TROUBLES: usize = 16;

/// Events ready to be received and frames still travelling.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    ready: VecDeque<PortEvent>,
    travelling: BTreeMap<(Instant, u64), (LinkId, Bytes)>,
    waiting: BTreeMap<LinkId, Tally>,
    troubles: usize,
    arrivals: u64,
}

impl Inbox {
    /// Frames of a link that wait or travel.
    pub(crate) fn pending(&self, link: LinkId) -> usize {
        self.waiting.get(&link).map_or(0, |tally| usize::try_from(tally.frames).unwrap_or(usize::MAX))
    }

    /// Takes a frame that arrives at `due`, or now; false when the link's queue is full.
    pub(crate) fn put(&mut self, link: LinkId, bytes: Bytes, due: Option<Instant>) -> bool {
        let tally = self.waiting.entry(link).or_default();
        let full = tally.frames >= QUEUE_FRAMES || tally.bytes + bytes.len() as u64 > QUEUE_BYTES;
        if full && tally.frames > 0 {
            return false;
        }
        tally.count(bytes.len());
        self.arrivals += 1;
        match due {
            Some(due) => {
                self.travelling.insert((due, self.arrivals), (link, bytes));
            }
            None => self.ready.push_back(PortEvent::Frame { link, bytes }),
        }
        true
    }

    pub(crate) fn up(&mut self, event: PortEvent) {
        self.ready.push_back(event);
    }

    /// Ends a link; returns what was under way and will not be received. A link whose `LinkUp`
    /// was not received yet leaves no trace, so links that come and go cannot fill the inbox.
    pub(crate) fn down(&mut self, link: LinkId) -> Tally {
        let mut dropped = Tally::default();
        self.travelling.retain(|_, (of, bytes)| {
            let keep = *of != link;
            if !keep {
                dropped.count(bytes.len());
            }
            keep
        });
        let is_up = |event: &PortEvent| matches!(event, PortEvent::LinkUp { link: of, .. } if *of == link);
        if !self.ready.iter().any(is_up) {
            self.ready.push_back(PortEvent::LinkDown { link });
            return dropped;
        }
        self.ready.retain(|event| match event {
            PortEvent::Frame { link: of, bytes } if *of == link => {
                dropped.count(bytes.len());
                false
            }
            event => !is_up(event),
        });
        self.waiting.remove(&link);
        dropped
    }

    pub(crate) fn trouble(&mut self, detail: String) {
        if self.troubles < QUEUE_TROUBLES {
            self.troubles += 1;
            self.ready.push_back(PortEvent::Trouble { detail });
        }
    }

    /// The next event, after what is due by now has arrived.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<PortEvent> {
        while let Some(first) = self.travelling.first_entry().filter(|first| first.key().0 <= now) {
            let (link, bytes) = first.remove();
            self.ready.push_back(PortEvent::Frame { link, bytes });
        }
        let event = self.ready.pop_front()?;
        match &event {
            PortEvent::Frame { link, bytes } => self.received(*link, bytes.len()),
            PortEvent::LinkDown { link } => {
                self.waiting.remove(link);
            }
            PortEvent::Trouble { .. } => self.troubles -= 1,
            _ => {}
        }
        Some(event)
    }

    /// When the next travelling frame arrives.
    pub(crate) fn next_arrival(&self) -> Option<Instant> {
        self.travelling.first_key_value().map(|((due, _), _)| *due)
    }

    /// What nobody will receive any more.
    pub(crate) fn abandoned(&self) -> Tally {
        self.waiting.values().fold(Tally::default(), |sum, tally| Tally {
            frames: sum.frames + tally.frames,
            bytes: sum.bytes + tally.bytes,
        })
    }

    fn received(&mut self, link: LinkId, len: usize) {
        if let Some(tally) = self.waiting.get_mut(&link) {
            tally.frames -= 1;
            tally.bytes -= len as u64;
        }
    }
}
