//! What a sweep reached, counted; a sweep that misses something proves less than it says.

use std::collections::BTreeMap;

/// Counters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// Everything a sweep has to reach at least once.
    pub const REQUIRED: &'static [&'static str] = &[
        "a channel not chosen",
        "all but some streams chosen",
        "append acknowledged",
        "append larger than a run",
        "append of a batch",
        "append of nothing but an empty payload",
        "asked by key",
        "backup restored",
        "beacon answered equal",
        "bit rot",
        "bit rot of the only copy",
        "branch told by name",
        "cells asked for",
        "channel rejoined",
        "channel removed",
        "clock jumped back",
        "clock jumped forward",
        "command answered with an error",
        "commit failed",
        "commit of several logs",
        "commit unknown, done",
        "commit unknown, not done",
        "crash",
        "crash with a write in flight",
        "damage isolated",
        "delta paged",
        "delta pushed",
        "disk full",
        "disk wiped",
        "epoch retired",
        "erasure of others requested",
        "erasure told",
        "everything chosen",
        "floor adopted",
        "floor moved",
        "floor told",
        "floor vouched by seal",
        "fork",
        "fork searched",
        "frame duplicated",
        "frame lost",
        "frame overtaken",
        "given at once",
        "goodbye",
        "half-open link",
        "heights offered by range",
        "hints spoilt",
        "history fetched back to its beginning",
        "hole filled",
        "hollow entry stored",
        "import",
        "import into a hole",
        "liar",
        "link congested",
        "link flap",
        "link of version 1",
        "log ended by a fork",
        "message in pieces",
        "outbox overflow",
        "partition, one way",
        "partition, whole",
        "pause",
        "payloads erased",
        "pieces asked for again",
        "plain branch chosen",
        "power cut",
        "push",
        "read failed",
        "read paged",
        "scope asked for",
        "scope told",
        "shutdown",
        "sketch",
        "sketch of hashes",
        "sketch too small",
        "some streams chosen",
        "stop",
        "stream removed",
        "stream taken up again",
        "torn write, done",
        "torn write, lost",
        "twin",
        "want repeated",
    ];

    /// Counts one.
    pub fn hit(&mut self, name: &'static str) {
        debug_assert!(Self::REQUIRED.contains(&name), "{name} is not in the list");
        *self.0.entry(name).or_default() += 1;
    }

    /// Adds up.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name).or_default() += count;
        }
    }

    /// How often something was reached.
    #[must_use]
    pub fn count(&self, name: &str) -> u64 {
        self.0.get(name).copied().unwrap_or(0)
    }

    /// What was not reached.
    #[must_use]
    pub fn missing(&self) -> Vec<&'static str> {
        Self::REQUIRED.iter().copied().filter(|name| self.count(name) == 0).collect()
    }
}
