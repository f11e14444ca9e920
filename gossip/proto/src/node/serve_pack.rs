//! What an answer carries: runs as they are stored, small neighbours joined, in messages of a page.

use super::pieces::MESSAGE;
use super::serve::{PAGE, Serve, Serving, Wanted};
use super::units::{Unit, units};
use super::{Class, LinkId, Node};
use crate::wire::{Delta, DeltaRun, FloorNote, LogKey, Message};
use crate::{LogHead, LogId, LogName, MAX_RUN_BYTES, Seq, Stamp, StoredRun};

/// Bytes around a run, and of a floor.
const AROUND: usize = 128;

/// What was gathered for the next message of an answer.
#[derive(Debug, Default)]
pub(super) struct Page {
    names: Vec<LogKey>,
    floors: Vec<FloorNote>,
    runs: Vec<DeltaRun>,
    bytes: usize,
}

/// What goes in one message.
#[derive(Debug, Default)]
pub(super) struct Part {
    pub(super) name: Option<LogKey>,
    pub(super) floor: Option<FloorNote>,
    pub(super) runs: Vec<DeltaRun>,
}

impl Part {
    pub(super) fn of_run(run: DeltaRun) -> Self {
        Self { runs: vec![run], ..Self::default() }
    }

    fn run_bytes(&self) -> usize {
        self.runs.iter().map(|run| run.run.encoded().len()).sum()
    }

    /// All of it, or a little less than this.
    fn bytes(&self) -> usize {
        let names =
            self.name.iter().map(|(stream, author, ..)| stream.as_str().len() + author.as_str().len());
        self.run_bytes() + names.sum::<usize>() + AROUND * usize::from(self.floor.is_some())
    }
}

/// How a log is called on the wire.
fn key(name: &LogName) -> LogKey {
    (name.stream.clone(), name.author.clone(), name.epoch, name.branch)
}

impl Node {
    /// Everything wanted was pruned here, or never came: the peer may go on from the height.
    pub(super) fn answer_floor(&mut self, id: LinkId, want: &Wanted, head: &LogHead) {
        let stored = self.logs.get(&want.log).map(|log| log.stored.height);
        if head.height <= want.after || stored != Some(head.height) {
            return;
        }
        let LogHead { height, hash, stamp, .. } = *head;
        let seal = head.seal_at(height);
        if head.name.author.is_key() && seal.is_none() && !want.to_end {
            // It stands where it forks. Who knows of that asks in another way.
            let is_gift = self.serving(id).and_then(Serving::front).is_some_and(|serve| serve.is_gift);
            return if is_gift {
                self.tell_heights(id, &head.name.channel, &[want.log])
            };
        }
        let note = FloorNote { log: want.log, floor: height, hash, stamp, seal };
        let name = want.is_named.then(|| key(&head.name));
        self.gather(id, Part { name, floor: Some(note), runs: Vec::new() });
    }

    /// Sends what was read for a log, and has it read on if there is more.
    pub(super) fn answer_runs(&mut self, id: LinkId, want: &Wanted, runs: Vec<StoredRun>) {
        let Some(log) = self.logs.get(&want.log) else { return };
        let Some(name) = self.logs.name_of(log) else { return };
        // Whoever does not know of the fork could not tell it from what nobody vouches for.
        let (height, end) = (log.stored.height, if want.to_end { log.end() } else { Seq::MAX });
        let mut at = Wanted { looks_ahead: false, ..want.clone() };
        let is_empty = runs.is_empty();
        for unit in units(&after(runs, want.after, height), name.author.is_key(), end) {
            if unit.first > at.after + 1 && (!want.asked || at.after > want.after) {
                return;
            }
            let part = self.part(id, &name, &mut at, unit);
            if !self.gather(id, part) {
                break;
            }
        }
        let moved = at.after > want.after;
        let is_new = self.spoken(id) > 1;
        if let Some(shared) = self.shared(id, &name.channel).filter(|_| moved && is_new) {
            // What is pushed need not repeat it.
            shared.note(want.log, at.after);
        }
        if moved && at.after < height {
            self.read_on(id, Wanted { asked: false, ..at });
        } else if !moved && name.author.is_key() && !want.looks_ahead {
            self.read_on(id, Wanted { looks_ahead: true, ..at });
        } else if !moved && want.asked && !is_empty {
            // What is held up there ends at a gap without a seal: the peer goes on from the height.
            self.read_head(id, at);
        }
    }

    fn read_on(&mut self, id: LinkId, want: Wanted) {
        let serve = self.serving(id).and_then(Serving::front);
        serve.into_iter().for_each(|serve| serve.logs.push_front(want.clone()));
    }

    /// What a unit takes to be understood by a peer that stands at `at`, which it moves on.
    fn part(&mut self, id: LinkId, name: &LogName, at: &mut Wanted, unit: Unit) -> Part {
        let (floor, prev) = (unit.first - 1, unit.prev);
        let mut part = Part { name: std::mem::take(&mut at.is_named).then(|| key(name)), ..Part::default() };
        if floor > at.after {
            // What lies between was pruned or never came here: the peer goes on from there.
            part.floor = Some(FloorNote { log: at.log, floor, hash: prev, stamp: Stamp::ZERO, seal: None });
            at.check = Some(prev.check());
        }
        let fits = at.check.is_none_or(|check| check == prev.check());
        if !fits {
            self.notice_fork(id, at.log, at.after);
        }
        // Where the chains part the peer needs to see both sides.
        part.runs = unit.runs.into_iter().map(|run| DeltaRun { prev: None, run }).collect();
        part.runs.first_mut().into_iter().for_each(|run| run.prev = (!fits).then_some(prev));
        (at.after, at.check) = (unit.last, Some(unit.check));
        part
    }

    /// Adds to the next message for the want in work; false when its budget is used up.
    pub(super) fn gather(&mut self, id: LinkId, part: Part) -> bool {
        let Some(limit) = self.links.get(&id).map(|link| link.limits.max_frame) else { return false };
        let (size, most) = (part.bytes(), limit.clamp(MESSAGE, PAGE + MAX_RUN_BYTES));
        let Some(serve) = self.serving(id).and_then(Serving::front) else { return false };
        if serve.page.bytes > 0 && serve.page.bytes + size + 2 * AROUND > most {
            self.flush(id, false);
        }
        let entries = part.runs.iter().map(|run| run.run.count()).sum();
        part.runs.iter().for_each(|run| self.stats.count_run(&run.run));
        let Some(serve) = self.serving(id).and_then(Serving::front) else { return false };
        let tag = serve.tag;
        serve.entries = serve.entries.saturating_sub(entries);
        serve.budget = serve.budget.saturating_sub(part.run_bytes());
        serve.page.bytes += size;
        serve.page.names.extend(part.name);
        serve.page.floors.extend(part.floor);
        serve.page.runs.extend(part.runs);
        let goes_on = serve.budget > 0;
        self.note_given(id, tag, entries);
        goes_on
    }

    /// A peer asked for what follows an entry that is another one here.
    fn notice_fork(&mut self, id: LinkId, log: LogId, at: Seq) {
        let Some(name) = self.logs.get(&log).and_then(|log| self.logs.name_of(log)) else { return };
        self.fork(id, &name.channel.clone(), name, log, at);
    }

    /// After a page's worth of runs the want in work sends them and gives way to the next one.
    pub(super) fn end_page(&mut self, id: LinkId) {
        let full = |serve: &mut Serve| !serve.is_done() && serve.page.bytes >= PAGE / 2;
        if self.serving(id).and_then(Serving::front).is_some_and(full) {
            self.flush(id, false);
            self.serving(id).into_iter().for_each(Serving::pass_on);
        }
    }

    /// The want in work is answered. Of a gift, what there was no room for is told.
    pub(super) fn end_serve(&mut self, id: LinkId) {
        let Some(serve) = self.serving(id).and_then(Serving::front) else { return };
        let (tag, logs) = (serve.tag, std::mem::take(&mut serve.logs));
        let rest: Vec<LogId> = logs.iter().filter(|_| serve.is_gift).map(|want| want.log).collect();
        self.flush(id, true);
        if let Some((name, _)) = self.shared_by_tag(id, tag) {
            self.offer_behind(id, &name, &rest);
        }
    }

    /// Sends what was gathered for the want in work.
    fn flush(&mut self, id: LinkId, end: bool) {
        let version = self.spoken(id);
        let Some(serving) = self.serving(id) else { return };
        let Some(serve) = serving.front() else { return };
        let (tag, serial) = (serve.tag, serve.serial);
        let Page { names, floors, runs, .. } = std::mem::take(&mut serve.page);
        if end {
            serving.end();
        }
        let now = self.now.tick;
        let name = self.shared_by_tag(id, tag).map(|(name, shared)| {
            shared.moved = Some(now);
            name
        });
        let delta = Delta { tag, serial, end, names, floors, runs };
        let message = if version > 1 { Message::Runs(delta) } else { Message::Delta(delta) };
        self.send(id, &message, Class::Bulk);
        name.iter().for_each(|name| self.tell_status(id, name));
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
