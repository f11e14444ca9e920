//! Filling holes of what is held from a file.
//!
//! A file gives a log from its beginning, a hole is filled from its upper end down. So the runs that lie
//! in a hole are kept until its end comes, as many as there is room for.

use std::collections::VecDeque;

use gossip_proto::node::ImportPart;
use gossip_proto::{LogHead, LogName, MAX_RUN_BYTES, SeqRange, StoredRun};

use crate::StoreResult;
use crate::handle::Shared;
use crate::stream::head_of;

/// Bytes kept; of a larger hole the upper part is filled, and more by importing again.
const ROOM: usize = 16 << 20;
/// Bytes given to the node at once.
const PART: usize = 4 * MAX_RUN_BYTES;

/// Runs of the log at hand that may fill a hole.
#[derive(Default)]
pub(super) struct Back {
    head: Option<LogHead>,
    waiting: VecDeque<StoredRun>,
    bytes: usize,
}

impl Back {
    /// A log begins.
    pub(super) async fn begin(&mut self, shared: &Shared, log: &LogName) -> StoreResult<()> {
        *self = Self { head: head_of(&*shared.store, log.id()).await?, ..Self::default() };
        Ok(())
    }

    /// Looks through the next runs of the log; returns parts that fill holes, in their order.
    pub(super) async fn pass(&mut self, shared: &Shared, runs: &[StoredRun]) -> Vec<ImportPart> {
        let mut parts = Vec::new();
        for stored in runs {
            for hole in self.holes_of(stored) {
                // One that is not of its own chain is refused with the rest of the file.
                let Some(piece) = piece(stored, hole) else { continue };
                let is_end = piece.run.last() == hole.last;
                self.keep(piece, hole);
                if is_end && self.joins(shared, hole).await {
                    parts.extend(self.take());
                }
            }
        }
        parts
    }

    fn keep(&mut self, piece: StoredRun, hole: SeqRange) {
        if self.waiting.back().is_some_and(|before| before.run.last() < hole.first) {
            self.waiting.clear();
            self.bytes = 0;
        }
        self.bytes += piece.run.encoded().len();
        self.waiting.push_back(piece);
        while self.bytes > ROOM && self.waiting.len() > 1 {
            self.bytes -= self.waiting.pop_front().map_or(0, |run| run.run.encoded().len());
        }
    }

    /// The holes that a run has something for, the lowest first.
    fn holes_of(&self, stored: &StoredRun) -> Vec<SeqRange> {
        let Some(head) = &self.head else { return Vec::new() };
        let below = SeqRange { first: 1, last: head.floor };
        let holes = std::iter::once(below).chain(head.gaps.iter().copied());
        holes.filter(|hole| hole.overlap(&stored.run.range()).is_some()).collect()
    }

    /// Whether what waits, which reaches the end of a hole, is of the chain that goes on there.
    async fn joins(&self, shared: &Shared, hole: SeqRange) -> bool {
        let Some(stored) = self.waiting.back() else { return false };
        // Not known: filled, pruned or removed meanwhile.
        let hashes = shared.store.hash_at(stored.run.log(), &[hole.last]).await.unwrap_or_default();
        hashes.first() == stored.run.verify(stored.prev).ok().as_ref()
    }

    fn take(&mut self) -> Vec<ImportPart> {
        let Some(name) = self.head.as_ref().map(|head| &head.name) else { return Vec::new() };
        let mut parts: Vec<ImportPart> = Vec::new();
        let mut room = 0;
        for stored in self.waiting.drain(..).rev() {
            let bytes = stored.run.encoded().len();
            match parts.last_mut().filter(|_| bytes <= room) {
                Some(part) => part.runs.push(stored),
                None => {
                    room = PART;
                    parts.push(ImportPart {
                        log: name.clone(),
                        floor: None,
                        runs: vec![stored],
                        fills: true,
                    });
                }
            }
            room = room.saturating_sub(bytes);
        }
        self.bytes = 0;
        parts
    }
}

/// What of a run lies in a hole.
fn piece(stored: &StoredRun, hole: SeqRange) -> Option<StoredRun> {
    let range = stored.run.range().overlap(&hole)?;
    stored.cut_back(range.last).ok()?.0.cut_front(range.first).ok()
}
