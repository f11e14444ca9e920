//! The sketches of a channel: made when a difference is first looked into, kept up to date after that, and
//! dropped when nothing differed for a while.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::time::Duration;

use super::log::{Log, Tip};
use super::model::{Channel, Stream};
use super::table::Logs;
use super::{LinkId, Node, Timer};
use crate::digest::Sum;
use crate::sketch::{Item, Kind, Sketch};
use crate::{ChannelId, LogId, Tick};

/// Kept for so long after they were last needed.
const KEPT: Duration = Duration::from_secs(600);
/// Logs put into a new sketch, or taken out of a copy, in one go: some milliseconds. A question that comes
/// before the sketch is complete is not answered.
const SLICE: usize = 16_384;
/// Links of a channel for which a sketch without what they leave out is kept, over both kinds.
const NARROW: usize = 8;
/// Between two slices others have their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// Those of one channel, one of each kind at most.
#[derive(Debug, Default)]
pub(super) struct Sketches {
    kept: BTreeMap<Kind, Kept>,
    /// Of links on which something is left out. Whichever was last used is last.
    narrow: Vec<Narrow>,
    used: Tick,
    /// How often one of those was made.
    #[cfg(test)]
    pub(super) made: usize,
}

/// A sketch, perhaps still being made.
#[derive(Debug)]
struct Kept {
    sketch: Sketch,
    /// The logs after this one are not in it yet.
    after: Option<LogId>,
}

/// The sketch of what one link compares.
#[derive(Debug)]
struct Narrow {
    link: LinkId,
    kind: Kind,
    /// `None` if so much is left out that heights are cheaper.
    sketch: Option<Sketch>,
}

impl Sketches {
    /// A log moved, which some links compare.
    pub(super) fn move_log(
        &mut self,
        secret: &[u8; 32],
        log: LogId,
        from: (&Tip, &Sum),
        to: (&Tip, &Sum),
        compares: impl Fn(LinkId) -> bool,
    ) {
        if self.kept.is_empty() {
            return;
        }
        let [less, more] = [from, to].map(|(tip, sum)| Item::log(secret, log, tip.height, sum));
        let kept = self.kept.values_mut().filter(|kept| kept.after.is_none_or(|after| log <= after));
        let narrow = self.narrow.iter_mut().filter(|narrow| compares(narrow.link));
        let narrow = narrow.filter_map(|narrow| narrow.sketch.as_mut());
        for sketch in kept.map(|kept| &mut kept.sketch).chain(narrow) {
            less.iter().for_each(|item| sketch.remove(item));
            more.iter().for_each(|item| sketch.add(item));
        }
    }

    /// A stream without logs is there, which some links compare.
    pub(super) fn add_stream(&mut self, item: &Item, compares: impl Fn(LinkId) -> bool) {
        self.kept.values_mut().for_each(|kept| kept.sketch.add(item));
        let narrow = self.narrow.iter_mut().filter(|narrow| compares(narrow.link));
        narrow.filter_map(|narrow| narrow.sketch.as_mut()).for_each(|sketch| sketch.add(item));
    }

    /// More changed than is worth following: they are made anew when needed.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
        self.narrow.clear();
    }

    /// As [`Sketches::forget`], of one link.
    pub(super) fn forget_link(&mut self, link: LinkId) {
        self.narrow.retain(|narrow| narrow.link != link);
    }
}

/// What a sketch of a stream begins with, and of its logs.
fn items<'a>(secret: &'a [u8; 32], stream: &'a Stream, logs: &'a Logs) -> impl Iterator<Item = Item> + 'a {
    let items = logs.of(stream.logs).filter_map(|log| item(secret, log));
    std::iter::once(stream.item(secret)).chain(items)
}

fn item(secret: &[u8; 32], log: &Log) -> Option<Item> {
    let Tip { height, hash, .. } = log.stored;
    Item::log(secret, log.id, height, &Sum::of_log(secret, log.id, height, &hash))
}

impl Channel {
    /// Puts another slice of logs into a sketch; true when it is complete.
    fn go_on(&mut self, kind: Kind, table: &Logs) -> bool {
        let Self { sketches, streams, logs, secret, .. } = self;
        let kept = sketches.kept.entry(kind).or_insert_with(|| {
            let mut sketch = Sketch::new(kind);
            let open = streams.values().filter(|stream| !stream.record.refused);
            open.for_each(|stream| sketch.add(&stream.item(secret)));
            Kept { sketch, after: Some(LogId([0; 16])) }
        });
        let Some(after) = kept.after else { return true };
        let mut rest = table.ordered(logs, Bound::Excluded(after));
        for log in rest.by_ref().take(SLICE) {
            item(secret, log).iter().for_each(|item| kept.sketch.add(item));
            kept.after = Some(log.id);
        }
        if rest.next().is_none() {
            kept.after = None;
        }
        kept.after.is_none()
    }

    /// Has the sketch of what a link compares made, unless it is there.
    fn prepare(&mut self, link: LinkId, kind: Kind, table: &Logs) {
        let Some(kept) = self.sketches.kept.get(&kind).filter(|kept| kept.after.is_none()) else { return };
        if self.scopes.is_whole(link) {
            return;
        }
        let is_it = |narrow: &Narrow| (narrow.link, narrow.kind) == (link, kind);
        let narrow = match self.sketches.narrow.iter().position(is_it) {
            Some(at) => self.sketches.narrow.remove(at),
            None => {
                let sketch = self.narrowed(link, &kept.sketch, kind, table);
                #[cfg(test)]
                (self.sketches.made += 1);
                Narrow { link, kind, sketch }
            }
        };
        if self.sketches.narrow.len() >= NARROW {
            self.sketches.narrow.remove(0);
        }
        self.sketches.narrow.push(narrow);
    }

    /// The sketch of what a link compares. What is less work: to take some out of a copy of the whole, or to
    /// begin with nothing. `None` if either is too much.
    fn narrowed(&self, link: LinkId, whole: &Sketch, kind: Kind, table: &Logs) -> Option<Sketch> {
        let size = |compared| -> usize {
            self.streams_on(link, compared).map(|stream| table.count(stream.logs) + 1).sum()
        };
        let [left_out, compared] = [size(false), size(true)];
        if left_out.min(compared) > SLICE {
            return None;
        }
        let anew = compared < left_out;
        let mut sketch = if anew { Sketch::new(kind) } else { whole.clone() };
        for stream in self.streams_on(link, anew) {
            let items = items(&self.secret, stream, table);
            items.for_each(|item| if anew { sketch.add(&item) } else { sketch.remove(&item) });
        }
        Some(sketch)
    }

    /// What was prepared.
    fn view(&self, link: LinkId, kind: Kind) -> Option<View<'_>> {
        let kept = self.sketches.kept.get(&kind).filter(|kept| kept.after.is_none())?;
        if self.scopes.is_whole(link) {
            return Some(View::Ready(&kept.sketch));
        }
        let narrow =
            self.sketches.narrow.last().filter(|narrow| (narrow.link, narrow.kind) == (link, kind))?;
        Some(narrow.sketch.as_ref().map_or(View::Crowded, View::Ready))
    }

    /// Whether a sketch is what it would be if it were made now. Too slow to be asked of many logs.
    fn is_sketched(&self, link: LinkId, kind: Kind, table: &Logs) -> bool {
        let Some(View::Ready(held)) = self.view(link, kind).filter(|_| self.logs.len() <= 64) else {
            return true;
        };
        let mut anew = Sketch::new(kind);
        let items = self.streams_on(link, true).flat_map(|stream| items(&self.secret, stream, table));
        items.for_each(|item| anew.add(&item));
        anew == *held
    }
}

/// A sketch that may be compared, or why there is none.
pub(super) enum View<'a> {
    /// Of everything that neither side leaves out.
    Ready(&'a Sketch),
    /// So much is left out that heights are cheaper.
    Crowded,
}

impl Node {
    /// Whether the sketch of a channel can be used now. If not it is being made, and what waits for it is
    /// looked at when it is.
    pub(super) fn has_sketch(&mut self, name: &ChannelId, kind: Kind) -> bool {
        let Some(channel) = self.channels.get_mut(name) else { return false };
        channel.sketches.used = self.now.tick;
        let done = channel.go_on(kind, &self.logs);
        let wait = if done { KEPT } else { PAUSE };
        self.timers.set(Timer::Sketch(name.clone()), self.now.tick + wait);
        done
    }

    /// Goes on with what is being made; drops what was not needed for long.
    pub(super) fn tend_sketches(&mut self, name: &ChannelId) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let unfinished = channel.sketches.kept.iter().find(|(_, kept)| kept.after.is_some());
        let Some(kind) = unfinished.map(|(kind, _)| *kind) else {
            let until = channel.sketches.used + KEPT;
            if self.now.tick >= until {
                return channel.sketches.forget();
            }
            return self.timers.set(Timer::Sketch(name.clone()), until);
        };
        if self.has_sketch(name, kind) {
            self.read_waiting(name);
        }
    }

    /// The sketch of what neither side of a link leaves out. It is made once and kept up to date after that, so
    /// that whatever a peer says of its own costs no more than to look at it.
    pub(super) fn view(&mut self, id: LinkId, name: &ChannelId, kind: Kind) -> Option<View<'_>> {
        let channel = self.channels.get_mut(name)?;
        channel.prepare(id, kind, &self.logs);
        debug_assert!(channel.is_sketched(id, kind, &self.logs), "a sketch that is out of step");
        channel.view(id, kind)
    }
}
