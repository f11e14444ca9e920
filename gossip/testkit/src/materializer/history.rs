//! Entries of several authors, some with garbage for payload.

use std::sync::Arc;

use bytes::Bytes;
use gossip_proto::{ChannelId, Epoch, LogEntry, LogName, NodeId, Payload, Rng, RunEntry, Stamp, StreamId};

const AUTHORS: [&str; 3] = ["ann", "bob", "cy"];
const ENTRIES: u64 = 40;

/// The entries of a stream in its order, drawn from a seed.
#[derive(Debug, Clone)]
pub struct History {
    /// In the order of the stream.
    pub entries: Vec<LogEntry>,
    /// The seed, for messages.
    pub seed: u64,
    rng: Rng,
}

impl History {
    /// Draws a history: three authors, stamps with ties between authors, one payload in eight
    /// garbage, one author with a second epoch.
    #[must_use]
    pub fn draw(seed: u64, payload: fn(&mut Rng) -> Bytes) -> Self {
        let mut rng = Rng::new(seed);
        let mut logs: Vec<_> = AUTHORS.iter().map(|author| Log::new(author, 1)).collect();
        logs.push(Log::new(AUTHORS[0], 2));
        let mut entries: Vec<_> = (0..ENTRIES)
            .map(|_| {
                let log = rng.below(logs.len() as u64) as usize;
                let bytes = if rng.chance(125) { garbage(&mut rng, payload) } else { payload(&mut rng) };
                logs[log].write(&mut rng, bytes)
            })
            .collect();
        entries.sort_by_key(LogEntry::key);
        Self { entries, seed, rng }
    }

    /// The same entries in another order that keeps each log's own.
    #[must_use]
    pub fn shuffled(&mut self) -> Vec<LogEntry> {
        let mut left: Vec<&LogEntry> = self.entries.iter().collect();
        let mut order = Vec::with_capacity(left.len());
        while !left.is_empty() {
            let log = left[self.rng.below(left.len() as u64) as usize].id().log;
            let first = left.iter().position(|entry| entry.id().log == log).unwrap_or_default();
            order.push(left.remove(first).clone());
        }
        order
    }
}

/// One log while it is written.
struct Log {
    name: Arc<LogName>,
    sequence: u64,
    millis: u64,
}

impl Log {
    fn new(author: &str, generation: u16) -> Self {
        let name = LogName {
            channel: ChannelId::new("channel").expect("a valid id"),
            stream: StreamId::new("stream").expect("a valid id"),
            author: NodeId::new(author).expect("a valid id"),
            epoch: Epoch::new(generation, 7),
            branch: None,
        };
        Self { name: Arc::new(name), sequence: 0, millis: 0 }
    }

    fn write(&mut self, rng: &mut Rng, payload: Bytes) -> LogEntry {
        self.sequence += 1;
        self.millis += 1 + rng.below(3);
        let stamp = Stamp::new(self.millis, rng.below(2) as u16);
        let entry = RunEntry { sequence: self.sequence, stamp, payload: Payload::Present(payload) };
        LogEntry::new(self.name.clone(), self.name.id(), entry)
    }
}

/// A payload that is probably none: random bytes, or a valid one cut, extended or with one byte
/// changed.
pub(crate) fn garbage(rng: &mut Rng, payload: fn(&mut Rng) -> Bytes) -> Bytes {
    let mut bytes = payload(rng).to_vec();
    let at = rng.below(bytes.len() as u64 + 1) as usize;
    match rng.below(5) {
        0 => bytes = (0..rng.below(200)).map(|_| rng.next_u64() as u8).collect(),
        1 => bytes.truncate(at),
        2 => bytes.insert(at, rng.next_u64() as u8),
        3 => bytes = vec![[0x81, 0x9f, 0xa1, 0xd8, 0xbf][rng.below(5) as usize]; 10_000],
        _ => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = rng.next_u64() as u8),
    }
    bytes.into()
}
