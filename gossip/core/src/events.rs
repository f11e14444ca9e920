//! What the application is told.

use std::sync::Mutex;

use gossip_proto::node::Event;
use tokio::sync::broadcast;

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
    /// The listener was too slow: this many notices were dropped here.
    Lagged(u64),
}

/// Notices since it was made, each once, in order; from
/// [`Coordinator::events`](crate::Coordinator::events).
///
/// A slow listener never holds up the node: what its queue cannot hold is dropped, oldest first,
/// and shows as one [`Notice::Lagged`].
#[derive(Debug)]
pub struct Events {
    queue: Option<broadcast::Receiver<Notice>>,
}

impl Events {
    /// Waits for the next notice; `None` after the node was shut down and all was told.
    ///
    /// Cancel safe: a notice is lost only if it was returned.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.queue.as_mut()?.recv().await {
            Ok(notice) => Some(notice),
            Err(broadcast::error::RecvError::Lagged(dropped)) => Some(Notice::Lagged(dropped)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }

    /// Waits for the next event of the node, passing over troubles and lags.
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

/// Where notices come from; closed at shutdown.
#[derive(Debug)]
pub(crate) struct Listeners(Mutex<Option<broadcast::Sender<Notice>>>);

impl Listeners {
    pub(crate) fn new(capacity: usize) -> Self {
        Self(Mutex::new(Some(broadcast::Sender::new(capacity))))
    }

    pub(crate) fn listen(&self) -> Events {
        let sender = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        Events { queue: sender.as_ref().map(broadcast::Sender::subscribe) }
    }

    pub(crate) fn tell(&self, notice: Notice) {
        let sender = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Some(sender) = sender.as_ref() {
            // Nobody listening is no error.
            let _ = sender.send(notice);
        }
    }

    pub(crate) fn close(&self) {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    }
}

#[cfg(test)]
mod tests {
    use gossip_proto::node::NodeState;

    use super::*;

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
}
