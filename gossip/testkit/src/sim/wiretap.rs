//! Listens to what nodes send: for coverage, for the trace, and because every frame must be one.

use std::collections::BTreeSet;

use bytes::Bytes;
use gossip_proto::node::LinkId;
use gossip_proto::wire::{self, Content, Kind, Message};
use gossip_proto::{LogId, Seq};

use super::coverage::Coverage;

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Wiretap {
    wants: BTreeSet<(LinkId, LogId, Seq)>,
    /// Serials of exchanges of sketches, by connection.
    sketches: BTreeSet<(u64, u64)>,
}

impl Wiretap {
    /// Listens to one frame; `Err` says why it is none.
    pub(super) fn listen(
        &mut self,
        link: LinkId,
        frame: &Bytes,
        coverage: &mut Coverage,
    ) -> Result<Content, String> {
        let content = wire::read(frame).map_err(|error| format!("that nobody can read: {error}"))?;
        match &content {
            Content::Piece(_) => coverage.hit("message in pieces"),
            Content::Whole(message) => {
                self.message(link, message, coverage);
                match wire::version_of(frame) {
                    Some(1) => old(message, coverage),
                    _ => self.note_new(link, message, coverage),
                }
            }
        }
        Ok(content)
    }

    fn message(&mut self, link: LinkId, message: &Message, coverage: &mut Coverage) {
        match message {
            Message::Want(want) => {
                for log in &want.logs {
                    if !self.wants.insert((link, log.log, log.after)) {
                        coverage.hit("want repeated");
                    }
                }
            }
            Message::Delta(delta) | Message::Runs(delta) => {
                if delta.serial == 0 {
                    coverage.hit("delta pushed");
                } else if !delta.end {
                    coverage.hit("delta paged");
                }
                if !delta.floors.is_empty() {
                    coverage.hit("floor told");
                }
            }
            Message::Offer(offer) if offer.range.is_some() => coverage.hit("heights offered by range"),
            Message::PieceWant(_) => coverage.hit("pieces asked for again"),
            Message::Goodbye => coverage.hit("goodbye"),
            _ => {}
        }
    }

    /// What is said in the newest version only.
    fn note_new(&mut self, link: LinkId, message: &Message, coverage: &mut Coverage) {
        // The two ends of a connection have numbers that follow each other.
        let conn = link.0 / 2;
        match message {
            Message::Equal(_) => coverage.hit("beacon answered equal"),
            Message::Push(_) => coverage.hit("push"),
            Message::Sketch(sketch) => {
                self.sketches.insert((conn, sketch.serial.into()));
                coverage.hit(if sketch.kind == Kind::Hashes { "sketch of hashes" } else { "sketch" });
            }
            Message::More(more) if more.from > 0 => coverage.hit("sketch too small"),
            Message::More(_) => coverage.hit("cells asked for"),
            Message::Ask(ask) => {
                self.sketches.remove(&(conn, ask.serial.into()));
                coverage.hit("asked by key");
            }
            Message::Runs(runs) if self.sketches.contains(&(conn, runs.serial)) => {
                coverage.hit("given at once")
            }
            Message::Runs(runs) if runs.names.iter().any(|(.., branch)| branch.is_some()) => {
                coverage.hit("branch told by name");
            }
            Message::Offer(offer) if offer.range.is_some() => coverage.hit("plain branch chosen"),
            Message::Scope(scope) if scope.keys.is_none() => coverage.hit("scope asked for"),
            Message::Scope(_) => coverage.hit("scope told"),
            Message::Positions(_) => coverage.hit("fork searched"),
            _ => {}
        }
    }
}

/// What only a link of version 1 is used for; hellos are always of that version.
fn old(message: &Message, coverage: &mut Coverage) {
    if let Message::Matches(_) = message {
        coverage.hit("link of version 1");
    }
}

/// Requests that allow bytes to be given, by their types.
const REQUESTS: [u8; 4] = [9, 14, 19, 21];

/// The request in a frame, if it is a whole one.
pub(super) fn request(frame: &Bytes) -> Option<Message> {
    let whole = frame.first().is_some_and(|head| head & 0x0f == 0);
    if !whole || !REQUESTS.contains(frame.get(1)?) {
        return None;
    }
    match wire::read(frame).ok()? {
        Content::Whole(message) => Some(message),
        Content::Piece(_) => None,
    }
}

/// A frame in words, if it is one.
pub(super) fn words_of(frame: &Bytes) -> String {
    wire::read(frame).map_or_else(|error| error.to_string(), |content| words(&content))
}

/// A frame in words.
pub(super) fn words(content: &Content) -> String {
    match content {
        Content::Piece(piece) => {
            format!("piece {:02x?} {}+{} of {}", &piece.id[..3], piece.offset, piece.bytes.len(), piece.total)
        }
        Content::Whole(Message::Delta(delta) | Message::Runs(delta)) => {
            let runs: Vec<_> = delta.runs.iter().map(|run| (run.run.log(), run.run.range())).collect();
            let (serial, end, floors) = (delta.serial, delta.end, &delta.floors);
            format!("runs {:?} serial {serial} end {end} runs {runs:?} floors {floors:?}", delta.tag)
        }
        Content::Whole(message) => format!("{message:?}"),
    }
}

#[cfg(test)]
mod tests {
    use gossip_proto::wire::{Ask, Beacon, ChannelTag, DigestTag, Want};

    use super::*;

    #[test]
    fn requests_are_told_from_everything_else() {
        let tag = ChannelTag([1; 8]);
        let frame = |message: Message, version| wire::write(&message, version).into_bytes();
        let want = Message::Want(Want { tag, serial: 1, budget: 2, logs: Vec::new() });
        let ask = Message::Ask(Ask { tag, serial: 1, room: 2, logs: vec![([0; 5], 0)] });
        for (message, version) in [(want, 1), (ask, 2)] {
            assert_eq!(request(&frame(message.clone(), version)), Some(message));
        }
        let beacon = Message::Beacon(Beacon { tag, mine: DigestTag([0; 16]), yours: None });
        assert_eq!(request(&frame(beacon, 2)), None);
        assert_eq!(request(&Bytes::new()), None);
    }
}
