//! Who thinks what of whom, as the nodes tell their applications.

use gossip_proto::Tick;
use gossip_proto::node::PeerStatus;

/// A node told that another's status changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) at: Tick,
    pub(super) observer: u32,
    pub(super) subject: u32,
    pub(super) status: PeerStatus,
}

/// The newest status told, for each pair, and the changes since they were last taken.
#[derive(Debug)]
pub(super) struct Views {
    nodes: usize,
    told: Vec<Option<PeerStatus>>,
    /// Ordered pairs that are reachable.
    reachable: usize,
    changes: Vec<Change>,
}

impl Views {
    pub(super) fn new(nodes: usize) -> Self {
        Self { nodes, told: vec![None; nodes * nodes], reachable: 0, changes: Vec::new() }
    }

    pub(super) fn note(&mut self, change: Change) {
        let told = &mut self.told[change.observer as usize * self.nodes + change.subject as usize];
        let is = |status: Option<PeerStatus>| usize::from(status == Some(PeerStatus::Reachable));
        self.reachable = self.reachable + is(Some(change.status)) - is(*told);
        *told = Some(change.status);
        self.changes.push(change);
    }

    /// A node that starts again knows nothing.
    pub(super) fn forget(&mut self, observer: usize) {
        for told in &mut self.told[observer * self.nodes..(observer + 1) * self.nodes] {
            self.reachable -= usize::from(told.take() == Some(PeerStatus::Reachable));
        }
    }

    /// Ordered pairs of which the first told that the second is reachable.
    pub(super) fn reachable(&self) -> usize {
        self.reachable
    }

    pub(super) fn status(&self, observer: usize, subject: usize) -> Option<PeerStatus> {
        self.told[observer * self.nodes + subject]
    }

    /// Who told that this one is reachable, and nothing else since.
    pub(super) fn observers(&self, subject: usize) -> Vec<usize> {
        let reachable = Some(PeerStatus::Reachable);
        (0..self.nodes).filter(|observer| self.status(*observer, subject) == reachable).collect()
    }

    /// What changed since the last call.
    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_counted_once() {
        let mut views = Views::new(3);
        let change = |subject, status| Change { at: Tick(0), observer: 1, subject, status };
        views.note(change(0, PeerStatus::Reachable));
        views.note(change(0, PeerStatus::Reachable));
        views.note(change(2, PeerStatus::Reachable));
        assert_eq!((views.reachable(), views.observers(2)), (2, vec![1]));
        views.note(change(2, PeerStatus::Unreachable));
        assert_eq!((views.reachable(), views.take_changes().len()), (1, 4));
        views.forget(1);
        assert_eq!((views.reachable(), views.status(1, 2)), (0, None));
    }
}
