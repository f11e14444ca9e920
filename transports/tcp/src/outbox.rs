//! Frames out: three bounded lanes, and a socket that is written to at once while it keeps up.
//!
//! A frame that finds nothing queued before it is written by `send` itself, which saves the hop
//! to another task; what the socket does not take, and all bulk, is left to the link's own task,
//! which writes many frames at once.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use gossip_core::PortError;
use gossip_core::proto::node::{Class, Frame};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::sync::Notify;

use crate::batch::Batch;

/// Frames that wait in one lane.
const LANE_FRAMES: usize = 1024;
/// Bytes that wait in one lane; a single frame may exceed it.
const LANE_BYTES: usize = 4 << 20;

#[derive(Debug)]
pub(crate) struct Outbox {
    socket: OwnedWriteHalf,
    queue: Mutex<Queue>,
    /// Wakes the link's task: something waits to be written.
    filled: Notify,
    /// Wakes senders: a lane that was full has room.
    room: Notify,
}

#[derive(Debug, Default)]
struct Queue {
    lanes: [Lane; 3],
    batch: Batch,
    closed: bool,
    /// A sender waits for room.
    starved: bool,
    /// Something was written since this was last asked.
    wrote: bool,
}

#[derive(Debug, Default)]
struct Lane {
    frames: VecDeque<Frame>,
    bytes: usize,
}

/// How a round of writing ended.
enum Flow {
    Idle,
    More,
    Blocked,
    Failed(String),
}

impl Outbox {
    pub(crate) fn new(socket: OwnedWriteHalf) -> Self {
        Self { socket, queue: Mutex::default(), filled: Notify::new(), room: Notify::new() }
    }

    /// Queues a frame, waiting while its lane is full. Cancel safe: queued whole or not at all.
    pub(crate) async fn send(&self, frame: Frame, class: Class) -> Result<(), PortError> {
        let Err(mut frame) = self.offer(frame, class)? else { return Ok(()) };
        loop {
            // Registered before the lane is looked at again, so that no wake-up falls between.
            let mut room = std::pin::pin!(self.room.notified());
            room.as_mut().enable();
            match self.offer(frame, class)? {
                Ok(()) => return Ok(()),
                Err(back) => frame = back,
            }
            room.await;
        }
    }

    /// Queues a frame, or gives it back when it would have to wait or the link is gone.
    pub(crate) fn send_at_once(&self, frame: Frame, class: Class) -> Result<(), Frame> {
        if self.lock().closed {
            return Err(frame);
        }
        // Closed in between it is lost, as is whatever else is queued then.
        self.offer(frame, class).unwrap_or(Ok(()))
    }

    /// Takes a frame, or gives it back when its lane is full.
    fn offer(&self, frame: Frame, class: Class) -> Result<Result<(), Frame>, PortError> {
        let mut queue = self.lock();
        if queue.closed {
            return Err(PortError::UnknownLink);
        }
        let idle = queue.is_idle();
        let lane = &mut queue.lanes[class as usize];
        if lane.is_full() {
            queue.starved = true;
            return Ok(Err(frame));
        }
        lane.push(frame);
        if idle && (class == Class::Bulk || !matches!(self.write_round(&mut queue), Flow::Idle)) {
            self.filled.notify_one();
        }
        Ok(Ok(()))
    }

    /// Writes what is queued until the socket fails; returns why it failed.
    pub(crate) async fn write(&self) -> String {
        loop {
            let flow = self.write_round(&mut self.lock());
            match flow {
                Flow::Idle => self.filled.notified().await,
                Flow::More => tokio::task::consume_budget().await,
                Flow::Blocked => {
                    if let Err(error) = self.socket.writable().await {
                        return error.to_string();
                    }
                }
                Flow::Failed(detail) => return detail,
            }
        }
    }

    /// Writes what is queued and returns when nothing is left or the socket failed.
    pub(crate) async fn drain(&self) {
        loop {
            let flow = self.write_round(&mut self.lock());
            match flow {
                Flow::Idle | Flow::Failed(_) => return,
                Flow::More => {}
                Flow::Blocked => drop(self.socket.writable().await),
            }
        }
    }

    /// Whether anything was written since the last call.
    pub(crate) fn take_wrote(&self) -> bool {
        std::mem::take(&mut self.lock().wrote)
    }

    /// Sends a sign of life unless something waits anyway.
    pub(crate) fn beat(&self) {
        let mut queue = self.lock();
        if queue.is_idle() {
            queue.batch.add_keepalive();
            if !matches!(self.write_round(&mut queue), Flow::Idle) {
                self.filled.notify_one();
            }
        }
    }

    /// The address of this machine that the socket is on.
    pub(crate) fn end(&self) -> Option<IpAddr> {
        self.socket.local_addr().ok().map(|address| address.ip())
    }

    pub(crate) fn pending(&self) -> usize {
        let queue = self.lock();
        queue.batch.frames() + queue.lanes.iter().map(|lane| lane.frames.len()).sum::<usize>()
    }

    /// Refuses further frames and frees those that wait.
    pub(crate) fn close(&self) {
        let mut queue = self.lock();
        *queue = Queue { closed: true, ..Queue::default() };
        self.room.notify_waiters();
    }

    /// Lays out one batch if there is none and writes once. Never blocks.
    fn write_round(&self, queue: &mut Queue) -> Flow {
        queue.refill();
        if queue.batch.is_empty() {
            return Flow::Idle;
        }
        if std::mem::take(&mut queue.starved) {
            self.room.notify_waiters();
        }
        match queue.batch.write(|slices| self.socket.try_write_vectored(slices)) {
            Ok(0) => Flow::Failed("the socket takes no more bytes".to_owned()),
            Ok(_) => {
                queue.wrote = true;
                if queue.is_idle() { Flow::Idle } else { Flow::More }
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Flow::Blocked,
            Err(error) if error.kind() == ErrorKind::Interrupted => Flow::More,
            Err(error) => Flow::Failed(error.to_string()),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn is_idle(&self) -> bool {
        self.batch.is_empty() && self.lanes.iter().all(|lane| lane.frames.is_empty())
    }

    /// Urgent before live before bulk; a batch once begun is finished first.
    fn refill(&mut self) {
        if !self.batch.is_empty() {
            return;
        }
        for lane in &mut self.lanes {
            while !self.batch.is_full() {
                let Some(frame) = lane.pop() else { break };
                self.batch.add(&frame);
            }
        }
    }
}

impl Lane {
    fn is_full(&self) -> bool {
        self.frames.len() >= LANE_FRAMES || self.bytes >= LANE_BYTES
    }

    fn push(&mut self, frame: Frame) {
        self.bytes += frame.len();
        self.frames.push_back(frame);
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_front()?;
        self.bytes -= frame.len();
        Some(frame)
    }
}
