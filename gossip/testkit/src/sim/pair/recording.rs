//! A session as text, to be played again to nodes of a later day.
//!
//! ```text
//! # anything that explains it
//! reached <what both hold at the end: hash over all heads>
//! <who sent it> <microseconds since the beginning> <arrived | lost> <the frame in hexadecimal>
//! ```

use std::collections::VecDeque;

use bytes::Bytes;
use gossip_proto::Tick;

use super::{Pair, Passed, Side};

/// Everything both sides sent from the beginning on, and where it led.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// In the order sent.
    pub frames: Vec<Passed>,
    /// What both hold at the end, see [`Pair::heads_hash`].
    pub reached: String,
}

impl Recording {
    /// Of a pair that has settled.
    ///
    /// # Panics
    /// When the two do not hold the same.
    #[must_use]
    pub fn of(pair: &Pair) -> Self {
        assert!(pair.same(), "recorded before it was over");
        Self { frames: pair.wire.passed.clone(), reached: pair.heads_hash(Side::Ann) }
    }

    /// As text, under lines that explain it.
    #[must_use]
    pub fn write(&self, explain: &str) -> String {
        let mut text: String = explain.lines().map(|line| format!("# {line}\n")).collect();
        text += &format!("reached {}\n", self.reached);
        for Passed { at, from, lost, frame, .. } in &self.frames {
            let fate = if *lost { "lost" } else { "arrived" };
            let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
            text += &format!("{} {} {fate} {hex}\n", from.name(), at.0);
        }
        text
    }

    /// What [`Recording::write`] wrote; `None` when it is something else.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines().filter(|line| !line.starts_with('#'));
        let reached = lines.next()?.strip_prefix("reached ")?.to_owned();
        let frames = lines.map(read_frame).collect::<Option<_>>()?;
        Some(Self { frames, reached })
    }

    /// The frames of one side that arrived, with the time each was sent.
    pub(super) fn script(&self, side: Side) -> VecDeque<(Tick, Bytes)> {
        let arrived = self.frames.iter().filter(|passed| passed.from == side && !passed.lost);
        arrived.map(|passed| (passed.at, passed.frame.clone())).collect()
    }
}

fn read_frame(line: &str) -> Option<Passed> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let from = Side::BOTH.into_iter().find(|side| side.name() == name)?;
    let at = Tick(words.next()?.parse().ok()?);
    let lost = words.next()? == "lost";
    let digits = words.next()?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let frame: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    Some(Passed::read(at, from, lost, frame?.into()))
}
