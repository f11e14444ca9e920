//! Answering wants: runs are read from the store and sent as they are, page by page.

use std::collections::VecDeque;

use super::fetch::WANT_LOGS;
use super::ops::Op;
use super::pieces::MESSAGE;
use super::repair::Mending;
use super::serve_back::Backward;
use super::{Class, DropReason, LinkId, Node, OpId};
use crate::wire::{ChannelTag, Delta, DeltaRun, FloorNote, Message, Want, WantLog};
use crate::{
    Fault, LogHead, LogId, MAX_RUN_BYTES, Seq, Stamp, StoreFailure, StoreReply, StoreRequest, StoredRun,
};

/// Wants of one link that wait.
const WAITING: usize = 8;
/// Bytes read at once, and sent in one message where frames allow it.
pub(super) const PAGE: usize = 4 * MAX_RUN_BYTES;

/// Wants of one peer.
#[derive(Debug, Default)]
pub(super) struct Serving {
    waiting: VecDeque<Serve>,
    reading: Option<Reading>,
}

impl Serving {
    /// Whether a want is being answered.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[derive(Debug)]
pub(super) struct Serve {
    tag: ChannelTag,
    serial: u64,
    budget: usize,
    logs: VecDeque<Wanted>,
    pub(super) backs: VecDeque<Backward>,
    floors: Vec<FloorNote>,
    runs: Vec<DeltaRun>,
    bytes: usize,
}

impl Serve {
    pub(super) fn new(
        tag: ChannelTag,
        serial: u64,
        logs: VecDeque<Wanted>,
        backs: VecDeque<Backward>,
    ) -> Self {
        Self { tag, serial, budget: 0, logs, backs, floors: Vec::new(), runs: Vec::new(), bytes: 0 }
    }
}

/// A log to read on from.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    log: WantLog,
    /// From where the peer asked, not from where an answer to it goes on: only there a floor
    /// says something to the peer, because it may have lost what was sent before.
    asked: bool,
}

/// What a read in flight is for.
#[derive(Debug)]
struct Reading {
    what: What,
    /// Answers to the reads of an earlier session are not for this one.
    op: OpId,
}

#[derive(Debug, Clone)]
enum What {
    Runs(Wanted),
    /// The head, because no run is held after what was wanted.
    Head(Wanted),
    Back(Backward),
}

impl Node {
    pub(super) fn on_want(&mut self, id: LinkId, want: Want) {
        if !self.knows_tag(id, want.tag) {
            return;
        }
        // A paused node asks for nothing.
        self.hear_paused(id, false);
        let Some(peer) = self.links.get(&id).map(|link| link.peer.clone()) else { return };
        if want.serial == 0 {
            return self.drop_from(Some(peer), DropReason::Malformed, "a want without a serial");
        }
        if want.logs.len() > WANT_LOGS {
            return self.drop_from(Some(peer), DropReason::Bound, "a want for too many logs");
        }
        let logs = want.logs.into_iter().map(|log| Wanted { log, asked: true }).collect();
        self.wait_to_serve(id, Serve::new(want.tag, want.serial, logs, VecDeque::new()), want.budget);
    }

    /// Queues what a peer asks for.
    pub(super) fn wait_to_serve(&mut self, id: LinkId, mut serve: Serve, budget: u64) {
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let Some(session) = session else { return };
        if session.serving.waiting.len() >= WAITING {
            // The peer has given up on the oldest, or asks for more than it may. A read that was
            // begun is waited for: there is never more than one.
            let oldest = usize::from(session.serving.reading.is_some());
            session.serving.waiting.remove(oldest);
        }
        let most = self.config.window_bytes.max(PAGE) * 4;
        serve.budget = usize::try_from(budget).unwrap_or(usize::MAX).min(most);
        session.serving.waiting.push_back(serve);
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
            let back = if serve.budget == 0 { None } else { serve.backs.pop_front() };
            if let (Some(back), Some(channel)) = (back, &channel) {
                if let Some(request) = self.back_request(channel, &back) {
                    self.begin_reading(id, What::Back(back), request);
                }
                continue;
            }
            let next = if serve.budget == 0 { None } else { serve.logs.pop_front() };
            let (Some(want), Some(channel)) = (next, channel) else {
                self.flush(id, true);
                continue;
            };
            let WantLog { log: id_of_log, after, .. } = want.log;
            let Some(log) = self.logs.get(&id_of_log).filter(|log| log.name.channel == channel) else {
                continue;
            };
            if after >= log.stored.height {
                continue;
            }
            let budget = serve.budget.min(PAGE);
            let request = StoreRequest::Read { log: id_of_log, from: after + 1, budget };
            self.begin_reading(id, What::Runs(want), request);
        }
    }

    fn begin_reading(&mut self, id: LinkId, what: What, request: StoreRequest) {
        let op = self.store(Op::Serve(id), request);
        self.set_reading(id, Reading { what, op });
    }

    fn set_reading(&mut self, id: LinkId, reading: Reading) {
        if let Some(session) = self.links.get_mut(&id).and_then(|link| link.session.as_mut()) {
            session.serving.reading = Some(reading);
        }
    }

    pub(super) fn on_read(&mut self, id: LinkId, op: OpId, result: Result<StoreReply, StoreFailure>) {
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let reading = session.and_then(|session| session.serving.reading.take_if(|reading| reading.op == op));
        let Some(Reading { what, .. }) = reading else { return };
        match (result, what) {
            (Ok(StoreReply::Head(Some(found))), What::Head(want)) => self.answer_floor(id, &want.log, &found),
            (Ok(StoreReply::Runs(runs)), What::Runs(want)) if runs.is_empty() && want.asked => {
                self.read_head(id, want);
            }
            (Ok(StoreReply::Runs(runs)), What::Runs(want)) => self.answer_runs(id, want, runs),
            (Ok(StoreReply::Runs(runs)), What::Back(back)) => self.answer_back(id, &back, runs),
            (Err(failure), what) if failure.fault == Fault::Corrupt => return self.mend(id, what, failure),
            (Ok(_), _) => {}
            // The peer asks again; whoever else holds the log may answer.
            (Err(failure), _) => self.notify(super::Event::StoreFailed(failure)),
        }
        self.serve(id);
    }

    /// What was to be read is damaged: it is isolated, then reading goes on around it.
    fn mend(&mut self, id: LinkId, what: What, failure: StoreFailure) {
        let place = match &what {
            What::Runs(want) => Some((want.log.log, want.log.after + 1)),
            What::Back(back) => self.logs.get(&back.log.log).map(|log| {
                let (from, _) = back.page(log.holes.floor);
                (back.log.log, from)
            }),
            What::Head(_) => None,
        };
        let found = place.and_then(|(log, at)| Some((log, self.logs.get(&log)?.holes.next_held(at))));
        let Some((log, at)) = found else {
            self.notify(super::Event::StoreFailed(failure));
            return self.serve(id);
        };
        let op = self.isolate(log, at, Mending::Serve(id));
        self.set_reading(id, Reading { what, op });
    }

    /// The damage that stopped a read is a gap now, or stays where it is.
    pub(super) fn serve_mended(&mut self, id: LinkId, op: OpId, mended: bool) {
        let session = self.links.get_mut(&id).and_then(|link| link.session.as_mut());
        let serving = session.map(|session| &mut session.serving);
        let Some(serving) = serving else { return };
        let Some(reading) = serving.reading.take_if(|reading| reading.op == op) else { return };
        if let Some(serve) = serving.waiting.front_mut().filter(|_| mended) {
            match reading.what {
                What::Runs(want) | What::Head(want) => serve.logs.push_front(want),
                What::Back(back) => serve.backs.push_front(back),
            }
        }
        self.serve(id);
    }

    /// Nothing is held after what was wanted, up to the very height.
    fn read_head(&mut self, id: LinkId, want: Wanted) {
        let request = StoreRequest::Head { log: want.log.log };
        self.begin_reading(id, What::Head(want), request);
    }

    /// Everything wanted was pruned here, or never came: the peer may go on from the height.
    fn answer_floor(&mut self, id: LinkId, want: &WantLog, head: &LogHead) {
        let stored = self.logs.get(&want.log).map(|log| log.stored.height);
        if head.height > want.after && stored == Some(head.height) {
            let note = FloorNote {
                log: want.log,
                floor: head.height,
                hash: head.hash,
                stamp: head.stamp,
                seal: None,
            };
            self.serving(id).into_iter().for_each(|serve| serve.floors.push(note.clone()));
        }
    }

    fn answer_runs(&mut self, id: LinkId, want: Wanted, runs: Vec<StoredRun>) {
        let Some(height) = self.logs.get(&want.log.log).map(|log| log.stored.height) else { return };
        let (asked, mut after) = (want.log.after, want.log);
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
            let floor = stored.run.first() - 1;
            if floor > after.after {
                if !want.asked || after.after > asked {
                    return;
                }
                // What lies between was pruned or never came here: the peer goes on from there.
                let note =
                    FloorNote { log: after.log, floor, hash: stored.prev, stamp: Stamp::ZERO, seal: None };
                let Some(serve) = self.serving(id) else { return };
                serve.floors.push(note);
                after = WantLog { after: floor, check: stored.prev.check(), ..after };
            }
            // Where the chains part the peer needs to see both sides.
            let fits = stored.prev.check() == after.check;
            let prev = (!fits).then_some(stored.prev);
            if !fits {
                self.notice_fork(id, after.log, asked);
            }
            let last = stored.run.last();
            after = WantLog { after: last, check: stored.run.check(), ..after };
            if !self.gather(id, DeltaRun { prev, run: stored.run }) {
                break;
            }
        }
        if after.after > asked
            && after.after < height
            && let Some(serve) = self.serving(id)
        {
            serve.logs.push_front(Wanted { log: after, asked: false });
        }
    }

    /// Adds a run to the next message for the want in work; false when its budget is used up.
    pub(super) fn gather(&mut self, id: LinkId, run: DeltaRun) -> bool {
        let Some(limit) = self.links.get(&id).map(|link| link.limits.max_frame) else { return false };
        let size = run.run.encoded().len();
        let Some(serve) = self.serving(id) else { return false };
        if serve.bytes > 0 && serve.bytes + size + 256 > limit.clamp(MESSAGE, PAGE) {
            self.flush(id, false);
        }
        let Some(serve) = self.serving(id) else { return false };
        serve.bytes += size;
        serve.budget = serve.budget.saturating_sub(size);
        serve.runs.push(run);
        serve.budget > 0
    }

    /// A peer asked for what follows an entry that is another one here.
    fn notice_fork(&mut self, id: LinkId, log: LogId, at: Seq) {
        let Some(name) = self.logs.get(&log).map(|log| (*log.name).clone()) else { return };
        self.fork(id, &name.channel.clone(), name, log, at);
    }

    pub(super) fn serving(&mut self, id: LinkId) -> Option<&mut Serve> {
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
