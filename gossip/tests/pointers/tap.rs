//! Hooks that keep what passes a node's port and store.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use gossip::proto::CommitItem;
use gossip::proto::node::{Frame, LinkId};
use gossip::{PortError, PortEvent, StoreResult};
use gossip_testkit::double::{PortHooks, StoreCall, StoreHooks};

/// What passed.
#[derive(Default)]
pub(crate) struct Tap {
    received: Mutex<Vec<Bytes>>,
    sent: Mutex<Vec<Bytes>>,
    stored: Mutex<Vec<Bytes>>,
}

impl Tap {
    pub(crate) fn received(&self) -> Vec<Bytes> {
        self.received.lock().unwrap().clone()
    }

    /// The parts of all frames sent.
    pub(crate) fn sent(&self) -> Vec<Bytes> {
        self.sent.lock().unwrap().clone()
    }

    /// All payloads given to `commit`.
    pub(crate) fn stored(&self) -> Vec<Bytes> {
        self.stored.lock().unwrap().clone()
    }
}

#[async_trait]
impl PortHooks for Tap {
    fn received(&self, event: &PortEvent) {
        if let PortEvent::Frame { bytes, .. } = event {
            self.received.lock().unwrap().push(bytes.clone());
        }
    }

    async fn sending(&self, _: LinkId, frame: Frame) -> Result<Option<Frame>, PortError> {
        self.sent.lock().unwrap().extend(frame.clone().into_parts());
        Ok(Some(frame))
    }
}

#[async_trait]
impl StoreHooks for Tap {
    async fn before(&self, call: StoreCall<'_>) -> StoreResult<()> {
        let StoreCall::Commit(batch) = call else { return Ok(()) };
        for item in batch {
            if let CommitItem::Run { run, .. } = item {
                let payloads = run.entries().filter_map(|entry| entry.payload.bytes().cloned());
                self.stored.lock().unwrap().extend(payloads);
            }
        }
        Ok(())
    }
}

/// Whether the bytes lie in the memory of one of the buffers.
pub(crate) fn is_within(part: &Bytes, wholes: &[Bytes]) -> bool {
    let part = part.as_ptr_range();
    wholes
        .iter()
        .map(|whole| whole.as_ptr_range())
        .any(|whole| whole.start <= part.start && part.end <= whole.end)
}
