//! What the node knows of channels, streams and logs.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::CommandId;
use super::holes::Holes;
use super::ops::Landing;
use super::refusals::Refusals;
use crate::digest::{Sum, open_secret, stream_key};
use crate::wire::StreamKey;
use crate::{
    ChainHash, ChannelRecord, EntryId, Epoch, LogHead, LogId, LogName, NewPayload, NodeId, Seq, Stamp,
    StoreFailure, StreamId, StreamRecord,
};

/// The end of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tip {
    pub(super) height: Seq,
    pub(super) hash: ChainHash,
    pub(super) stamp: Stamp,
}

/// One log.
#[derive(Debug)]
pub(super) struct Log {
    pub(super) name: Arc<LogName>,
    /// Acknowledged by the store: announced, served, counted.
    pub(super) stored: Tip,
    /// Verified and on its way to the store: what follows is checked against it.
    pub(super) pending: Tip,
    pub(super) holes: Holes,
    /// The application wants what lies below the floor.
    pub(super) asks_back: bool,
    /// Runs on their way into holes.
    pub(super) filling: u32,
    /// Prunes on their way: until they are done nobody knows which holes are to stay.
    pub(super) pruning: u32,
    /// Commits on their way.
    pub(super) in_flight: u32,
    /// A commit failed: nothing moves until the head was read again.
    pub(super) frozen: Option<Frozen>,
}

/// What waits for the head of a log to be read again.
#[derive(Debug, Default)]
pub(super) struct Frozen {
    pub(super) tries: u32,
    pub(super) reading: bool,
    /// Holes moved meanwhile: what is read may be older.
    pub(super) is_outdated: bool,
    pub(super) unsettled: Vec<Unsettled>,
    /// From peers, in order: what failed, and what was stored after it all the same.
    pub(super) late: Vec<(NodeId, Landing)>,
}

/// An append whose commit failed.
#[derive(Debug)]
pub(super) struct Unsettled {
    pub(super) end: Tip,
    pub(super) tickets: Vec<Ticket>,
    pub(super) failure: StoreFailure,
}

/// Who waits for an append, and what it will be told.
#[derive(Debug)]
pub(super) struct Ticket {
    pub(super) command: CommandId,
    pub(super) ids: Vec<EntryId>,
    pub(super) bytes: usize,
}

impl Log {
    pub(super) fn new(name: Arc<LogName>) -> Self {
        let hash = name.hash().root();
        let tip = Tip { height: 0, hash, stamp: Stamp::ZERO };
        Self {
            name,
            stored: tip,
            pending: tip,
            holes: Holes::default(),
            asks_back: false,
            filling: 0,
            pruning: 0,
            in_flight: 0,
            frozen: None,
        }
    }

    pub(super) fn from_head(head: &LogHead) -> Self {
        let mut log = Self::new(Arc::new(head.name.clone()));
        log.adopt_head(head);
        log
    }

    /// Takes the store's word for everything.
    pub(super) fn adopt_head(&mut self, head: &LogHead) {
        self.stored = Tip { height: head.height, hash: head.hash, stamp: head.stamp };
        self.pending = self.stored;
        self.holes = Holes::of_head(head);
    }

    /// The store moved holes; an answer of it that is on its way may not know.
    pub(super) fn outdate(&mut self) {
        if let Some(frozen) = self.frozen.as_mut() {
            frozen.is_outdated = frozen.reading;
        }
    }

    /// Takes the store's word that it holds nothing.
    pub(super) fn adopt_nothing(&mut self) {
        let Self { name, in_flight, filling, frozen, .. } =
            std::mem::replace(self, Self::new(self.name.clone()));
        (self.name, self.in_flight, self.filling, self.frozen) = (name, in_flight, filling, frozen);
    }
}

/// One channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) record: ChannelRecord,
    pub(super) secret: [u8; 32],
    pub(super) streams: BTreeMap<StreamId, Stream>,
    pub(super) logs: BTreeSet<LogId>,
    /// Over all streams that are not refused here.
    pub(super) digest: Sum,
    /// Those that are.
    pub(super) refused: Refusals,
    /// On its way out: closed for appends and peers.
    pub(super) removing: bool,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) record: StreamRecord,
    pub(super) key: StreamKey,
    pub(super) digest: Sum,
    pub(super) logs: BTreeSet<LogId>,
    /// Our own log, if it may be continued.
    pub(super) writer: Option<LogId>,
    /// Epochs that the stored record may still call ours to continue: until it does not, nothing
    /// of theirs is taken from peers, or a restart could use a sequence twice.
    pub(super) claimed: BTreeSet<Epoch>,
    pub(super) queue: VecDeque<Queued>,
    /// The node remembers that there is something in the queue to be written.
    pub(super) is_unwritten: bool,
    /// On its way out, as for channels.
    pub(super) removing: bool,
}

impl Stream {
    /// The record is stored with this claim: older ones are gone from disk.
    pub(super) fn stored_claim(&mut self, claim: Option<Epoch>) {
        let current = self.record.writer;
        self.claimed.retain(|epoch| claim == Some(*epoch) || current == Some(*epoch));
    }

    /// Whether entries may come in, from here or from peers.
    pub(super) fn is_open(&self) -> bool {
        !self.record.refused && !self.removing
    }
}

/// An append that waits to be written.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) command: CommandId,
    pub(super) payloads: Vec<NewPayload>,
    pub(super) bytes: usize,
}

impl Channel {
    pub(super) fn new(record: ChannelRecord) -> Self {
        let secret = open_secret(&record.id);
        Self {
            record,
            secret,
            streams: BTreeMap::new(),
            logs: BTreeSet::new(),
            digest: Sum::default(),
            refused: Refusals::default(),
            removing: false,
        }
    }

    /// Adds a stream, or replaces the record of one.
    pub(super) fn put_stream(&mut self, record: StreamRecord) -> &mut Stream {
        let id = record.id.clone();
        if let Some(old) = self.streams.get(&id)
            && !old.record.refused
        {
            let digest = old.digest;
            self.digest.subtract(&digest);
        }
        let (secret, refused) = (&self.secret, record.refused);
        let stream = self.streams.entry(id.clone()).or_insert_with(|| Stream {
            record: StreamRecord::new(id.clone()),
            key: stream_key(secret, &id),
            digest: Sum::of_stream(secret, &id),
            logs: BTreeSet::new(),
            writer: None,
            claimed: BTreeSet::new(),
            queue: VecDeque::new(),
            is_unwritten: false,
            removing: false,
        });
        stream.claimed.extend(record.writer);
        stream.record = record;
        if refused {
            self.refused.insert(secret, stream.key);
        } else {
            self.refused.remove(secret, stream.key);
            self.digest.add(&stream.digest);
        }
        stream
    }

    /// Moves a log's part of the digest from one height to another.
    pub(super) fn move_log(&mut self, log: LogId, stream: &StreamId, from: &Tip, to: &Tip) {
        let Some(stream) = self.streams.get_mut(stream) else { return };
        let less = Sum::of_log(&self.secret, log, from.height, &from.hash);
        let more = Sum::of_log(&self.secret, log, to.height, &to.hash);
        for digest in [&mut stream.digest, &mut self.digest] {
            digest.subtract(&less);
            digest.add(&more);
        }
    }

    /// The stream, if it exists here and takes entries.
    pub(super) fn open_stream(&mut self, stream: &StreamId) -> Option<&mut Stream> {
        if self.removing {
            return None;
        }
        self.streams.get_mut(stream).filter(|stream| stream.is_open())
    }
}
