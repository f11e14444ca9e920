//! Answering wants: runs are read from the store and sent as they are, page by page.

use std::collections::VecDeque;

use super::ops::Op;
use super::{Class, DropReason, LinkId, Node};
use crate::wire::{ChannelTag, Delta, DeltaRun, FloorNote, Message, Want, WantLog};
use crate::{LogHead, LogId, MAX_RUN_BYTES, Stamp, StoreFailure, StoreReply, StoreRequest, StoredRun};

/// Wants of one link that wait.
const WAITING: usize = 8;
/// Bytes read at once, and sent in one message where frames allow it.
const PAGE: usize = 4 * MAX_RUN_BYTES;

/// Wants of one peer.
#[derive(Debug, Default)]
pub(super) struct Serving {
    waiting: VecDeque<Serve>,
    reading: Option<Reading>,
}

#[derive(Debug)]
struct Serve {
    tag: ChannelTag,
    serial: u64,
    budget: usize,
    logs: VecDeque<WantLog>,
    floors: Vec<FloorNote>,
    runs: Vec<DeltaRun>,
    bytes: usize,
}

/// What a read in flight is for.
#[derive(Debug)]
struct Reading {
    want: WantLog,
    /// The head is read because the want lies below the floor.
    head: bool,
}

impl Node {
    pub(super) fn on_want(&mut self, id: LinkId, want: Want) {
        if !self.knows_tag(id, want.tag) {
            return;
        }
        let Some(link) = self.links.get_mut(&id) else { return };
        let Some(session) = link.session.as_mut() else { return };
        if session.serving.waiting.len() >= WAITING || want.serial == 0 {
            let peer = link.peer.clone();
            return self.drop_from(Some(peer), DropReason::Bound, "too many wants at once");
        }
        let budget =
            usize::try_from(want.budget).unwrap_or(usize::MAX).min(self.config.window_bytes.max(PAGE) * 4);
        session.serving.waiting.push_back(Serve {
            tag: want.tag,
            serial: want.serial,
            budget,
            logs: want.logs.into(),
            floors: Vec::new(),
            runs: Vec::new(),
            bytes: 0,
        });
        self.serve(id);
    }

    /// Goes on with a link's wants until a read is in flight or nothing is left.
    pub(super) fn serve(&mut self, id: LinkId) {
        loop {
            let Some(link) = self.links.get_mut(&id).filter(|link| !link.congested) else { return };
            let Some(session) = link.session.as_mut() else { return };
            let serving = &mut session.serving;
            if serving.reading.is_some() {
                return;
            }
            let Some(serve) = serving.waiting.front_mut() else { return };
            let channel = session.tags.get(&serve.tag).cloned();
            let next = if serve.budget == 0 { None } else { serve.logs.pop_front() };
            let (Some(want), Some(channel)) = (next, channel) else {
                self.flush(id, true);
                continue;
            };
            let Some(log) = self.logs.get(&want.log).filter(|log| log.name.channel == channel) else {
                continue;
            };
            if want.after >= log.stored.height {
                continue;
            }
            let head = want.after < log.floor;
            let request = match head {
                true => StoreRequest::Head { log: want.log },
                false => {
                    let budget = serve.budget.min(PAGE);
                    StoreRequest::Read { log: want.log, from: want.after + 1, budget }
                }
            };
            serving.reading = Some(Reading { want, head });
            self.store(Op::Serve(id), request);
        }
    }

    pub(super) fn on_read(&mut self, id: LinkId, result: Result<StoreReply, StoreFailure>) {
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(Reading { want, head }) = session.and_then(|session| session.serving.reading.take()) else {
            return;
        };
        match result {
            Ok(StoreReply::Head(Some(found))) if head => self.answer_floor(id, want, &found),
            Ok(StoreReply::Runs(runs)) if !head => self.answer_runs(id, want, runs),
            Ok(_) => {}
            // The peer asks again; whoever else holds the log may answer.
            Err(failure) => self.notify(super::Event::StoreFailed(failure)),
        }
        self.serve(id);
    }

    /// A want below the floor is answered with the floor, then with what follows it.
    fn answer_floor(&mut self, id: LinkId, want: WantLog, head: &LogHead) {
        let stamp = if head.floor == head.height { head.stamp } else { Stamp::ZERO };
        let note = FloorNote { log: want.log, floor: head.floor, hash: head.floor_hash, stamp };
        let Some(serve) = self.serving(id) else { return };
        if head.floor > want.after {
            serve.floors.push(note);
            serve.logs.push_front(WantLog {
                log: want.log,
                after: head.floor,
                check: head.floor_hash.check(),
            });
        }
    }

    fn answer_runs(&mut self, id: LinkId, want: WantLog, runs: Vec<StoredRun>) {
        let Some(height) = self.logs.get(&want.log).map(|log| log.stored.height) else { return };
        let Some(limit) = self.links.get(&id).map(|link| link.limits.max_frame) else { return };
        let asked = want.after;
        let mut after = want;
        for mut stored in runs {
            // The store may have acknowledged more than it told us yet: only that is served.
            if stored.run.first() > height {
                break;
            }
            if stored.run.range().contains(after.after + 1)
                && let Ok(cut) = stored.cut_front(after.after + 1)
            {
                stored = cut;
            }
            if stored.run.first() > after.after + 1 {
                self.answer_gap(id, after.log, &stored);
                after = WantLog { after: stored.run.first() - 1, check: stored.prev.check(), ..after };
            }
            // Where the chains part the peer needs to see the hash before.
            let fits = stored.run.first() == after.after + 1 && stored.prev.check() == after.check;
            let prev = (!fits).then_some(stored.prev);
            let last = stored.run.last();
            after = WantLog { after: last, check: stored.run.check(), ..after };
            let size = stored.run.encoded().len();
            let Some(serve) = self.serving(id) else { return };
            if serve.bytes > 0 && serve.bytes + size + 256 > limit.min(PAGE) {
                self.flush(id, false);
            }
            let Some(serve) = self.serving(id) else { return };
            serve.bytes += size;
            serve.budget = serve.budget.saturating_sub(size);
            serve.runs.push(DeltaRun { prev, run: stored.run });
            if serve.budget == 0 {
                break;
            }
        }
        if after.after > asked
            && after.after < height
            && let Some(serve) = self.serving(id)
        {
            serve.logs.push_front(after);
        }
    }

    /// What lies before a run is missing here too: the peer is told before it gets the run.
    fn answer_gap(&mut self, id: LinkId, log: LogId, next: &StoredRun) {
        if self.serving(id).is_some_and(|serve| !serve.runs.is_empty()) {
            self.flush(id, false);
        }
        let note = FloorNote { log, floor: next.run.first() - 1, hash: next.prev, stamp: Stamp::ZERO };
        if let Some(serve) = self.serving(id) {
            serve.floors.push(note);
        }
    }

    fn serving(&mut self, id: LinkId) -> Option<&mut Serve> {
        self.links.get_mut(&id)?.session.as_mut()?.serving.waiting.front_mut()
    }

    /// Sends what was gathered for the want in work.
    fn flush(&mut self, id: LinkId, end: bool) {
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(serving) = session.map(|session| &mut session.serving) else { return };
        let Some(serve) = serving.waiting.front_mut() else { return };
        serve.bytes = 0;
        let (floors, runs) = (std::mem::take(&mut serve.floors), std::mem::take(&mut serve.runs));
        let delta = Delta { tag: serve.tag, serial: serve.serial, end, names: Vec::new(), floors, runs };
        if end {
            serving.waiting.pop_front();
        }
        self.send(id, &Message::Delta(delta), Class::Bulk);
    }
}
