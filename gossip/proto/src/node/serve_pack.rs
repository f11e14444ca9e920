//! What an answer carries: runs as they are stored, small neighbours joined, in messages of a page.

use super::pieces::MESSAGE;
use super::serve::{PAGE, Serving, Wanted};
use super::serve_ends::{stretches, upto_seal};
use super::{Class, LinkId, Node};
use crate::wire::{Delta, DeltaRun, FloorNote, Message};
use crate::{LogHead, LogId, MAX_RUN_BYTES, MAX_RUN_ENTRIES, Seq, Stamp, StoredRun};

/// What was gathered for the next message of an answer.
#[derive(Debug, Default)]
pub(super) struct Page {
    floors: Vec<FloorNote>,
    runs: Vec<DeltaRun>,
    bytes: usize,
}

impl Node {
    /// Everything wanted was pruned here, or never came: the peer may go on from the height.
    pub(super) fn answer_floor(&mut self, id: LinkId, want: &Wanted, head: &LogHead) {
        let stored = self.logs.get(&want.log).map(|log| log.stored.height);
        if head.height > want.after && stored == Some(head.height) {
            let note = FloorNote {
                log: want.log,
                floor: head.height,
                hash: head.hash,
                stamp: head.stamp,
                seal: head.seal_at(head.height),
            };
            self.gather(id, Some(note), Vec::new());
        }
    }

    /// Sends what was read for a log, and has it read on if there is more.
    pub(super) fn answer_runs(&mut self, id: LinkId, want: Wanted, runs: Vec<StoredRun>) {
        let Some(log) = self.logs.get(&want.log) else { return };
        let (height, is_sealed) = (log.stored.height, log.name.author.is_key());
        let (mut at, is_empty) = (want.clone(), runs.is_empty());
        for stretch in stretches(joined(&after(runs, want.after, height)), is_sealed) {
            let Some((first, last)) = stretch.first().zip(stretch.last()) else { continue };
            let (floor, prev) = (first.run.first() - 1, first.prev);
            let (last, check) = (last.run.last(), last.run.check());
            let mut note = None;
            if floor > at.after {
                if !want.asked || at.after > want.after {
                    return;
                }
                // What lies between was pruned or never came here: the peer goes on from there.
                note = Some(FloorNote { log: at.log, floor, hash: prev, stamp: Stamp::ZERO, seal: None });
                at = Wanted { after: floor, check: prev.check(), ..at };
            }
            // Where the chains part the peer needs to see both sides.
            let fits = prev.check() == at.check;
            if !fits {
                self.notice_fork(id, at.log, want.after);
            }
            let mut runs: Vec<_> =
                stretch.into_iter().map(|stored| DeltaRun { prev: None, run: stored.run }).collect();
            runs.iter_mut().take(usize::from(!fits)).for_each(|run| run.prev = Some(prev));
            at = Wanted { after: last, check, ..at };
            if !self.gather(id, note, runs) {
                break;
            }
        }
        self.read_on(id, want, at, (height, is_empty));
    }

    /// Has a log read on from where an answer to a want got to.
    fn read_on(&mut self, id: LinkId, want: Wanted, at: Wanted, (height, is_empty): (Seq, bool)) {
        let moved = at.after > want.after;
        let next = match moved {
            true if at.after < height => Wanted { asked: false, far: false, ..at },
            // What was read ends before a seal: perhaps the seal is further away.
            false if !is_empty && !want.far => Wanted { far: true, ..want },
            // If it is not, what is held up there is a gap to the peer, which goes on from the height.
            false if !is_empty && want.asked => return self.read_head(id, want),
            _ => return,
        };
        if let Some(serve) = self.serving(id).and_then(Serving::front) {
            serve.logs.push_front(next);
        }
    }

    /// Adds runs that belong together to the next message for the want in work, with the floor they
    /// stand on; false when its budget is used up.
    pub(super) fn gather(&mut self, id: LinkId, note: Option<FloorNote>, runs: Vec<DeltaRun>) -> bool {
        let Some(limit) = self.links.get(&id).map(|link| link.limits.max_frame) else { return false };
        let size = runs.iter().map(|run| run.run.encoded().len()).sum::<usize>();
        let Some(serve) = self.serving(id).and_then(Serving::front) else { return false };
        if serve.page.bytes > 0 && serve.page.bytes + size + 256 > limit.clamp(MESSAGE, PAGE + MAX_RUN_BYTES)
        {
            self.flush(id, false);
        }
        let Some(serve) = self.serving(id).and_then(Serving::front) else { return false };
        serve.page.bytes += size;
        serve.budget = serve.budget.saturating_sub(size);
        serve.page.floors.extend(note);
        serve.page.runs.extend(runs);
        serve.budget > 0
    }

    /// A peer asked for what follows an entry that is another one here.
    fn notice_fork(&mut self, id: LinkId, log: LogId, at: Seq) {
        let Some(name) = self.logs.get(&log).map(|log| (*log.name).clone()) else { return };
        self.fork(id, &name.channel.clone(), name, log, at);
    }

    /// After a page's worth of runs the want in work sends them and gives way to the next one.
    pub(super) fn end_page(&mut self, id: LinkId) {
        let full = |serve: &mut super::serve::Serve| !serve.is_done() && serve.page.bytes >= PAGE / 2;
        if self.serving(id).and_then(Serving::front).is_some_and(full) {
            self.flush(id, false);
            self.serving(id).into_iter().for_each(Serving::pass_on);
        }
    }

    /// Sends what was gathered for the want in work.
    pub(super) fn flush(&mut self, id: LinkId, end: bool) {
        let Some(serving) = self.serving(id) else { return };
        let Some(serve) = serving.front() else { return };
        let (tag, serial) = (serve.tag, serve.serial);
        let Page { floors, runs, .. } = std::mem::take(&mut serve.page);
        if end {
            serving.end();
        }
        let delta = Delta { tag, serial, end, names: Vec::new(), floors, runs };
        self.send(id, &Message::Delta(delta), Class::Bulk);
    }
}

/// What of these runs follows `after`. The store may have acknowledged more than it told us yet: only
/// what it told is served.
fn after(mut runs: Vec<StoredRun>, after: Seq, height: Seq) -> Vec<StoredRun> {
    runs.retain(|stored| stored.run.first() <= height);
    if let Some(stored) = runs.first_mut()
        && stored.run.range().contains(after + 1)
        && let Ok(cut) = stored.cut_front(after + 1)
    {
        *stored = cut;
    }
    runs
}

/// The same entries with small neighbours joined: what was written entry by entry is sent, checked and
/// stored in runs of up to [`MAX_RUN_ENTRIES`].
fn joined(mut runs: &[StoredRun]) -> Vec<StoredRun> {
    let mut all = Vec::with_capacity(runs.len());
    while !runs.is_empty() {
        let (group, rest) = runs.split_at(group(runs));
        match StoredRun::join(group).filter(|_| group.len() > 1) {
            Some(run) => all.push(run),
            // What cannot be joined is for the receiver to judge.
            None => all.extend_from_slice(group),
        }
        runs = rest;
    }
    all
}

/// How many of the first runs make one run together.
fn group(runs: &[StoredRun]) -> usize {
    let (mut entries, mut bytes) = (0, 0);
    let fits = runs.iter().enumerate().take_while(|(at, StoredRun { run, .. })| {
        entries += run.count();
        bytes += run.encoded().len();
        let follows = *at == 0 || run.first() == runs[at - 1].run.last() + 1;
        follows && entries <= MAX_RUN_ENTRIES && bytes <= MAX_RUN_BYTES
    });
    let fitting = fits.count().max(1);
    upto_seal(&runs[..fitting])
}
