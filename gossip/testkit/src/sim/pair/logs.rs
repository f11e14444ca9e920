//! Logs to begin with: invented where both hold the same, written where only one holds them.

use bytes::Bytes;
use gossip_proto::{
    ChainHash, ChannelId, Ed25519Sealer, Epoch, LogHead, LogName, NodeId, Payload, PayloadHash, RunBuilder,
    Sealer, SecretKey, Seq, Stamp, StoredRun, StreamId, seal_message,
};

use super::Side;
use super::end::DAWN;
use crate::sim::disk::Log;

/// A number of like logs.
///
/// The logs of one group lie in streams of ten authors each, unless told otherwise; two groups have no
/// stream in common, but their authors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Logs {
    count: u64,
    authors: u64,
    alike: Seq,
    common: u64,
    stem: Option<(Side, u64)>,
    more: [u64; 2],
    payload: usize,
    run: u64,
    sealed: bool,
}

impl Logs {
    /// So many logs, empty so far: payloads of 100 bytes, 256 entries in a run.
    #[must_use]
    pub fn of(count: u64) -> Self {
        let (authors, payload, run, stem, sealed) = (10, 100, 256, None, false);
        Self { count, authors, alike: 0, common: 0, stem, more: [0; 2], payload, run, sealed }
    }

    /// Logs in one stream, each of another author.
    ///
    /// # Panics
    /// When it is 0.
    #[must_use]
    pub fn authors(self, authors: u64) -> Self {
        assert!(authors > 0, "a stream needs an author");
        Self { authors, ..self }
    }

    /// Entries of each log that both hold: a height and an invented hash, nothing more.
    #[must_use]
    pub fn alike(self, entries: Seq) -> Self {
        Self { alike: entries, ..self }
    }

    /// Entries of each log that both hold above those, as they were written.
    #[must_use]
    pub fn common(self, entries: u64) -> Self {
        Self { common: entries, ..self }
    }

    /// Entries of each log that both hold above those, as one side alone would have written them.
    #[must_use]
    pub fn stem(self, side: Side, entries: u64) -> Self {
        Self { stem: Some((side, entries)), ..self }
    }

    /// Entries of each log that one side holds above those. What both sides have in this way forks.
    #[must_use]
    pub fn more(mut self, side: Side, entries: u64) -> Self {
        self.more[side as usize] = entries;
        self
    }

    /// Bytes of a payload.
    #[must_use]
    pub fn payload(self, bytes: usize) -> Self {
        Self { payload: bytes, ..self }
    }

    /// Entries in a run; the last run of a log may be shorter.
    ///
    /// # Panics
    /// When it is 0.
    #[must_use]
    pub fn run(self, entries: u64) -> Self {
        assert!(entries > 0, "a run needs an entry");
        Self { run: entries, ..self }
    }

    /// Their authors are keys, and sign each run.
    #[must_use]
    pub fn sealed(self) -> Self {
        Self { sealed: true, ..self }
    }

    /// The logs as one side holds them.
    pub(super) fn held_by(self, side: Side, place: Place<'_>) -> impl Iterator<Item = Log> {
        let logs = (0..self.count).map(move |index| self.log(side, place, index));
        logs.filter(|log| log.head.height > 0)
    }

    fn log(self, side: Side, place: Place<'_>, index: u64) -> Log {
        let Place { channel, group, salt } = place;
        let author = format!("author{salt}-{}", index % self.authors);
        let signer = self.sealed.then(|| {
            let seed = PayloadHash::of(author.as_bytes()).0;
            Ed25519Sealer::new(&SecretKey::from_seed(seed))
        });
        let plain = || NodeId::new(author).expect("a node id");
        let name = LogName {
            channel: channel.clone(),
            stream: StreamId::new(format!("s{group}-{}", index / self.authors)).expect("a stream id"),
            author: signer.as_ref().map_or_else(plain, |signer| signer.public().node_id()),
            epoch: Epoch::new(1, 7),
            branch: None,
        };
        let mut head = LogHead::empty(name);
        if self.alike > 0 {
            // Any hash will do, as long as both have the same.
            head.hash = ChainHash(PayloadHash::of(&head.name.id().0).0);
            (head.height, head.stamp) = (self.alike, stamp_at(self.alike));
        }
        self.extend(side, head, signer.as_ref())
    }

    fn extend(self, side: Side, head: LogHead, signer: Option<&Ed25519Sealer>) -> Log {
        let mut log = Log { head, runs: Vec::new(), filled: false };
        // Only what stands at the end is sealed: as after runs were joined across the place of a fork.
        let last = signer.filter(|_| self.more[side as usize] == 0);
        self.write(&mut log, "both", self.common, last);
        if let Some((side, entries)) = self.stem {
            self.write(&mut log, side.name(), entries, last);
        }
        self.write(&mut log, side.name(), self.more[side as usize], signer);
        log
    }

    fn write(self, log: &mut Log, by: &str, mut left: u64, signer: Option<&Ed25519Sealer>) {
        let (hash, head) = (log.head.name.hash(), &mut log.head);
        while left > 0 {
            let (prev, first, count) = (head.hash, head.height + 1, left.min(self.run));
            let mut builder = RunBuilder::new(hash.id(), first, prev);
            for sequence in first..first + count {
                let payload = Payload::Present(self.payload_at(by, sequence));
                let Some(hash) = builder.push(stamp_at(sequence), &payload) else { break };
                (head.height, head.hash, head.stamp) = (sequence, hash, stamp_at(sequence));
            }
            let message = seal_message(&hash, head.height, &head.hash);
            let seal = signer.map(|signer| signer.sign(&message).0);
            head.seal = seal.map(|seal| (head.height, seal.to_vec().into())).or(head.seal.take());
            let (run, _) = builder.finish(seal.as_ref().map(|seal| &seal[..])).expect("an entry always fits");
            left -= run.count();
            log.runs.push(StoredRun { prev, run });
        }
    }

    /// Differs between writers and sequences where there is room.
    fn payload_at(self, by: &str, sequence: Seq) -> Bytes {
        let text = format!("{sequence} {by}");
        let mut payload = text.into_bytes();
        payload.resize(self.payload, b'.');
        payload.into()
    }
}

/// Where a group of logs lies; the salt is part of its authors' names, and so of all hashes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) channel: &'a ChannelId,
    pub(super) group: usize,
    pub(super) salt: &'a str,
}

/// A millisecond each, and older than anything that is written later.
fn stamp_at(sequence: Seq) -> Stamp {
    Stamp::new(DAWN - 10_000_000_000 + sequence, 0)
}
