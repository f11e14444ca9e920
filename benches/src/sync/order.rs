//! What the parent asks of a party, and the answers: a line of JSON each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::fill::History;

/// Where a party keeps things.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Keep {
    Memory,
    /// RocksDB without a sync per commit.
    Buffered,
    /// RocksDB with one.
    Synced,
}

impl Keep {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Buffered => "RocksDB, buffered",
            Self::Synced => "RocksDB, synced",
        }
    }
}

/// How a party is set up.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Setup {
    /// Its node id.
    pub(super) name: String,
    pub(super) keep: Keep,
    /// For stores on disk; has to be there.
    pub(super) place: Option<PathBuf>,
    /// Written before the node is built.
    pub(super) fill: Option<History>,
    /// It has a key and seals what it writes.
    pub(super) sealed: bool,
    /// Small runs are joined in the background.
    pub(super) coalesce: bool,
}

impl Setup {
    pub(super) fn new(name: &str, keep: Keep) -> Self {
        let name = name.to_owned();
        Self { name, keep, place: None, fill: None, sealed: false, coalesce: true }
    }
}

/// What the parent asks.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Order {
    /// Fill a store, and let it go on without a node.
    Fill(Setup),
    /// Fill a store, build a node on it and listen. Answer: [`Answer::Address`].
    Open(Setup),
    /// Dial and stay connected.
    Connect(String),
    /// Stop the node and start it again: all links are lost.
    Restart,
    /// Append to the first stream, so many at once.
    Append { entries: u64, batch: u64, bytes: usize },
    /// Wait until so many entries are or were held.
    Holds(u64),
    /// Wait until known to be equal to the peer.
    Equal,
    /// Make sure so many times, one after the other, that both are equal.
    Exchange(u64),
    /// Answer: [`Answer::Report`].
    Report,
    /// Answer: [`Answer::Held`].
    Held,
    /// Keep only the newest entries of each log of the first stream.
    Evict(u64),
    /// Subscribe to the first stream; note how old what comes is.
    Watch,
    /// Append so many entries to the first stream, a millisecond apart, stamped with the clock.
    Pace { entries: u64, bytes: usize },
    /// What [`Order::Watch`] noted, once so many came. Answer: [`Answer::Ages`].
    Ages(u64),
    /// Subscribe to the first stream from its start, and take an entry each so many milliseconds.
    Crawl(u64),
    /// Take the rest at full speed until so many were taken. Answer: [`Answer::Crawled`].
    CatchUp(u64),
    /// The pipeline without gossip: what to do is said there. Answer depends on it.
    Pipe(super::pipe::Task),
    /// End.
    Quit,
}

/// What a party answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Answer {
    Done,
    Address(String),
    Report(Report),
    Held {
        entries: u64,
        bytes: u64,
    },
    /// Nanoseconds.
    Ages(Vec<u64>),
    Crawled {
        slowly: u64,
        all: u64,
    },
    Failed(String),
}

/// What a process used so far.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct Report {
    /// Processor time, user and system, all threads.
    pub(super) cpu_us: f64,
    /// Frames, both ways.
    pub(super) frames: u64,
    /// Bytes, both ways, with the four bytes of length before each frame.
    pub(super) bytes: u64,
    /// Most memory ever resident.
    pub(super) most_mib: f64,
}

impl std::ops::Sub for Report {
    type Output = Self;

    /// What was used in between; memory is that of the later one.
    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu_us: self.cpu_us - earlier.cpu_us,
            frames: self.frames - earlier.frames,
            bytes: self.bytes - earlier.bytes,
            most_mib: self.most_mib,
        }
    }
}
