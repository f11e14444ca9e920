//! What a sweep reached, counted; a sweep that misses something proves less than it says.

use std::collections::BTreeMap;

/// Counters by name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// Everything a sweep has to reach at least once.
    pub const REQUIRED: &'static [&'static str] = &[
        "append acknowledged",
        "append larger than a run",
        "append of a batch",
        "append of nothing but an empty payload",
        "backup restored",
        "bit rot of the only copy",
        "bit rot",
        "channel rejoined",
        "channel removed",
        "clock jumped back",
        "clock jumped forward",
        "command answered with an error",
        "commit failed",
        "commit of several logs",
        "commit unknown, done",
        "commit unknown, not done",
        "crash with a write in flight",
        "crash",
        "damage isolated",
        "delta paged",
        "delta pushed",
        "disk full",
        "disk wiped",
        "epoch retired",
        "erasure of others requested",
        "erasure told",
        "floor adopted",
        "floor moved",
        "floor told",
        "fork",
        "frame duplicated",
        "frame lost",
        "frame overtaken",
        "goodbye",
        "half-open link",
        "heights offered by range",
        "history fetched back to its beginning",
        "hole filled",
        "hollow entry stored",
        "import",
        "import into a hole",
        "link congested",
        "link flap",
        "log ended by a fork",
        "message in pieces",
        "outbox overflow",
        "partition, one way",
        "partition, whole",
        "pause",
        "payloads erased",
        "pieces asked for again",
        "power cut",
        "read failed",
        "read paged",
        "shutdown",
        "stop",
        "stream removed",
        "stream taken up again",
        "torn write, done",
        "torn write, lost",
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
