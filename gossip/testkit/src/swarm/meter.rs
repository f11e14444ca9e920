//! What the nodes hand to their sockets, counted.

use std::fs;
use std::time::Duration;

use bytes::Bytes;
use gossip_proto::wire::{self, Content, Message};
use gossip_proto::{LogId, Tick};

/// Types of messages, and 0 for pieces and what cannot be read.
const KINDS: usize = 256;

/// One type of message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
}

/// Sums since the beginning.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) datagrams: u64,
    pub(super) bytes: u64,
    /// Entries in them, repeated ones too.
    pub(super) copies: u64,
    kinds: Vec<Kind>,
    /// Bytes of each node.
    by_node: Vec<u64>,
}

impl Meter {
    pub(super) fn new(nodes: usize) -> Self {
        let kinds = vec![Kind::default(); KINDS];
        Self { datagrams: 0, bytes: 0, copies: 0, kinds, by_node: vec![0; nodes] }
    }

    pub(super) fn count(&mut self, node: usize, frame: &Bytes) {
        let bytes = frame.len() as u64;
        self.datagrams += 1;
        self.bytes += bytes;
        self.by_node[node] += bytes;
        // A whole message has its type behind the head, whose lower half says that it is whole.
        let at = if frame[0] & 0x0f == 0 { usize::from(frame[1]) } else { 0 };
        let kind = &mut self.kinds[at];
        kind.datagrams += 1;
        kind.bytes += bytes;
        if kind.name.is_empty() || carries_entries(kind.name) {
            let (name, entries) = look_into(frame);
            kind.name = name;
            self.copies += entries;
        }
    }

    /// What was counted since an earlier copy of this was taken.
    pub(super) fn since(&self, earlier: &Self) -> Self {
        let kind = |(kind, was): (&Kind, &Kind)| Kind {
            name: kind.name,
            datagrams: kind.datagrams - was.datagrams,
            bytes: kind.bytes - was.bytes,
        };
        Self {
            datagrams: self.datagrams - earlier.datagrams,
            bytes: self.bytes - earlier.bytes,
            copies: self.copies - earlier.copies,
            kinds: self.kinds.iter().zip(&earlier.kinds).map(kind).collect(),
            by_node: self.by_node.iter().zip(&earlier.by_node).map(|(now, was)| now - was).collect(),
        }
    }

    /// The types of messages that were sent at all.
    pub(super) fn kinds(&self) -> impl Iterator<Item = &Kind> {
        self.kinds.iter().filter(|kind| kind.datagrams > 0)
    }

    /// Bytes of the node that sent most.
    pub(super) fn busiest(&self) -> u64 {
        self.by_node.iter().copied().max().unwrap_or(0)
    }
}

fn carries_entries(name: &str) -> bool {
    matches!(name, "delta" | "runs" | "push" | "fresh")
}

/// What a message is called, and how many entries are in it.
fn look_into(frame: &Bytes) -> (&'static str, u64) {
    match wire::read(frame) {
        Ok(Content::Whole(message)) => (message.name(), entries(&message)),
        Ok(Content::Piece(_)) => ("piece", 0),
        Err(_) => ("garbage", 0),
    }
}

fn entries(message: &Message) -> u64 {
    match message {
        Message::Delta(delta) | Message::Runs(delta) => delta.runs.iter().map(|run| run.run.count()).sum(),
        Message::Push(push) => push.runs.iter().map(|run| run.count()).sum(),
        Message::Fresh(fresh) => {
            let named = fresh.named.iter().filter_map(|named| named.run(LogId([0; 16])).ok());
            named.chain(fresh.runs.iter().cloned()).map(|run| run.count()).sum()
        }
        _ => 0,
    }
}

/// A time that is looked at for itself.
#[derive(Debug)]
pub(super) struct Window {
    since: Tick,
    meter: Meter,
    cpu: Duration,
}

/// What was spent in it.
#[derive(Debug)]
pub(super) struct Spent {
    pub(super) seconds: f64,
    pub(super) meter: Meter,
    /// Of this thread.
    pub(super) cpu: Duration,
}

impl Window {
    pub(super) fn open(now: Tick, meter: &Meter) -> Self {
        Self { since: now, meter: meter.clone(), cpu: thread_cpu() }
    }

    pub(super) fn close(self, now: Tick, meter: &Meter) -> Spent {
        let cpu = thread_cpu().saturating_sub(self.cpu);
        Spent { seconds: now.since(self.since).as_secs_f64(), meter: meter.since(&self.meter), cpu }
    }
}

/// Processor time of this thread, user and system; zero where the system does not tell.
fn thread_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanos = text.split_whitespace().next().and_then(|first| first.parse().ok());
    Duration::from_nanos(nanos.unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_counted_by_their_names() {
        let mut meter = Meter::new(2);
        let goodbye = wire::write(&Message::Goodbye, 2).into_bytes();
        meter.count(0, &goodbye);
        let earlier = meter.clone();
        meter.count(1, &goodbye);
        meter.count(1, &Bytes::from_static(&[0x2f]));
        let spent = meter.since(&earlier);
        let kinds: Vec<(&str, u64)> = spent.kinds().map(|kind| (kind.name, kind.datagrams)).collect();
        assert_eq!(kinds, [("garbage", 1), ("goodbye", 1)]);
        assert_eq!((spent.datagrams, spent.busiest()), (2, spent.bytes));
    }
}
