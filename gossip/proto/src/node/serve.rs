//! Answering what is asked for: what to read next, for whom, and what to do when it cannot be read.
//!
//! What one link's peer asks for waits in a queue, and one after the other sends a message's worth
//! (about a [`PAGE`]) before the next has its turn: a long log does not hold up the short ones.

use std::collections::VecDeque;

use super::fetch::WANT_LOGS;
use super::ops::Op;
use super::repair::Mending;
use super::serve_back::Backward;
use super::serve_pack::Page;
use super::{DropReason, LinkId, Node, OpId};
use crate::wire::{ChannelTag, Want};
use crate::{ChannelId, Check, Fault, LogId, MAX_RUN_BYTES, Seq, StoreFailure, StoreReply, StoreRequest};

/// Wants of one link that wait.
const WAITING: usize = 8;
/// Reads in flight for a link: of many short logs one is read while another is.
const READS: usize = 2;
/// Bytes read at once, and sent in one message where frames allow it.
pub(super) const PAGE: usize = 4 * MAX_RUN_BYTES;
/// Bytes read at once to reach a seal.
pub(super) const AHEAD: usize = 16 * MAX_RUN_BYTES;

/// Wants of one peer.
#[derive(Debug, Default)]
pub(super) struct Serving {
    /// The front is in work.
    waiting: VecDeque<Serve>,
    /// All for the front.
    reading: Vec<Reading>,
    /// How many came in this session.
    count: u64,
}

impl Serving {
    /// Entries that wait to be sent of a channel.
    pub(super) fn entries(&self, tag: ChannelTag) -> u64 {
        let of = self.waiting.iter().filter(|serve| serve.tag == tag);
        of.map(|serve| serve.entries).fold(0, u64::saturating_add)
    }

    /// Whether a want is being answered.
    pub(super) fn is_busy(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn front(&mut self) -> Option<&mut Serve> {
        self.waiting.front_mut()
    }

    /// The want in work is answered.
    pub(super) fn end(&mut self) {
        self.waiting.pop_front();
    }

    /// The want in work sent a message: the next one has its turn, once nothing is read for this one.
    pub(super) fn pass_on(&mut self) {
        let is_alone = self.waiting.len() < 2;
        self.waiting.front_mut().into_iter().for_each(|serve| serve.rests = !is_alone);
    }

    fn take_turns(&mut self) {
        if let Some(serve) = self.waiting.front_mut().filter(|_| self.reading.is_empty())
            && std::mem::take(&mut serve.rests)
        {
            self.waiting.rotate_left(1);
        }
    }

    fn push(&mut self, mut serve: Serve) {
        if self.waiting.len() >= WAITING {
            self.drop_oldest();
        }
        self.count += 1;
        serve.number = self.count;
        self.waiting.push_back(serve);
    }

    /// The peer has given up on the oldest, or asks for more than it may. Reads that were begun are
    /// waited for: there are never more than two.
    fn drop_oldest(&mut self) {
        let idle = self.waiting.iter().enumerate().skip(usize::from(!self.reading.is_empty()));
        if let Some((oldest, _)) = idle.min_by_key(|(_, serve)| serve.number) {
            self.waiting.remove(oldest);
        }
    }
}

/// Something a peer asked for, or what it is given because it lacks it.
#[derive(Debug)]
pub(super) struct Serve {
    /// Those that came earlier have lower ones.
    number: u64,
    pub(super) tag: ChannelTag,
    pub(super) serial: u64,
    pub(super) budget: usize,
    pub(super) logs: VecDeque<Wanted>,
    pub(super) backs: VecDeque<Backward>,
    /// So many of the logs are not sent yet.
    pub(super) entries: u64,
    /// Not asked for by name: the peer knows of the logs only what it is told.
    pub(super) is_gift: bool,
    /// Its turn is over.
    rests: bool,
    pub(super) page: Page,
}

impl Serve {
    pub(super) fn new(
        tag: ChannelTag,
        serial: u64,
        logs: VecDeque<Wanted>,
        backs: VecDeque<Backward>,
    ) -> Self {
        let (is_gift, rests, page) = (false, false, Page::default());
        Self { number: 0, tag, serial, budget: 0, logs, backs, entries: 0, is_gift, rests, page }
    }

    /// Whether there is nothing more to read for it.
    pub(super) fn is_done(&self) -> bool {
        self.budget == 0 || self.logs.is_empty() && self.backs.is_empty()
    }
}

/// A log to read on from.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    pub(super) log: LogId,
    pub(super) after: Seq,
    /// Of the chain there, as the peer has it; `None` if it did not say.
    pub(super) check: Option<Check>,
    /// From where the peer asked, not from where an answer to it goes on: only there a floor
    /// says something to the peer, because it may have lost what was sent before.
    pub(super) asked: bool,
    /// The peer may not know the log: its name goes with the first of its runs.
    pub(super) is_named: bool,
    /// A page did not reach a seal: more is read at once.
    pub(super) looks_ahead: bool,
    /// The peer may know that the log forks: its end needs no seal then.
    pub(super) to_end: bool,
}

impl Wanted {
    pub(super) fn new(log: LogId, after: Seq, check: Option<Check>) -> Self {
        let to_end = check.is_some();
        Self { log, after, check, asked: true, is_named: false, looks_ahead: false, to_end }
    }
}

/// What a read in flight is for.
#[derive(Debug)]
struct Reading {
    what: What,
    /// So much of the budget may come.
    bytes: usize,
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

/// What is to be done for the want in work.
enum Step {
    /// To be answered with about so many bytes.
    Read(What, usize, StoreRequest),
    /// Nothing is held of what came next.
    Skip,
    End,
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
        let logs = want.logs.into_iter();
        let logs = logs.map(|want| Wanted::new(want.log, want.after, Some(want.check)));
        let serve = Serve::new(want.tag, want.serial, logs.collect(), VecDeque::new());
        self.wait_to_serve(id, serve, want.budget);
    }

    /// Queues what a peer asks for.
    pub(super) fn wait_to_serve(&mut self, id: LinkId, mut serve: Serve, budget: u64) {
        // Peers ask for no more than a window at once.
        let most = self.config.window_bytes.max(PAGE) * 2;
        serve.budget = usize::try_from(budget).unwrap_or(usize::MAX).min(most);
        let (tag, logs) = (serve.tag, serve.logs.iter().map(|want| (want.log, want.after)));
        serve.entries = self.count_after(logs.collect::<Vec<_>>().iter());
        let Some(serving) = self.serving(id) else { return };
        serving.push(serve);
        self.note_queued(id, tag);
        self.serve(id);
    }

    pub(super) fn serving(&mut self, id: LinkId) -> Option<&mut Serving> {
        Some(&mut self.links.get_mut(&id)?.session.as_mut()?.serving)
    }

    /// Goes on with a link's wants until enough is being read or nothing is left.
    pub(super) fn serve(&mut self, id: LinkId) {
        while let Some(step) = self.next_step(id) {
            match step {
                Step::Read(what, bytes, request) => self.begin_reading(id, what, bytes, request),
                Step::Skip => {}
                Step::End => self.end_serve(id),
            }
        }
    }

    /// What to do next for the want in work, if there is anything before a read in flight is done.
    fn next_step(&mut self, id: LinkId) -> Option<Step> {
        let link = self.links.get_mut(&id).filter(|link| !link.congested)?;
        let session = link.session.as_mut()?;
        session.serving.take_turns();
        let Serving { waiting, reading, .. } = &mut session.serving;
        let (reads, bytes) = (reading.len(), reading.iter().map(|reading| reading.bytes).sum());
        let serve = waiting.front_mut()?;
        let channel = session.tags.get(&serve.tag).cloned();
        let left = serve.budget.saturating_sub(bytes);
        let Some(channel) = channel.filter(|_| left > 0 && !serve.is_done()) else {
            return (reads == 0).then_some(Step::End);
        };
        if serve.rests || reads == READS {
            return None;
        }
        if let Some(back) = serve.backs.pop_front() {
            let request = self.back_request(id, &channel, &back);
            return Some(request.map_or(Step::Skip, |request| Step::Read(What::Back(back), PAGE, request)));
        }
        let want = serve.logs.pop_front();
        Some(want.filter(|want| self.holds_after(id, &channel, want)).map_or(Step::Skip, |want| {
            let budget = if want.looks_ahead { AHEAD } else { left.min(PAGE) };
            let request = StoreRequest::Read { log: want.log, from: want.after + 1, budget };
            Step::Read(What::Runs(want), budget, request)
        }))
    }

    /// Whether a log of this channel goes on here after what a peer has, and may be given on a link.
    fn holds_after(&self, id: LinkId, channel: &ChannelId, want: &Wanted) -> bool {
        let log = self.logs.inside(channel, &want.log).filter(|log| self.compares(id, log));
        log.is_some_and(|log| want.after < log.stored.height)
    }

    fn begin_reading(&mut self, id: LinkId, what: What, bytes: usize, request: StoreRequest) {
        let op = self.store(Op::Serve(id), request);
        self.note_reading(id, Reading { what, bytes, op });
    }

    fn note_reading(&mut self, id: LinkId, reading: Reading) {
        if let Some(serving) = self.serving(id) {
            serving.reading.push(reading);
        }
    }

    fn take_reading(&mut self, id: LinkId, op: OpId) -> Option<What> {
        let reading = &mut self.serving(id)?.reading;
        let place = reading.iter().position(|reading| reading.op == op)?;
        Some(reading.swap_remove(place).what)
    }

    pub(super) fn on_read(&mut self, id: LinkId, op: OpId, result: Result<StoreReply, StoreFailure>) {
        let Some(what) = self.take_reading(id, op) else { return };
        match (result, what) {
            (Ok(StoreReply::Head(Some(found))), What::Head(want)) => self.answer_floor(id, &want, &found),
            (Ok(StoreReply::Runs(runs)), What::Runs(want)) if runs.is_empty() && want.asked => {
                self.read_head(id, want);
            }
            (Ok(StoreReply::Runs(runs)), What::Runs(want)) => self.answer_runs(id, &want, runs),
            (Ok(StoreReply::Runs(runs)), What::Back(back)) => self.answer_back(id, &back, runs),
            (Err(failure), what) if failure.fault == Fault::Corrupt => return self.mend(id, what, failure),
            (Ok(_), _) => {}
            // The peer asks again; whoever else holds the log may answer.
            (Err(failure), _) => self.notify(super::Event::StoreFailed(failure)),
        }
        self.end_page(id);
        self.serve(id);
    }

    /// What was to be read is damaged: it is isolated, then reading goes on around it.
    fn mend(&mut self, id: LinkId, what: What, failure: StoreFailure) {
        let place = match &what {
            What::Runs(want) => Some((want.log, want.after + 1)),
            What::Back(back) => self.logs.get(&back.log.log).map(|log| {
                let (from, _) = back.page(log.holes().floor);
                (back.log.log, from)
            }),
            What::Head(_) => None,
        };
        let found = place.and_then(|(log, at)| Some((log, self.logs.get(&log)?.holes().next_held(at))));
        let Some((log, at)) = found else {
            self.notify(super::Event::StoreFailed(failure));
            return self.serve(id);
        };
        let op = self.isolate(log, at, Mending::Serve(id));
        self.note_reading(id, Reading { what, bytes: 0, op });
    }

    /// The damage that stopped a read is a gap now, or stays where it is.
    pub(super) fn serve_mended(&mut self, id: LinkId, op: OpId, mended: bool) {
        let Some(what) = self.take_reading(id, op) else { return };
        if let Some(serve) = self.serving(id).and_then(Serving::front).filter(|_| mended) {
            match what {
                What::Runs(want) | What::Head(want) => serve.logs.push_front(want),
                What::Back(back) => serve.backs.push_front(back),
            }
        }
        self.serve(id);
    }

    /// Nothing is held after what was wanted, up to the very height.
    pub(super) fn read_head(&mut self, id: LinkId, want: Wanted) {
        let request = StoreRequest::Head { log: want.log };
        self.begin_reading(id, What::Head(want), 0, request);
    }
}
