//! The smallest pipeline that does the same work without gossip: what any framework has to be measured by.
//!
//! Cold: RocksDB is scanned in key order, rows go in frames of 256 KB over TCP, and each becomes a row of
//! RocksDB again, a batch per frame, with a write-ahead log that is not synced: the promise of a buffered
//! store. Keys go once per stretch of a log, not once per row. One thread scans and sends, one receives,
//! one writes.
//!
//! Live: one entry at a time; written (buffered, or not at all), sent, received, written, handed to a reader
//! through a channel.

mod live;
#[cfg(feature = "rocksdb")]
mod rocks;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use self::live::Live;
use super::order::Answer;
use crate::Outcome;

/// What a party does.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Task {
    /// Write so many entries of as many authors, which take turns.
    Fill { place: PathBuf, authors: usize, entries: u64, bytes: usize },
    /// Listen, and send everything to whoever comes. Answer: [`Answer::Address`].
    Send { place: PathBuf },
    /// Open an empty store. Answer: [`Answer::Done`].
    Open { place: PathBuf },
    /// Receive everything from there and store it. Answer: [`Answer::Done`].
    Receive { address: String },
    /// Listen and note how old what comes is. Answer: [`Answer::Address`].
    LiveReceive { place: Option<PathBuf> },
    /// Send so many entries there, a millisecond apart. Answer: [`Answer::Done`].
    LiveSend { address: String, place: Option<PathBuf>, entries: u64, bytes: usize },
}

/// What a party keeps between tasks.
#[derive(Default)]
pub(super) struct Pipe {
    live: Option<Live>,
    rows: Option<Rows>,
}

impl Pipe {
    pub(super) async fn perform(&mut self, task: Task) -> Outcome<Answer> {
        match task {
            Task::LiveReceive { place } => {
                let (live, address) = Live::listen(place.as_deref()).await?;
                self.live = Some(live);
                Ok(Answer::Address(address))
            }
            Task::LiveSend { address, place, entries, bytes } => {
                live::send(&address, place.as_deref(), entries, bytes).await?;
                Ok(Answer::Done)
            }
            Task::Open { place } => {
                self.rows = Some(Rows::open(Some(&place))?);
                Ok(Answer::Done)
            }
            cold => {
                let rows = self.rows.take();
                tokio::task::spawn_blocking(|| cold_task(cold, rows)).await?
            }
        }
    }

    pub(super) async fn ages(&mut self, count: u64) -> Outcome<Answer> {
        Ok(Answer::Ages(self.live.as_mut().ok_or("nobody listens")?.ages(count).await?))
    }
}

#[cfg(feature = "rocksdb")]
fn cold_task(task: Task, rows: Option<Rows>) -> Outcome<Answer> {
    match task {
        Task::Fill { place, authors, entries, bytes } => rocks::fill(&place, authors, entries, bytes)?,
        Task::Send { place } => return Ok(Answer::Address(rocks::serve(&place)?)),
        Task::Receive { address } => {
            let rows = rows.and_then(|rows| rows.0).ok_or("nowhere to put it")?;
            rocks::receive(&address, rows)?;
        }
        Task::Open { .. } | Task::LiveReceive { .. } | Task::LiveSend { .. } => {
            return Err("out of place".into());
        }
    }
    Ok(Answer::Done)
}

#[cfg(not(feature = "rocksdb"))]
fn cold_task(_: Task, _: Option<Rows>) -> Outcome<Answer> {
    Err("built without the feature `rocksdb`".into())
}

/// A row store, or none.
#[cfg(feature = "rocksdb")]
struct Rows(Option<rocks::Rows>);
#[cfg(not(feature = "rocksdb"))]
struct Rows;

#[cfg(feature = "rocksdb")]
impl Rows {
    fn open(place: Option<&std::path::Path>) -> Outcome<Self> {
        Ok(Self(place.map(rocks::Rows::open).transpose()?))
    }

    /// Writes a row without a sync.
    fn put(&self, number: u64, value: &[u8]) -> Outcome {
        self.0.as_ref().map_or(Ok(()), |rows| rows.put(number, value))
    }
}

#[cfg(not(feature = "rocksdb"))]
impl Rows {
    fn open(place: Option<&std::path::Path>) -> Outcome<Self> {
        if place.is_some() { Err("built without the feature `rocksdb`".into()) } else { Ok(Self) }
    }

    fn put(&self, _: u64, _: &[u8]) -> Outcome {
        Ok(())
    }
}
