//! What fills a hole: checked against the chain hash at the hole's upper end, then stored.

use super::accept::Batch;
use super::log::Tip;
use super::ops::{Landed, Landing};
use super::{DropReason, LinkId, Node};
use crate::wire::{Delta, DeltaRun};
use crate::{ChainHash, ChannelId, CommitItem, LogId, NodeId, SeqRange, StoredRun};

/// What becomes of a run that should fill a hole.
#[allow(clippy::large_enum_variant, reason = "lives on the stack for a moment")]
pub(super) enum Fit {
    Fills(StoredRun),
    /// It does not reach the end of what is missing: another one comes or is asked for.
    Apart,
    /// It is not of this chain.
    Wrong,
}

impl Node {
    /// Takes in an answer to a question about a hole; false when it is none.
    pub(super) fn take_back(&mut self, id: LinkId, name: &ChannelId, peer: &NodeId, delta: &Delta) -> bool {
        let Some((log, asked)) = self.refills.asked(id, delta.serial) else { return false };
        let (bytes, below) = (bytes_of(delta), asked.below);
        asked.budget = asked.budget.saturating_sub(bytes);
        asked.ended |= delta.end;
        let empty = delta.end && delta.runs.is_empty();
        let mut batch = Batch::default();
        let is_placed = self.placed(name, &log).is_some();
        let fits = is_placed
            && delta.runs.iter().all(|run| self.take_filling(id, log, delta.serial, run, &mut batch));
        if !fits && is_placed {
            self.drop_from(
                Some(peer.clone()),
                DropReason::BrokenChain,
                "a run that does not fit into its hole",
            );
        }
        let asked = self.refills.asked(id, delta.serial).map(|(_, asked)| asked);
        let (gained, over) = asked.map_or((false, true), |asked| {
            (asked.gained, asked.below < asked.hole.first || asked.ended && asked.gained)
        });
        self.commit_batch(peer, batch, None);
        if !fits || empty && !gained {
            self.spend(id, log, below);
        } else if over {
            self.refills.end(&log);
        }
        self.refill();
        true
    }

    /// Takes one run of an answer; false when it is wrong.
    fn take_filling(
        &mut self,
        link: LinkId,
        log: LogId,
        serial: u64,
        received: &DeltaRun,
        batch: &mut Batch,
    ) -> bool {
        let now = self.now.tick;
        let Some((_, asked)) = self.refills.asked(link, serial) else { return true };
        let missing = SeqRange { first: asked.hole.first, last: asked.below };
        let end = asked.hash;
        match fit(log, received, missing, end) {
            Fit::Apart => true,
            Fit::Wrong => false,
            Fit::Fills(stored) => {
                asked.gain(stored.run.first(), stored.prev, now);
                self.queue_filling(log, stored, end, batch);
                true
            }
        }
    }

    /// Queues a run that fills the upper end of a hole.
    pub(super) fn queue_filling(&mut self, id: LogId, stored: StoredRun, end: ChainHash, batch: &mut Batch) {
        let Some(name) = self.logs.name(&id) else { return };
        let StoredRun { prev, run } = self.hollow(&name, stored);
        if let Some(log) = self.logs.get_mut(&id) {
            log.rare_mut().filling += 1;
        }
        // No seal is asked for: the hash it ends at is below one.
        let tip = Tip { height: run.last(), hash: end, stamp: run.last_stamp() };
        let what = Landed::Filled(run.range());
        let landing = Landing { name: name.clone(), log: id, end: tip, what };
        self.queue(batch, CommitItem::Fill { log: name, prev, run, end }, landing);
    }
}

/// The part of a run that lies in what is missing, if the run is of the chain that goes on after it.
pub(super) fn fit(log: LogId, received: &DeltaRun, missing: SeqRange, end: ChainHash) -> Fit {
    let DeltaRun { prev: Some(prev), run } = received else { return Fit::Wrong };
    if run.log() != log {
        return Fit::Wrong;
    }
    if missing.count() == 0 || !run.range().contains(missing.last) {
        return Fit::Apart;
    }
    let whole = StoredRun { prev: *prev, run: run.clone() };
    let Ok((cut, found)) = whole.cut_back(missing.last) else { return Fit::Wrong };
    if found != end || cut.run.check() != end.check() {
        return Fit::Wrong;
    }
    let first = cut.run.first().max(missing.first);
    cut.cut_front(first).map_or(Fit::Wrong, Fit::Fills)
}

fn bytes_of(delta: &Delta) -> usize {
    delta.runs.iter().map(|run| run.run.encoded().len()).sum()
}
