//! Listens to what nodes send: for coverage, for the trace, and because every frame must be one.

use std::collections::BTreeSet;

use bytes::Bytes;
use gossip_proto::node::LinkId;
use gossip_proto::wire::{self, Content, Message};
use gossip_proto::{LogId, Seq};

use super::coverage::Coverage;

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Wiretap {
    wants: BTreeSet<(LinkId, LogId, Seq)>,
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
            Content::Whole(message) => self.message(link, message, coverage),
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
            Message::Delta(delta) => {
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
        Content::Whole(Message::Delta(delta)) => {
            let runs: Vec<_> = delta.runs.iter().map(|run| (run.run.log(), run.run.range())).collect();
            let (serial, end, floors) = (delta.serial, delta.end, &delta.floors);
            format!("delta {:?} serial {serial} end {end} runs {runs:?} floors {floors:?}", delta.tag)
        }
        Content::Whole(message) => format!("{message:?}"),
    }
}
