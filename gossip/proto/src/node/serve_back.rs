//! Answering for holes: runs from an end down, each with the hash before it.

use std::collections::VecDeque;

use super::serve::{PAGE, Serve, Serving};
use super::serve_pack::Part;
use super::{DropReason, LinkId, Node};
use crate::wire::{Back, BackLog, DeltaRun};
use crate::{ChannelId, MAX_RUN_ENTRIES, SeqRange, StoreRequest, StoredRun};

/// Logs in one question.
const BACK_LOGS: usize = 64;

/// A log to read down from a place.
#[derive(Debug, Clone)]
pub(super) struct Backward {
    pub(super) log: BackLog,
    /// The runs are so large that a page does not reach from the lowest possible beginning of the one
    /// wanted to its end: it is read alone.
    alone: bool,
}

impl Backward {
    /// First sequence to read, and how many bytes: a run that ends here begins at most so far below.
    pub(super) fn page(&self, floor: u64) -> (u64, usize) {
        let below = self.log.below;
        if self.alone {
            return (below, 1);
        }
        (below.saturating_sub(MAX_RUN_ENTRIES - 1).max(floor + 1), PAGE)
    }
}

impl Node {
    pub(super) fn on_back(&mut self, id: LinkId, back: Back) {
        if !self.knows_tag(id, back.tag) {
            return;
        }
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        if back.serial == 0 {
            return self.drop_from(Some(peer), DropReason::Malformed, "a question back without a serial");
        }
        if back.logs.len() > BACK_LOGS {
            return self.drop_from(Some(peer), DropReason::Bound, "a question back about too many logs");
        }
        let logs = back.logs.into_iter().map(|log| Backward { log, alone: false });
        self.wait_to_serve(
            id,
            Serve::new(back.tag, back.serial, VecDeque::new(), logs.collect()),
            back.budget,
        );
    }

    /// What to read for a hole of a peer, if anything is held there.
    pub(super) fn back_request(
        &self,
        link: LinkId,
        channel: &ChannelId,
        back: &Backward,
    ) -> Option<StoreRequest> {
        let BackLog { log: id, below, .. } = back.log;
        let log = self.logs.inside(channel, &id).filter(|log| self.compares(link, log))?;
        let at = SeqRange { first: below, last: below };
        if below <= back.log.above || below > log.stored.height || log.holes().touched_by(&at).is_some() {
            return None;
        }
        let (from, budget) = back.page(log.holes().floor);
        Some(StoreRequest::Read { log: id, from: log.holes().next_held(from), budget })
    }

    /// Sends the runs that reach down from where the peer's hole ends, as far as they hold together.
    pub(super) fn answer_back(&mut self, id: LinkId, back: &Backward, runs: Vec<StoredRun>) {
        let BackLog { log, above, mut below, mut check } = back.log;
        for stored in runs.into_iter().rev() {
            if stored.run.first() > below {
                continue;
            }
            let here = stored.hash_at(below).ok().map(|hash| hash.check());
            if !stored.run.range().contains(below) || here != Some(check) {
                break;
            }
            (below, check) = (stored.run.first() - 1, stored.prev.check());
            let run = DeltaRun { prev: Some(stored.prev), run: stored.run };
            if !self.gather(id, Part::of_run(run)) || below <= above {
                break;
            }
        }
        let moved = below < back.log.below;
        if (moved && below > above || !moved && !back.alone)
            && let Some(serve) = self.serving(id).and_then(Serving::front)
        {
            let log = BackLog { log, above, below, check };
            serve.backs.push_front(Backward { log, alone: back.alone || !moved });
        }
    }
}
