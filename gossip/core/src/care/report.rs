//! What a check of the store found.

use gossip_proto::{LogHead, LogName, SeqRange};

/// What [`Coordinator::verify`](crate::Coordinator::verify) saw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Report {
    /// Logs walked.
    pub logs: u64,
    /// Entries read and found to continue their chain, hollow ones included.
    pub entries: u64,
    /// Those of them whose payload is absent: erased, or over a local limit.
    pub hollow: u64,
    /// Encoded bytes of the runs that hold them.
    pub bytes: u64,
    /// Known gaps: history that no peer had any more, or damage that was isolated and waits to be
    /// fetched again. They are no damage.
    pub gaps: u64,
    /// Entries missing in them.
    pub gap_entries: u64,
    /// Damage, the first [`Report::MAX_DAMAGED`] places of it, log by log.
    pub damaged: Vec<Damage>,
    /// Places beyond those listed.
    pub damaged_beyond: u64,
    /// Streams whose order of arrival could not be read to its end; the entries are not concerned.
    pub orders_unreadable: u64,
}

impl Report {
    /// Places listed at most; more are only counted.
    pub const MAX_DAMAGED: usize = 1024;

    /// Whether everything that should be there is there and fits together. Gaps are known and do not
    /// count against it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damaged.is_empty() && self.orders_unreadable == 0
    }

    /// Adds what was seen elsewhere.
    pub(super) fn absorb(&mut self, other: Self) {
        self.logs += other.logs;
        self.entries += other.entries;
        self.hollow += other.hollow;
        self.bytes += other.bytes;
        self.gaps += other.gaps;
        self.gap_entries += other.gap_entries;
        self.orders_unreadable += other.orders_unreadable;
        let room = Self::MAX_DAMAGED - self.damaged.len();
        self.damaged_beyond += other.damaged_beyond + other.damaged.len().saturating_sub(room) as u64;
        self.damaged.extend(other.damaged.into_iter().take(room));
    }

    /// Leaves out what is missing because it was dropped, or isolated, while the log was read.
    pub(super) fn forgive(&mut self, now: &LogHead) {
        self.damaged.retain(|damage| {
            let is_gap = now.gaps.iter().any(|gap| gap.contains(damage.range.first));
            damage.range.first > now.floor && !is_gap
        });
    }

    /// Notes damage.
    pub(super) fn found(&mut self, head: &LogHead, range: SeqRange, what: DamageKind) {
        if self.damaged.len() < Self::MAX_DAMAGED {
            self.damaged.push(Damage { log: head.name.clone(), range, what });
        } else {
            self.damaged_beyond += 1;
        }
    }
}

/// One place where the store does not hold what it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// The log.
    pub log: LogName,
    /// The sequences concerned; of a wrong head, its height alone.
    pub range: SeqRange,
    /// What is wrong with them.
    pub what: DamageKind,
}

/// What can be wrong with a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum DamageKind {
    /// What is stored there cannot be read.
    Unreadable,
    /// It can be read and does not continue the chain before it.
    BrokenChain,
    /// The head says that it is held, and nothing is there.
    Missing,
    /// The head contradicts itself, or what it says of its height or of the newest signature is not
    /// what the entries say.
    Head,
    /// It is held and has no place in the order of arrival: subscriptions never show it.
    NotArrived,
    /// It has more than one place in the order of arrival, or one that the head knows nothing of.
    ArrivedTwice,
}

impl DamageKind {
    /// Whether [`Coordinator::repair`](crate::Coordinator::repair) can do something about it.
    #[must_use]
    pub fn is_repairable(self) -> bool {
        matches!(self, Self::Unreadable | Self::BrokenChain | Self::Missing)
    }
}

#[cfg(test)]
mod tests {
    use gossip_proto::Epoch;

    use super::*;

    #[test]
    fn what_was_dropped_meanwhile_is_no_damage() {
        let word = "x".try_into().expect("an id");
        let (channel, stream) = ("c".try_into().expect("an id"), "s".try_into().expect("an id"));
        let mut head =
            LogHead::empty(LogName { channel, stream, author: word, epoch: Epoch::new(1, 1), branch: None });
        let mut report = Report::default();
        for at in [3, 5, 8, 9] {
            report.found(&head, SeqRange { first: at, last: at }, DamageKind::Missing);
        }
        (head.height, head.floor, head.gaps) = (20, 4, vec![SeqRange { first: 7, last: 8 }]);
        report.forgive(&head);
        let left: Vec<_> = report.damaged.iter().map(|damage| damage.range.first).collect();
        assert_eq!(left, [5, 9]);
    }
}
