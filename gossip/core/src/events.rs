//! What the application is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use gossip_proto::node::Event;
use tokio::sync::Notify;

/// One thing a listener is told.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// Something happened in the node.
    Event(Event),
    /// A transport reports trouble, as an address that cannot be reached. It goes on trying.
    Trouble {
        /// Name of the transport.
        transport: String,
        /// For a person.
        detail: String,
    },
    /// The listener was too slow: this many notices were dropped here. A change of somebody's status may be among
    /// them, and is not told again: read [`Coordinator::members`](crate::Coordinator::members), or what else was
    /// followed, again after this.
    Lagged(u64),
}

/// Notices since it was made, each once, in order; from
/// [`Coordinator::events`](crate::Coordinator::events).
///
/// A slow listener never holds up the node, nor other listeners: what its own queue cannot hold
/// ([`Config::events`](crate::Config::events)) is dropped, oldest first, and shows as one [`Notice::Lagged`]: what
/// was followed by events is to be read again then.
#[derive(Debug)]
pub struct Events {
    queue: Option<Arc<Queue>>,
}

impl Events {
    /// Waits for the next notice; `None` after the node was shut down and all was told.
    ///
    /// Cancel safe: a notice is lost only if it was returned.
    pub async fn next(&mut self) -> Option<Notice> {
        let queue = self.queue.as_ref()?;
        loop {
            if let Some(next) = queue.take() {
                return next;
            }
            queue.grown.notified().await;
        }
    }

    /// Waits for the next event of the node, passing over troubles and lags. Who keeps a list of statuses by events takes
    /// [`Events::next`] instead: after a lag it has to be read anew.
    ///
    /// Cancel safe.
    pub async fn next_event(&mut self) -> Option<Event> {
        loop {
            if let Notice::Event(event) = self.next().await? {
                return Some(event);
            }
        }
    }
}

/// What one listener was not told yet.
#[derive(Debug)]
struct Queue {
    waiting: Mutex<Waiting>,
    grown: Notify,
}

#[derive(Debug, Default)]
struct Waiting {
    notices: VecDeque<Notice>,
    dropped: u64,
    closed: bool,
}

impl Queue {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next notice, or that there will be none; `None` as long as there is none yet.
    fn take(&self) -> Option<Option<Notice>> {
        let mut waiting = self.waiting();
        let lagged = std::mem::take(&mut waiting.dropped);
        if lagged > 0 {
            return Some(Some(Notice::Lagged(lagged)));
        }
        match waiting.notices.pop_front() {
            None if !waiting.closed => None,
            next => Some(next),
        }
    }

    fn push(&self, notice: Notice, capacity: usize) {
        let mut waiting = self.waiting();
        if waiting.notices.len() >= capacity.max(1) {
            waiting.notices.pop_front();
            waiting.dropped += 1;
        }
        waiting.notices.push_back(notice);
        self.grown.notify_one();
    }

    fn close(&self) {
        self.waiting().closed = true;
        self.grown.notify_one();
    }
}

/// Where notices come from; closed at shutdown.
#[derive(Debug)]
pub(crate) struct Listeners {
    capacity: usize,
    open: Mutex<Option<Vec<Weak<Queue>>>>,
}

impl Listeners {
    /// Each listener may be so many notices behind.
    pub(crate) fn new(capacity: usize) -> Self {
        Self { capacity, open: Mutex::new(Some(Vec::new())) }
    }

    fn open(&self) -> MutexGuard<'_, Option<Vec<Weak<Queue>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn listen(&self) -> Events {
        let mut open = self.open();
        let Some(listeners) = open.as_mut() else { return Events { queue: None } };
        let queue = Arc::new(Queue { waiting: Mutex::default(), grown: Notify::new() });
        listeners.retain(|listener| listener.strong_count() > 0);
        listeners.push(Arc::downgrade(&queue));
        Events { queue: Some(queue) }
    }

    pub(crate) fn tell(&self, notice: Notice) {
        let open = self.open();
        let listeners = open.iter().flatten().filter_map(Weak::upgrade);
        listeners.for_each(|listener| listener.push(notice.clone(), self.capacity));
    }

    pub(crate) fn close(&self) {
        let listeners = self.open().take();
        listeners.iter().flatten().filter_map(Weak::upgrade).for_each(|listener| listener.close());
    }
}

impl Drop for Listeners {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests {
    use gossip_proto::node::NodeState;

    use super::*;

    /// As many as it may keep, so that the default is not dear.
    #[test]
    fn a_notice_is_small() {
        assert!(size_of::<Notice>() <= 208, "{}", size_of::<Notice>());
    }

    #[tokio::test]
    async fn a_slow_listener_sees_how_much_it_missed_and_then_the_newest() {
        let listeners = Listeners::new(4);
        let mut slow = listeners.listen();
        for state in [NodeState::Running, NodeState::Paused].into_iter().cycle().take(10) {
            listeners.tell(Notice::Event(Event::StateChanged(state)));
        }
        listeners.close();
        assert_eq!(slow.next().await, Some(Notice::Lagged(6)));
        let mut rest = 0;
        while slow.next().await.is_some() {
            rest += 1;
        }
        assert_eq!(rest, 4);
        assert_eq!(listeners.listen().next().await, None, "closed");
    }

    #[tokio::test]
    async fn who_keeps_up_misses_nothing_because_of_who_does_not() {
        let listeners = Listeners::new(1);
        let [mut quick, mut slow] = [listeners.listen(), listeners.listen()];
        let notice = |n: u64| Notice::Lagged(1000 + n);
        for n in 0..10 {
            listeners.tell(notice(n));
            assert_eq!(quick.next().await, Some(notice(n)));
        }
        drop(listeners);
        assert_eq!(slow.next().await, Some(Notice::Lagged(9)));
        assert_eq!([slow.next().await, slow.next().await], [Some(notice(9)), None]);
    }
}
