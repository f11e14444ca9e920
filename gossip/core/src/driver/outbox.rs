//! Frames waiting for one link.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_proto::node::{Class, Frame};
use tokio::sync::Notify;

use crate::handle::Shared;

/// A bounded queue in three lanes between the driver, which never waits, and the pump of one
/// link, which does. When it is full, frames of lower lanes make room; else the new one is
/// dropped. The protocol repeats what mattered.
pub(super) struct Outbox {
    lanes: Mutex<Lanes>,
    ready: Notify,
    finishing: Notify,
    relieved: Arc<Notify>,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Lanes {
    queues: [VecDeque<Frame>; 3],
    frames: usize,
    bytes: usize,
    congested: bool,
    finishing: bool,
    /// The pump has not come back from sending a frame.
    sending: bool,
}

const CLASSES: [Class; 3] = [Class::Urgent, Class::Live, Class::Bulk];

impl Outbox {
    /// `relieved` is notified when a congested outbox has drained.
    pub(super) fn new(shared: Arc<Shared>, relieved: Arc<Notify>) -> Self {
        Self { lanes: Mutex::default(), ready: Notify::new(), finishing: Notify::new(), relieved, shared }
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Queues a frame, or drops and counts what does not fit. `true` when the outbox has just
    /// become congested.
    pub(super) fn push(&self, frame: Frame, class: Class) -> bool {
        let mut lanes = self.lock();
        if lanes.finishing {
            return false;
        }
        let before = (lanes.frames, lanes.bytes);
        let dropped = lanes.insert(frame, class as usize, self.limits());
        let after = (lanes.frames, lanes.bytes);
        let full = lanes.is_above(self.limits(), 3);
        let newly = full && !lanes.congested;
        lanes.congested |= full;
        drop(lanes);
        self.count(before, after);
        if dropped > 0 {
            self.shared.meters.outbox_dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        self.ready.notify_one();
        newly
    }

    /// Waits for the next frame, urgent before live before bulk; `None` when the outbox is finished
    /// and empty. Cancel safe.
    pub(super) async fn next(&self) -> Option<(Frame, Class)> {
        loop {
            let (taken, finishing) = self.take();
            match taken {
                Some(taken) => return Some(taken),
                None if finishing => return None,
                None => self.ready.notified().await,
            }
        }
    }

    fn take(&self) -> (Option<(Frame, Class)>, bool) {
        let mut lanes = self.lock();
        let before = (lanes.frames, lanes.bytes);
        let taken = lanes.pop();
        let relieved = lanes.congested && !lanes.is_above(self.limits(), 1);
        if relieved {
            lanes.congested = false;
        }
        let (after, finishing) = ((lanes.frames, lanes.bytes), lanes.finishing);
        drop(lanes);
        self.count(before, after);
        if relieved {
            self.relieved.notify_one();
        }
        (taken, finishing)
    }

    /// Whether a frame would be the pump's next and only one, so that it can as well go without it.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().is_idle()
    }

    /// Whether the node should hold back.
    pub(super) fn is_congested(&self) -> bool {
        self.lock().congested
    }

    /// Takes no more frames; what is queued is still handed out.
    pub(super) fn finish(&self) {
        self.lock().finishing = true;
        self.ready.notify_one();
        self.finishing.notify_one();
    }

    /// Waits until [`Outbox::finish`] was called. One task may wait.
    pub(super) async fn finishing(&self) {
        self.finishing.notified().await;
    }

    fn limits(&self) -> (usize, usize) {
        (self.shared.config.outbox_frames, self.shared.config.outbox_bytes)
    }

    fn count(&self, before: (usize, usize), after: (usize, usize)) {
        let meters = &self.shared.meters;
        // Wrapping differences add up to the true sums.
        meters.outbox_frames.fetch_add(after.0.wrapping_sub(before.0), Ordering::Relaxed);
        meters.outbox_bytes.fetch_add(after.1.wrapping_sub(before.1), Ordering::Relaxed);
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let left = {
            let lanes = self.lock();
            (lanes.frames, lanes.bytes)
        };
        self.count(left, (0, 0));
    }
}

impl Lanes {
    /// Queues a frame; how many frames were dropped, it or others.
    fn insert(&mut self, frame: Frame, lane: usize, limits: (usize, usize)) -> u64 {
        let len = frame.len();
        let mut dropped = 0;
        while self.frames + 1 > limits.0 || (self.frames > 0 && self.bytes + len > limits.1) {
            let Some(lower) = (lane + 1..3).rev().find(|lower| !self.queues[*lower].is_empty()) else {
                return dropped + 1;
            };
            if let Some(victim) = self.queues[lower].pop_back() {
                self.frames -= 1;
                self.bytes -= victim.len();
                dropped += 1;
            }
        }
        self.frames += 1;
        self.bytes += len;
        self.queues[lane].push_back(frame);
        dropped
    }

    fn is_idle(&self) -> bool {
        self.frames == 0 && !self.sending && !self.finishing
    }

    /// For the pump, which is back from sending the one before.
    fn pop(&mut self) -> Option<(Frame, Class)> {
        self.sending = self.frames > 0;
        for (queue, class) in self.queues.iter_mut().zip(CLASSES) {
            if let Some(frame) = queue.pop_front() {
                self.frames -= 1;
                self.bytes -= frame.len();
                return Some((frame, class));
            }
        }
        None
    }

    /// Whether more than so many quarters of a limit are used.
    fn is_above(&self, limits: (usize, usize), quarters: usize) -> bool {
        self.frames > limits.0 / 4 * quarters || self.bytes > limits.1 / 4 * quarters
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn frame(len: usize) -> Frame {
        Frame::from(Bytes::from(vec![0; len]))
    }

    #[test]
    fn urgent_overtakes_live_overtakes_bulk() {
        let mut lanes = Lanes::default();
        for (lane, len) in [(2, 1), (1, 2), (0, 3), (2, 4), (0, 5)] {
            assert_eq!(lanes.insert(frame(len), lane, (8, 100)), 0);
        }
        let order: Vec<_> = std::iter::from_fn(|| lanes.pop()).map(|(frame, _)| frame.len()).collect();
        assert_eq!(order, [3, 5, 2, 1, 4]);
        assert_eq!((lanes.frames, lanes.bytes), (0, 0));
    }

    #[test]
    fn it_is_idle_only_while_nothing_waits_or_is_being_sent() {
        let mut lanes = Lanes::default();
        assert!(lanes.is_idle());
        lanes.insert(frame(1), 1, (8, 100));
        assert!(!lanes.is_idle(), "something waits");
        assert!(lanes.pop().is_some());
        assert!(!lanes.is_idle(), "it is being sent");
        assert!(lanes.pop().is_none());
        assert!(lanes.is_idle(), "the pump is back");
        lanes.finishing = true;
        assert!(!lanes.is_idle(), "it takes no more");
    }

    #[test]
    fn when_full_lower_lanes_make_room_and_the_rest_is_dropped() {
        let mut lanes = Lanes::default();
        for _ in 0..4 {
            assert_eq!(lanes.insert(frame(10), 2, (4, 1000)), 0);
        }
        assert_eq!(lanes.insert(frame(10), 2, (4, 1000)), 1, "the newest bulk frame goes");
        assert_eq!(lanes.insert(frame(10), 0, (4, 1000)), 1, "an urgent one displaces bulk");
        assert_eq!((lanes.queues[0].len(), lanes.queues[2].len()), (1, 3));
        assert_eq!(lanes.insert(frame(10), 1, (4, 25)), 3, "bytes count too");
        assert_eq!((lanes.frames, lanes.bytes), (2, 20));
    }

    #[test]
    fn a_frame_larger_than_the_byte_limit_passes_when_nothing_else_waits() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.insert(frame(5000), 2, (8, 1000)), 0);
        assert_eq!(lanes.insert(frame(1), 2, (8, 1000)), 1);
    }
}
