//! Wakes the readers of a stream when it grew or went away.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gossip_proto::{ChannelId, StreamId};
use tokio::sync::watch;

type Key = (ChannelId, StreamId);
type Waiting = HashMap<Key, watch::Sender<u64>>;

/// One coalescing wake-up per stream that somebody reads; `None` after shutdown.
#[derive(Debug)]
pub(crate) struct Pulses(Mutex<Option<Waiting>>);

impl Pulses {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Some(HashMap::new())))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Waiting>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes at every later commit to the stream; closes when the stream is removed or the node
    /// shut down. `None` when it already is.
    pub(crate) fn watch(&self, channel: &ChannelId, stream: &StreamId) -> Option<watch::Receiver<u64>> {
        let mut waiting = self.lock();
        let waiting = waiting.as_mut()?;
        waiting.retain(|_, sender| sender.receiver_count() > 0);
        let key = (channel.clone(), stream.clone());
        Some(waiting.entry(key).or_insert_with(|| watch::Sender::new(0)).subscribe())
    }

    /// The stream has grown.
    pub(crate) fn wake(&self, channel: &ChannelId, stream: &StreamId) {
        if let Some(sender) =
            self.lock().as_ref().and_then(|waiting| waiting.get(&(channel.clone(), stream.clone())))
        {
            sender.send_modify(|count| *count += 1);
        }
    }

    /// The stream is gone.
    pub(crate) fn end_stream(&self, channel: &ChannelId, stream: &StreamId) {
        if let Some(waiting) = self.lock().as_mut() {
            waiting.remove(&(channel.clone(), stream.clone()));
        }
    }

    /// The channel is gone with its streams.
    pub(crate) fn end_channel(&self, channel: &ChannelId) {
        if let Some(waiting) = self.lock().as_mut() {
            waiting.retain(|(of, _), _| of != channel);
        }
    }

    /// The node is shut down.
    pub(crate) fn end_all(&self) {
        self.lock().take();
    }
}
