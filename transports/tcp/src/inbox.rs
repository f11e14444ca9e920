//! Events on their way to `recv`: bounded, so that a slow receiver slows its peers down.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use gossip_core::PortEvent;
use tokio::sync::{Mutex, Notify, Semaphore, mpsc};

/// Events that wait for the receiver.
const EVENTS: usize = 1024;
/// Bytes of frames that wait for the receiver; a single frame may exceed it.
const BYTES: u32 = 8 << 20;
/// Complaints that wait for the receiver; more are only logged.
const TROUBLES: usize = 32;

/// The tasks' side.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    events: mpsc::Sender<PortEvent>,
    room: Arc<Semaphore>,
    troubles: Arc<AtomicUsize>,
}

/// The side of `recv`.
#[derive(Debug)]
pub(crate) struct Receiver {
    events: Mutex<mpsc::Receiver<PortEvent>>,
    room: Arc<Semaphore>,
    troubles: Arc<AtomicUsize>,
    closed: AtomicBool,
    closing: Notify,
}

pub(crate) fn channel() -> (Inbox, Receiver) {
    let (sender, receiver) = mpsc::channel(EVENTS);
    let (room, troubles) = (Arc::new(Semaphore::new(BYTES as usize)), Arc::new(AtomicUsize::new(0)));
    let inbox = Inbox { events: sender, room: room.clone(), troubles: troubles.clone() };
    let events = Mutex::new(receiver);
    (inbox, Receiver { events, room, troubles, closed: AtomicBool::new(false), closing: Notify::new() })
}

/// Permits that a frame takes: its bytes, or all there are.
fn weight(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(BYTES).min(BYTES)
}

impl Inbox {
    /// Waits for room. An event for a closed port vanishes.
    pub(crate) async fn put(&self, event: PortEvent) {
        let room = match &event {
            PortEvent::Frame { bytes, .. } => match self.room.acquire_many(weight(bytes.len())).await {
                Ok(room) => Some(room),
                Err(_) => return,
            },
            _ => None,
        };
        let Ok(slot) = self.events.reserve().await else { return };
        // From here on nothing waits: a reader that is dropped while it waits gives its room back.
        if let Some(room) = room {
            room.forget();
        }
        slot.send(event);
    }

    /// Never waits: nobody must be able to stop us by causing complaints.
    pub(crate) fn trouble(&self, detail: String) {
        tracing::warn!(%detail, "tcp transport");
        if self.troubles.fetch_add(1, Ordering::Relaxed) >= TROUBLES
            || self.events.try_send(PortEvent::Trouble { detail }).is_err()
        {
            self.troubles.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Receiver {
    /// The next event; none after `close`. Cancel safe.
    pub(crate) async fn next(&self) -> Option<PortEvent> {
        // Made before the flag is read, so that a `close` in between still wakes it.
        let closing = self.closing.notified();
        if self.is_closed() {
            return None;
        }
        let event = tokio::select! {
            biased;
            event = async { self.events.lock().await.recv().await } => event?,
            () = closing => return None,
        };
        match &event {
            PortEvent::Frame { bytes, .. } => self.room.add_permits(weight(bytes.len()) as usize),
            PortEvent::Trouble { .. } => {
                self.troubles.fetch_sub(1, Ordering::Relaxed);
            }
            _ => {}
        }
        Some(event)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// Ends `next` and lets no task wait for room any more; false if it was closed before.
    pub(crate) async fn close(&self) -> bool {
        if self.closed.swap(true, Ordering::AcqRel) {
            return false;
        }
        self.closing.notify_waiters();
        self.room.close();
        self.events.lock().await.close();
        true
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::task::{Context, Waker};

    use gossip_core::proto::node::LinkId;

    use super::*;

    #[tokio::test]
    async fn readers_that_are_dropped_while_they_wait_give_their_room_back() {
        let (inbox, receiver) = channel();
        let frame = |len: usize| PortEvent::Frame { link: LinkId(1), bytes: vec![0; len].into() };
        for _ in 0..EVENTS {
            inbox.put(frame(1)).await;
        }
        for _ in 0..8 {
            let mut waiting = Box::pin(inbox.put(frame(1 << 20)));
            let mut context = Context::from_waker(Waker::noop());
            assert!(waiting.as_mut().poll(&mut context).is_pending());
        }
        for _ in 0..EVENTS {
            receiver.next().await;
        }
        assert_eq!(receiver.room.available_permits(), BYTES as usize);
    }
}
