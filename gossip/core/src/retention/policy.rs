//! Retention as an application wants it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use gossip_proto::{ChannelId, LogHead, LogId, Seq, StreamId, WallMs};

/// Decides what a stream keeps here where [`Retention`](crate::Retention) does not say it; given to
/// [`EventStream::set_retention_policy`](crate::EventStream::set_retention_policy).
///
/// It is asked from time to time and by `compact()`. It must not block, and should give the same
/// answer for the same heads and time.
pub trait RetentionPolicy: Send + Sync + 'static {
    /// Up to and including which entry each log may be dropped. Logs not named, and floors below the
    /// present one, stay as they are; a floor above the height counts as the height. What readers
    /// hold back is kept whatever this says.
    fn floors(&self, logs: &[LogHead], now: WallMs) -> Vec<(LogId, Seq)>;
}

type Table = BTreeMap<(ChannelId, StreamId), Arc<dyn RetentionPolicy>>;

/// The policies set since the start.
#[derive(Default)]
pub(crate) struct Policies(Mutex<Table>);

impl Policies {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set(
        &self,
        channel: &ChannelId,
        stream: &StreamId,
        policy: Option<Arc<dyn RetentionPolicy>>,
    ) {
        let key = (channel.clone(), stream.clone());
        match policy {
            Some(policy) => drop(self.lock().insert(key, policy)),
            None => drop(self.lock().remove(&key)),
        }
    }

    pub(crate) fn find(&self, channel: &ChannelId, stream: &StreamId) -> Option<Arc<dyn RetentionPolicy>> {
        self.lock().get(&(channel.clone(), stream.clone())).cloned()
    }

    /// The channel is gone with its streams.
    pub(crate) fn forget_channel(&self, channel: &ChannelId) {
        self.lock().retain(|(of, _), _| of != channel);
    }
}
