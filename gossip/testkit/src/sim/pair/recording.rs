//! A session as text, to be played again to nodes of a later day.
//!
//! ```text
//! # anything that explains it
//! <who sent it> <microseconds since the beginning> <arrived | lost> <the frame in hexadecimal>
//! ```

use bytes::Bytes;
use gossip_proto::Tick;

use super::{Passed, Side};

/// One frame of a recorded session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// When it was sent.
    pub at: Tick,
    /// By whom.
    pub from: Side,
    /// Whether it never arrived.
    pub lost: bool,
    /// The frame.
    pub frame: Bytes,
}

/// Writes a session as text, under lines that explain it.
#[must_use]
pub fn write_recording(explain: &str, passed: &[Passed]) -> String {
    let mut text: String = explain.lines().map(|line| format!("# {line}\n")).collect();
    for Passed { at, from, lost, frame, .. } in passed {
        let fate = if *lost { "lost" } else { "arrived" };
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        text += &format!("{} {} {fate} {hex}\n", from.name(), at.0);
    }
    text
}

/// Reads a session written by [`write_recording`]; `None` when it is none.
#[must_use]
pub fn read_recording(text: &str) -> Option<Vec<Recorded>> {
    text.lines().filter(|line| !line.starts_with('#')).map(read_line).collect()
}

fn read_line(line: &str) -> Option<Recorded> {
    let mut words = line.split(' ');
    let name = words.next()?;
    let from = Side::BOTH.into_iter().find(|side| side.name() == name)?;
    let at = Tick(words.next()?.parse().ok()?);
    let lost = words.next()? == "lost";
    let digits = words.next()?;
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let frame: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    Some(Recorded { at, from, lost, frame: frame?.into() })
}
