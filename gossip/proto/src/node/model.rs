//! What the node knows of channels and streams.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::CommandId;
use super::left_out::LeftOut;
use super::log::Tip;
use super::order::Order;
use super::scoped::Scopes;
use super::sketches::Sketches;
use super::slab::At;
use super::tree::Season;
use crate::digest::{Sum, open_secret, stream_key};
use crate::sketch::Item;
use crate::wire::StreamKey;
use crate::{ChannelRecord, Epoch, LogId, NewPayload, StreamId, StreamRecord};

/// One channel.
#[derive(Debug)]
pub(super) struct Channel {
    pub(super) record: ChannelRecord,
    pub(super) secret: [u8; 32],
    /// Boxed, because the nodes of the tree are half empty.
    pub(super) streams: BTreeMap<StreamId, Box<Stream>>,
    pub(super) logs: Order,
    /// Digests of what is compared.
    pub(super) scopes: Scopes,
    /// Streams that are refused here, on every link.
    pub(super) refused: LeftOut,
    pub(super) sketches: Sketches,
    /// Which links its entries need not come over.
    pub(super) season: Season,
    /// On its way out: closed for appends and peers.
    pub(super) removing: bool,
}

/// One stream.
#[derive(Debug)]
pub(super) struct Stream {
    pub(super) record: StreamRecord,
    pub(super) key: StreamKey,
    pub(super) digest: Sum,
    /// Where the table has its logs, if there were any.
    pub(super) logs: Option<At>,
    /// Of the few we write to.
    pub(super) writing: Option<Box<Writing>>,
    /// On its way out, as for channels.
    pub(super) removing: bool,
}

/// What a stream has that we write to.
#[derive(Debug, Default)]
pub(super) struct Writing {
    /// Our own log, if it may be continued.
    pub(super) log: Option<LogId>,
    /// Epochs that the stored record may still call ours to continue: until it does not, nothing
    /// of theirs is taken from peers, or a restart could use a sequence twice.
    pub(super) claimed: BTreeSet<Epoch>,
    pub(super) queue: VecDeque<Queued>,
    /// The node remembers that there is something in the queue to be written.
    pub(super) is_unwritten: bool,
}

impl Stream {
    /// The record is stored with this claim: older ones are gone from disk. Says whether there were any.
    pub(super) fn stored_claim(&mut self, claim: Option<Epoch>) -> bool {
        let current = self.record.writer;
        let Some(writing) = self.writing.as_mut() else { return false };
        let before = writing.claimed.len();
        writing.claimed.retain(|epoch| claim == Some(*epoch) || current == Some(*epoch));
        writing.claimed.len() < before
    }

    /// Our own log, if it may be continued.
    pub(super) fn writer(&self) -> Option<LogId> {
        self.writing.as_ref()?.log
    }

    /// Appends that wait.
    pub(super) fn queue(&mut self) -> Option<&mut VecDeque<Queued>> {
        self.writing.as_mut().map(|writing| &mut writing.queue).filter(|queue| !queue.is_empty())
    }

    pub(super) fn has_queue(&self) -> bool {
        self.writing.as_ref().is_some_and(|writing| !writing.queue.is_empty())
    }

    pub(super) fn is_claimed(&self, epoch: Epoch) -> bool {
        self.writing.as_ref().is_some_and(|writing| writing.claimed.contains(&epoch))
    }

    /// What it is in sketches, without its logs.
    pub(super) fn item(&self, secret: &[u8; 32]) -> Item {
        Item::stream(secret, self.key, &Sum::of_stream(secret, &self.record.id))
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
            logs: Order::default(),
            scopes: Scopes::default(),
            refused: LeftOut::default(),
            sketches: Sketches::default(),
            season: Season::default(),
            removing: false,
        }
    }

    /// Adds a stream, or replaces the record of one.
    pub(super) fn put_stream(&mut self, record: StreamRecord) -> &mut Stream {
        let id = record.id.clone();
        let was_refused = self.streams.get(&id).map(|old| old.record.refused);
        let (secret, refused) = (&self.secret, record.refused);
        let stream = self.streams.entry(id.clone()).or_insert_with(|| {
            let (key, digest) = (stream_key(secret, &id), Sum::of_stream(secret, &id));
            let record = StreamRecord::new(id.clone());
            Box::new(Stream { record, key, digest, logs: None, writing: None, removing: false })
        });
        if let Some(epoch) = record.writer {
            stream.writing.get_or_insert_default().claimed.insert(epoch);
        }
        stream.record = record;
        let counts = |counts: bool| if counts { stream.digest } else { Sum::default() };
        self.scopes.count(&stream.key, &counts(was_refused == Some(false)), &counts(!refused));
        if refused {
            self.refused.leave_out(secret, stream.key);
        } else {
            self.refused.take_up(secret, stream.key);
        }
        match was_refused {
            None if !refused => {
                let compares = |link| self.scopes.has(link, &stream.key);
                self.sketches.add_stream(&stream.item(secret), compares);
            }
            Some(was) if was != refused => self.sketches.forget(),
            _ => {}
        }
        stream
    }

    /// Moves a log's part of the digest from one height to another.
    pub(super) fn move_log(&mut self, log: LogId, stream: &StreamId, from: &Tip, to: &Tip) {
        let Some(stream) = self.streams.get_mut(stream) else { return };
        let less = Sum::of_log(&self.secret, log, from.height, &from.hash);
        let more = Sum::of_log(&self.secret, log, to.height, &to.hash);
        stream.digest.subtract(&less);
        stream.digest.add(&more);
        self.scopes.count(&stream.key, &less, &more);
        let compares = |link| self.scopes.has(link, &stream.key);
        self.sketches.move_log(&self.secret, log, (from, &less), (to, &more), compares);
    }

    /// The stream, if it exists here and takes entries.
    pub(super) fn open_stream(&mut self, stream: &StreamId) -> Option<&mut Stream> {
        if self.removing {
            return None;
        }
        self.streams.get_mut(stream).map(Box::as_mut).filter(|stream| stream.is_open())
    }
}
