//! Which of two connections between the same two nodes stays.
//!
//! Both sides see the same two identities and apply the same rule, so they keep the same one
//! without talking about it:
//!
//! 1. another instance of the peer replaces the one before: that process is gone;
//! 2. else the connection dialled by the smaller node id stays;
//! 3. else, dialled by the same node, the one dialled later stays: the dialler gave the other up.

use gossip_core::proto::NodeId;

/// What tells a connection from every other one, the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Connection {
    /// The peer's instance.
    pub(crate) peer_instance: u64,
    pub(crate) dialler: NodeId,
    /// The dialler's own count of connections.
    pub(crate) number: u64,
}

impl Connection {
    /// Whether this new connection takes the place of an old one to the same peer.
    pub(crate) fn replaces(&self, old: &Self) -> bool {
        if self.peer_instance != old.peer_instance {
            return true;
        }
        match self.dialler.cmp(&old.dialler) {
            std::cmp::Ordering::Less => true,
            std::cmp::Ordering::Greater => false,
            std::cmp::Ordering::Equal => self.number > old.number,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection(peer_instance: u64, dialler: &str, number: u64) -> Connection {
        Connection { peer_instance, dialler: dialler.parse().unwrap(), number }
    }

    #[test]
    fn one_of_two_stays_in_whatever_order_they_are_seen() {
        for (kept, lost) in [
            (connection(1, "ann", 1), connection(1, "bob", 9)),
            (connection(1, "ann", 2), connection(1, "ann", 1)),
            (connection(1, "bob", 8), connection(1, "bob", 7)),
        ] {
            assert!(kept.replaces(&lost));
            assert!(!lost.replaces(&kept));
        }
    }

    #[test]
    fn a_restarted_peer_replaces_its_former_self() {
        assert!(connection(2, "bob", 1).replaces(&connection(1, "ann", 9)));
        assert!(connection(2, "ann", 1).replaces(&connection(1, "ann", 9)));
    }
}
