//! Hooks that show what is received and can make a port take nothing.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use gossip_core::proto::node::{Frame, LinkId};
use gossip_core::{PortError, PortEvent, Transport};
use gossip_testkit::double::{PortHooks, TransportDouble};
use tokio::sync::watch;

/// See the fields.
#[derive(Default)]
pub(crate) struct Tap {
    /// Every frame received.
    pub(crate) frames: Mutex<Vec<Bytes>>,
    /// While true, `send` waits.
    pub(crate) stuck: watch::Sender<bool>,
}

impl Tap {
    pub(crate) fn on(self: &Arc<Self>, inner: impl Transport) -> TransportDouble {
        TransportDouble::new(Arc::new(inner), self.clone())
    }
}

#[async_trait]
impl PortHooks for Tap {
    fn received(&self, event: &PortEvent) {
        if let PortEvent::Frame { bytes, .. } = event {
            self.frames.lock().expect("frames").push(bytes.clone());
        }
    }

    async fn sending(&self, _: LinkId, frame: Frame) -> Result<Option<Frame>, PortError> {
        self.stuck.subscribe().wait_for(|stuck| !*stuck).await.expect("the sender is here");
        Ok(Some(frame))
    }
}
