//! Messages and when they reached whom.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_proto::{EntryId, LogId, Seq, SeqRange, Tick};

/// One message.
#[derive(Debug)]
pub(super) struct Sent {
    pub(super) at: Tick,
    pub(super) sender: usize,
    /// When it came to each node.
    reached: Vec<Option<Tick>>,
}

impl Sent {
    /// How long it took to a node, if it came.
    pub(super) fn age_at(&self, node: usize) -> Option<Duration> {
        self.reached[node].map(|at| at.since(self.at))
    }

    /// How late it came to a node after a moment; what came before that is not late.
    pub(super) fn late_at(&self, node: usize, after: Tick) -> Option<Duration> {
        self.reached[node].map(|at| at.since(self.at.max(after)))
    }
}

/// All messages.
#[derive(Debug)]
pub(super) struct Deliveries {
    nodes: usize,
    sent: Vec<Sent>,
    by_entry: BTreeMap<(LogId, Seq), usize>,
    delivered: u64,
}

impl Deliveries {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes, sent: Vec::new(), by_entry: BTreeMap::new(), delivered: 0 }
    }

    pub(super) fn send(&mut self, at: Tick, sender: usize, entry: &EntryId) {
        self.by_entry.insert((entry.log, entry.sequence), self.sent.len());
        self.sent.push(Sent { at, sender, reached: vec![None; self.nodes] });
    }

    pub(super) fn deliver(&mut self, at: Tick, node: usize, log: LogId, range: SeqRange) {
        for (_, message) in self.by_entry.range((log, range.first)..=(log, range.last)) {
            let reached = &mut self.sent[*message].reached[node];
            self.delivered += u64::from(reached.is_none());
            reached.get_or_insert(at);
        }
    }

    /// How often any message reached anybody.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    pub(super) fn sent(&self) -> &[Sent] {
        &self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::LogWriter;

    #[test]
    fn a_message_reaches_a_node_once() {
        let log = LogWriter::new("c", "s", "n0").id();
        let mut deliveries = Deliveries::new(2);
        for sequence in 1..=3 {
            deliveries.send(Tick(10 * sequence), 0, &EntryId { log, sequence });
        }
        deliveries.deliver(Tick(50), 1, log, SeqRange { first: 2, last: 3 });
        deliveries.deliver(Tick(90), 1, log, SeqRange { first: 3, last: 3 });
        let ages = |node| deliveries.sent().iter().map(|sent| sent.age_at(node)).collect::<Vec<_>>();
        let micros = |of| Some(Duration::from_micros(of));
        assert_eq!((ages(1), ages(0)), (vec![None, micros(30), micros(20)], vec![None; 3]));
        assert_eq!(deliveries.sent()[1].late_at(1, Tick(45)), micros(5));
        assert_eq!(deliveries.delivered(), 2);
    }
}
