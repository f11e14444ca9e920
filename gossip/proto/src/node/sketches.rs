//! The sketches of a channel: made when a difference is first looked into, kept up to date after that, and
//! dropped when nothing differed for a while.

use std::borrow::Cow;
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
/// Between two slices others have their turn.
const PAUSE: Duration = Duration::from_millis(1);

/// Those of one channel, one of each kind at most.
#[derive(Debug, Default)]
pub(super) struct Sketches {
    kept: BTreeMap<Kind, Kept>,
    used: Tick,
}

/// A sketch, perhaps still being made.
#[derive(Debug)]
struct Kept {
    sketch: Sketch,
    /// The logs after this one are not in it yet.
    after: Option<LogId>,
}

impl Sketches {
    /// A log moved.
    pub(super) fn move_log(&mut self, secret: &[u8; 32], log: LogId, from: (&Tip, &Sum), to: (&Tip, &Sum)) {
        if self.kept.is_empty() {
            return;
        }
        let [less, more] = [from, to].map(|(tip, sum)| Item::log(secret, log, tip.height, sum));
        for kept in self.kept.values_mut().filter(|kept| kept.after.is_none_or(|after| log <= after)) {
            less.iter().for_each(|item| kept.sketch.remove(item));
            more.iter().for_each(|item| kept.sketch.add(item));
        }
    }

    /// A stream without logs is there.
    pub(super) fn add_stream(&mut self, item: &Item) {
        self.kept.values_mut().for_each(|kept| kept.sketch.add(item));
    }

    /// More changed than is worth following: they are made anew when needed.
    pub(super) fn forget(&mut self) {
        self.kept.clear();
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
}

/// A sketch that may be compared, or why there is none.
pub(super) enum View<'a> {
    /// Of everything that neither side leaves out.
    Ready(Cow<'a, Sketch>),
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

    /// The sketch of what neither side of a link leaves out.
    pub(super) fn view(&self, id: LinkId, name: &ChannelId, kind: Kind) -> Option<View<'_>> {
        let channel = self.channels.get(name)?;
        let kept = channel.sketches.kept.get(&kind).filter(|kept| kept.after.is_none())?;
        debug_assert!(self.is_exact(channel, kind, &kept.sketch), "a sketch that is out of step");
        if channel.scopes.is_whole(id) {
            return Some(View::Ready(Cow::Borrowed(&kept.sketch)));
        }
        let size = |compared| -> usize {
            channel.streams_on(id, compared).map(|stream| self.logs.count(stream.logs) + 1).sum()
        };
        // What is less work: to take some out of a copy, or to begin with nothing.
        let [left_out, compared] = [size(false), size(true)];
        if left_out.min(compared) > SLICE {
            return Some(View::Crowded);
        }
        let anew = compared < left_out;
        let mut copy = if anew { Sketch::new(kind) } else { kept.sketch.clone() };
        for stream in channel.streams_on(id, anew) {
            let items = items(&channel.secret, stream, &self.logs);
            items.for_each(|item| if anew { copy.add(&item) } else { copy.remove(&item) });
        }
        Some(View::Ready(Cow::Owned(copy)))
    }

    /// Whether a sketch is what it would be if it were made now. Too slow to be asked of many logs.
    fn is_exact(&self, channel: &Channel, kind: Kind, kept: &Sketch) -> bool {
        let mut anew = Sketch::new(kind);
        for stream in channel.streams.values().filter(|stream| !stream.record.refused) {
            items(&channel.secret, stream, &self.logs).for_each(|item| anew.add(&item));
        }
        channel.logs.len() > 64 || anew == *kept
    }
}
