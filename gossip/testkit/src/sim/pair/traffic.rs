//! What crossed the link, counted.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use gossip_proto::wire::{self, Content, Message};
use gossip_proto::{Run, Tick};

use super::Side;

/// What TCP puts before a frame: its length.
const PREFIX: usize = 4;
/// Messages that only find out who is there and what is shared.
const GREETING: [&str; 9] =
    ["hello", "ping", "pong", "channels", "matches", "rescan", "paused", "goodbye", "garbage"];
/// Messages that only say who belongs to the group, and who of them is there.
const GROUP: [&str; 6] = ["beat", "look", "seen", "news", "table", "states"];

/// One frame that was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Passed {
    /// When.
    pub at: Tick,
    /// By whom.
    pub from: Side,
    /// The message in it, as [`Message::name`] calls it; `piece` for a part of one.
    pub kind: &'static str,
    /// The frame itself.
    pub frame: Bytes,
    /// Bytes of encoded runs in it.
    pub run_bytes: usize,
    /// Entries in them.
    pub entries: u64,
    /// It never arrived.
    pub lost: bool,
}

impl Passed {
    pub(super) fn read(at: Tick, from: Side, lost: bool, frame: Bytes) -> Self {
        let (kind, runs) = match wire::read(&frame) {
            Ok(Content::Whole(message)) => (message.name(), runs_of(&message)),
            Ok(Content::Piece(_)) => ("piece", Vec::new()),
            Err(_) => ("garbage", Vec::new()),
        };
        let run_bytes = runs.iter().map(|run| run.encoded().len()).sum();
        let entries = runs.iter().map(Run::count).sum();
        Self { at, from, kind, frame, run_bytes, entries, lost }
    }

    /// Bytes on a TCP connection: the frame and the 4 bytes that say how long it is.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.frame.len() + PREFIX
    }

    /// It says who belongs to the group, or who of them is there, which goes on however much or little is held.
    #[must_use]
    pub fn is_of_group(&self) -> bool {
        GROUP.contains(&self.kind)
    }
}

fn runs_of(message: &Message) -> Vec<Run> {
    match message {
        Message::Delta(delta) | Message::Runs(delta) => {
            delta.runs.iter().map(|run| run.run.clone()).collect()
        }
        Message::Push(push) => push.runs.clone(),
        _ => Vec::new(),
    }
}

/// Frames of a time, and sums over them. What was lost counts as sent.
///
/// Parts of a session are looked at alone by leaving frames out: [`Traffic::from`], [`Traffic::of`],
/// [`Traffic::without`].
#[derive(Debug, Clone)]
pub struct Traffic {
    passed: Vec<Passed>,
    since: Tick,
    delay: Duration,
}

impl Traffic {
    pub(super) fn new(passed: Vec<Passed>, since: Tick, delay: Duration) -> Self {
        Self { passed, since, delay }
    }

    /// The frames in the order sent.
    #[must_use]
    pub fn passed(&self) -> &[Passed] {
        &self.passed
    }

    /// How many.
    #[must_use]
    pub fn frames(&self) -> usize {
        self.passed.len()
    }

    /// Bytes with 4 for each frame.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.passed.iter().map(Passed::bytes).sum()
    }

    /// Bytes that are not encoded runs: what the exchange itself costs.
    #[must_use]
    pub fn overhead(&self) -> usize {
        self.bytes() - self.passed.iter().map(|passed| passed.run_bytes).sum::<usize>()
    }

    /// Entries carried, repeated ones too. Messages in pieces are not looked into.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.passed.iter().map(|passed| passed.entries).sum()
    }

    /// Of one side.
    #[must_use]
    pub fn from(self, side: Side) -> Self {
        self.only(|passed| passed.from == side)
    }

    /// Of messages of these kinds.
    #[must_use]
    pub fn of(self, kinds: &[&str]) -> Self {
        self.only(|passed| kinds.contains(&passed.kind))
    }

    /// Of messages of other kinds.
    #[must_use]
    pub fn without(self, kinds: &[&str]) -> Self {
        self.only(|passed| !kinds.contains(&passed.kind))
    }

    /// Without what members say of each other, again and again.
    #[must_use]
    pub fn without_group(self) -> Self {
        self.only(|passed| !passed.is_of_group())
    }

    /// Without what only finds out who is there and which channels are shared; time counts from when
    /// both sides knew that. What the first of them to know says at once may arrive then, after 0 half round
    /// trips.
    #[must_use]
    pub fn without_greeting(mut self) -> Self {
        if let Some(matched) = self.passed.iter().find(|passed| passed.kind == "matches") {
            self.since = matched.at + self.delay;
        }
        self.without_group().without(&GREETING)
    }

    /// Up to and with the last frame that carries entries.
    #[must_use]
    pub fn until_data(mut self) -> Self {
        let last = self.passed.iter().rposition(|passed| passed.entries > 0);
        self.passed.truncate(last.map_or(0, |last| last + 1));
        self
    }

    /// What follows the last frame that carries entries.
    #[must_use]
    pub fn after_data(mut self) -> Self {
        let last = self.passed.iter().rposition(|passed| passed.entries > 0);
        self.passed.drain(..last.map_or(0, |last| last + 1));
        self
    }

    /// Half round trips from the beginning until the first entries arrived; 0 when there are none.
    #[must_use]
    pub fn data_after(&self) -> u64 {
        let data = |passed: &&Passed| passed.entries > 0 && !passed.lost;
        self.passed.iter().find(data).map_or(0, |passed| self.halves(passed.at))
    }

    /// Half round trips from the beginning until the last frame arrived; 0 when there are none.
    #[must_use]
    pub fn over_after(&self) -> u64 {
        self.passed.last().map_or(0, |passed| self.halves(passed.at))
    }

    fn halves(&self, sent: Tick) -> u64 {
        let (time, delay) = ((sent + self.delay).since(self.since).as_micros(), self.delay.as_micros());
        u64::try_from(time.div_ceil(delay.max(1))).unwrap_or(u64::MAX)
    }

    fn only(mut self, keep: impl Fn(&Passed) -> bool) -> Self {
        self.passed.retain(keep);
        self
    }
}

/// A line for each side and kind, then the sums.
impl fmt::Display for Traffic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut sums: BTreeMap<(Side, &str), (usize, usize, u64)> = BTreeMap::new();
        for passed in &self.passed {
            let sum = sums.entry((passed.from, passed.kind)).or_default();
            *sum = (sum.0 + 1, sum.1 + passed.bytes(), sum.2 + passed.entries);
        }
        for ((side, kind), (frames, bytes, entries)) in sums {
            writeln!(f, "{} {kind}: {frames} frames, {bytes} B, {entries} entries", side.name())?;
        }
        let (frames, bytes, overhead) = (self.frames(), self.bytes(), self.overhead());
        write!(f, "{frames} frames, {bytes} B, of them {overhead} B no runs")
    }
}
