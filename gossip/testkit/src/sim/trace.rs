//! What happened, as a hash always and as text when asked for.

use std::collections::VecDeque;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use gossip_proto::Tick;

/// Lines kept of a recorded trace.
const LINES: usize = 200_000;

/// A running hash over everything that happened, with the last lines in words if recorded.
#[derive(Debug)]
pub(super) struct Trace {
    hasher: DefaultHasher,
    lines: Option<VecDeque<String>>,
}

impl Trace {
    pub(super) fn new(record: bool) -> Self {
        Self { hasher: DefaultHasher::new(), lines: record.then(VecDeque::new) }
    }

    /// Mixes in the time and whatever identifies what happened; the words are made on demand.
    pub(super) fn note(&mut self, at: Tick, key: impl Hash, words: impl FnOnce() -> String) {
        at.hash(&mut self.hasher);
        key.hash(&mut self.hasher);
        if let Some(lines) = &mut self.lines {
            if lines.len() == LINES {
                lines.pop_front();
            }
            lines.push_back(format!("{:>11.6} {}", at.0 as f64 / 1e6, words()));
        }
    }

    pub(super) fn hash(&self) -> u64 {
        self.hasher.finish()
    }

    pub(super) fn into_lines(self) -> Vec<String> {
        self.lines.into_iter().flatten().collect()
    }
}

/// Debug output cut to a readable length.
pub(super) fn short(value: &impl fmt::Debug) -> String {
    let mut text = format!("{value:?}");
    if let Some((at, _)) = text.char_indices().nth(1_000) {
        text.truncate(at);
        text.push('…');
    }
    text
}
