//! What a chat prints.

use std::io::{Result, Write, stdout};

use gossip::{LogEntry, PeerStatus};

/// Prints to standard output; an error means that nobody reads it any more.
#[derive(Debug, Default)]
pub(super) struct Screen {
    last_trouble: String,
}

impl Screen {
    /// A message, with its author and the time (UTC) at which it was written.
    pub(super) fn message(&mut self, entry: &LogEntry) -> Result<()> {
        let text = printable(&String::from_utf8_lossy(entry.payload()));
        self.line(&format!("[{}] {}: {text}", time(entry.stamp().millis()), entry.author()))
    }

    /// Something that nobody said.
    pub(super) fn note(&mut self, text: &str) -> Result<()> {
        text.lines().try_for_each(|line| self.line(&format!("* {}", printable(line))))
    }

    /// As [`Screen::note`], unless it repeats the trouble before: an address that cannot be
    /// reached is tried for ever.
    pub(super) fn trouble(&mut self, text: &str) -> Result<()> {
        if self.last_trouble == text {
            return Ok(());
        }
        text.clone_into(&mut self.last_trouble);
        self.note(text)
    }

    fn line(&mut self, text: &str) -> Result<()> {
        let mut out = stdout().lock();
        writeln!(out, "{text}")?;
        out.flush()
    }
}

/// How a peer is, in words.
pub(super) fn status(status: PeerStatus) -> &'static str {
    match status {
        PeerStatus::Reachable => "linked",
        PeerStatus::Suspected => "linked, but does not answer",
        PeerStatus::Unreachable => "away",
        PeerStatus::Dozing => "asleep",
        PeerStatus::Left => "gone, and said so",
        _ => "in a state unknown to this program",
    }
}

/// The text without anything a terminal would obey: it comes from others.
fn printable(text: &str) -> String {
    text.chars().map(|char| if char.is_control() { char::REPLACEMENT_CHARACTER } else { char }).collect()
}

fn time(millis: u64) -> String {
    let seconds = millis / 1000;
    format!("{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_terminal_is_not_at_others_command() {
        assert_eq!(printable("a\u{1b}[2Jb\rü"), "a\u{fffd}[2Jb\u{fffd}ü");
        assert_eq!(time(86_400_000 + 3_723_004), "01:02:03");
    }
}
