//! Partitions: walls that let nothing through, in one direction or both.

use std::collections::BTreeMap;

use super::Conn;

/// Hosts on one side of a wall, as a mask.
#[derive(Debug, Clone, Copy)]
struct Wall {
    side: u16,
    both: bool,
}

/// The walls that stand.
#[derive(Debug, Default)]
pub(super) struct Walls {
    standing: BTreeMap<u64, Wall>,
    raised: u64,
}

impl Walls {
    /// Raises a wall around the hosts of a mask: nothing gets out, and nothing in if `both`.
    pub(super) fn raise(&mut self, side: u16, both: bool) -> u64 {
        self.raised += 1;
        self.standing.insert(self.raised, Wall { side, both });
        self.raised
    }

    pub(super) fn lower(&mut self, wall: u64) {
        self.standing.remove(&wall);
    }

    /// Whether something stops frames on this way.
    pub(super) fn stop(&self, from: usize, to: usize) -> bool {
        self.standing.values().any(|wall| {
            let inside = |host: usize| wall.side >> host & 1 == 1;
            inside(from) && !inside(to) || wall.both && inside(to) && !inside(from)
        })
    }

    /// Whether something stops frames of a connection on either way.
    pub(super) fn split(&self, conn: &Conn) -> bool {
        let [a, b] = conn.hosts;
        self.stop(a, b) || self.stop(b, a)
    }
}
