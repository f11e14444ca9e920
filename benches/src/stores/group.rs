//! Group commit on the bare engine: a queue, and one thread that writes whatever waits in it as one
//! batch and then says so to each.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::crowd::Append;
use super::engine::STREAMS;
use super::raw::{Key, Raw, key};
use crate::Outcome;

/// Appends that may wait, and the most in a batch.
const QUEUE: usize = 4096;

struct Put {
    row: (Key, Bytes),
    written: oneshot::Sender<()>,
}

/// A handle to append with; cheap to clone.
#[derive(Clone)]
pub(super) struct Group {
    queue: mpsc::Sender<Put>,
    heights: Arc<[AtomicU64; STREAMS]>,
    logs: usize,
}

impl Group {
    /// Starts the writer; it ends when the last handle is gone.
    pub(super) fn start(engine: Arc<dyn Raw>) -> (Self, JoinHandle<Outcome>) {
        let (queue, puts) = mpsc::channel(QUEUE);
        let writer = tokio::task::spawn_blocking(move || write(&*engine, puts));
        (Self { queue, heights: Arc::default(), logs: STREAMS }, writer)
    }

    /// The same, with all entries in one log.
    pub(super) fn single(&self) -> Self {
        Self { logs: 1, ..self.clone() }
    }
}

fn write(engine: &dyn Raw, mut puts: mpsc::Receiver<Put>) -> Outcome {
    let (mut batch, mut rows, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
    while puts.blocking_recv_many(&mut batch, QUEUE) > 0 {
        for put in batch.drain(..) {
            rows.push(put.row);
            waiting.push(put.written);
        }
        engine.put(&rows)?;
        rows.clear();
        for written in waiting.drain(..) {
            let _ = written.send(());
        }
    }
    Ok(())
}

impl Append for Group {
    async fn append(&self, log: usize, payload: Bytes) -> Outcome {
        let log = log % self.logs;
        let sequence = self.heights[log].fetch_add(1, Ordering::Relaxed);
        let (written, done) = oneshot::channel();
        let put = Put { row: (key(log, sequence), payload), written };
        self.queue.send(put).await.map_err(|_| "the writer failed")?;
        Ok(done.await?)
    }
}
