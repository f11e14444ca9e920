//! One connection: two ends and a bounded outbox on each way.

use std::collections::VecDeque;

use bytes::Bytes;
use gossip_proto::Tick;
use gossip_proto::node::{Class, LinkId};

use crate::sim::plan::Edge;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ConnId(pub(super) u64);

/// The way out of one end of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PipeId {
    pub(super) conn: ConnId,
    pub(super) side: usize,
}

/// A connection between two hosts.
#[derive(Debug)]
pub(crate) struct Conn {
    pub(super) edge: usize,
    pub(super) plan: Edge,
    pub(super) hosts: [usize; 2],
    /// Links of the ends that have not noticed the end yet.
    pub(super) ends: [Option<LinkId>; 2],
    pub(super) dead: bool,
    pub(super) pipes: [Pipe; 2],
}

impl Conn {
    pub(super) fn new(edge: usize, plan: Edge, links: [LinkId; 2]) -> Self {
        let pipes = [Pipe::default(), Pipe::default()];
        Self { edge, plan, hosts: plan.ends, ends: links.map(Some), dead: false, pipes }
    }

    pub(super) fn side_of(&self, host: usize) -> usize {
        usize::from(self.hosts[0] != host)
    }

    /// A broken wire breaks the connection rather than losing frames.
    pub(super) fn reliable(&self) -> bool {
        self.plan.limits.reliable
    }
}

/// A bounded outbox and the frame on the wire.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    lanes: [VecDeque<Bytes>; 3],
    bytes: usize,
    pub(super) sending: Option<Bytes>,
    pub(super) congested: bool,
    pub(super) last_arrival: Tick,
}

impl Pipe {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn push(&mut self, class: Class, frame: Bytes) {
        self.bytes += frame.len();
        self.lanes[class as usize].push_back(frame);
    }

    /// Takes the most urgent frame to the wire.
    pub(super) fn begin(&mut self) -> Option<usize> {
        let frame = self.lanes.iter_mut().find_map(VecDeque::pop_front)?;
        let length = frame.len();
        self.bytes -= length;
        self.sending = Some(frame);
        Some(length)
    }
}
