//! What the writer remembers from one write to the next, so that an append reads nothing.

use std::collections::HashMap;

use gossip_core::proto::LogId;

use crate::head::Held;
use crate::numbers::Numbers;
use crate::row::Row;

/// Most heads remembered: about 2 MiB.
const MAX_HEADS: usize = 4096;

/// Always equal to what is stored, or empty.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// Which opening of the engine this is about.
    pub(crate) of: u64,
    heads: HashMap<LogId, Held>,
    pub(crate) numbers: Option<Numbers>,
    /// The newest arrival row of all, with its key.
    pub(crate) tail: Option<Tail>,
}

/// An arrival row and where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tail {
    pub(crate) stream: Vec<u8>,
    pub(crate) arrival: u64,
    pub(crate) row: Row,
}

impl Memory {
    pub(crate) fn new(of: u64, numbers: Option<Numbers>) -> Self {
        Self { of, numbers, heads: HashMap::new(), tail: None }
    }

    pub(crate) fn head(&self, log: LogId) -> Option<&Held> {
        self.heads.get(&log)
    }

    pub(crate) fn keep(&mut self, log: LogId, held: Held) {
        if self.heads.len() >= MAX_HEADS && !self.heads.contains_key(&log) {
            // Whoever writes to so many logs in turn would miss with any order of forgetting.
            self.heads.clear();
        }
        self.heads.insert(log, held);
    }
}
