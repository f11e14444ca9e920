//! Which of our logs we may continue: only those whose epoch the store's record claims.
//!
//! The record names the epoch this store drew. Losing that mark costs an epoch, never a sequence:
//! a restart without it begins a new log. While the stored record may still claim an epoch, nothing
//! of it is taken from peers, because a crash right after could leave us at a height in the middle
//! of what we once wrote, ready to write it again differently.

use super::admin::Job;
use super::model::Stream;
use super::{Event, Node};
use crate::{ChannelId, Epoch, LogId, StreamId};

impl Node {
    /// Closes our own current log: the next append draws a new epoch. Appends on their way to the
    /// old log still land there.
    pub(super) fn retire(&mut self, log: LogId) {
        let Some(name) = self.logs.name(&log) else { return };
        let stream =
            self.channels.get_mut(&name.channel).and_then(|channel| channel.streams.get_mut(&name.stream));
        let own = name.author == self.record.id && name.branch.is_none();
        // The claim may have survived a power cut that the log did not.
        let current = |stream: &&mut Box<Stream>| {
            stream.writer() == Some(log) || own && stream.record.writer == Some(name.epoch)
        };
        let Some(stream) = stream.filter(current) else { return };
        stream.record.writer = None;
        stream.writing.iter_mut().for_each(|writing| writing.log = None);
        self.queue_job(Job::Save(name.channel.clone(), name.stream.clone()));
        self.notify(Event::EpochRetired { log: (*name).clone() });
    }

    /// Whether we are the author of a log.
    pub(super) fn is_own(&self, log: &LogId) -> bool {
        self.logs.get(log).is_some_and(|log| self.logs.author_of(log) == Some(&self.record.id))
    }

    /// Whether the stored record may still say that this log is ours to continue.
    pub(super) fn is_claimed(&self, log: &LogId) -> bool {
        let Some(log) = self.logs.get(log).filter(|log| self.is_own(&log.id)) else { return false };
        self.stream_of(log).is_some_and(|stream| stream.is_claimed(log.epoch))
    }

    /// The same, and what peers only say of it counts: of a sealed log nothing does before a seal of ours
    /// was seen.
    pub(super) fn is_believed_ours(&self, log: &LogId) -> bool {
        !self.record.id.is_key() && self.is_claimed(log)
    }

    /// A peer holds more of a log of ours than we do: give it up, and take what is missing once
    /// the store knows.
    pub(super) fn disclaim(&mut self, log: LogId) {
        self.retire(log);
        let Some((channel, stream)) = self.log_place(&log) else { return };
        if !self.saves(&channel, &stream) {
            self.queue_job(Job::Save(channel, stream));
        }
    }

    /// The record of a stream is stored with this claim. Peers may have had what was refused as long as another one
    /// was.
    pub(super) fn claim_stored(&mut self, channel: &ChannelId, stream: &StreamId, claim: Option<Epoch>) {
        let found = self.channels.get_mut(channel).and_then(|channel| channel.streams.get_mut(stream));
        if found.is_some_and(|stream| stream.stored_claim(claim)) {
            self.compare_soon(channel);
            self.fetch_everywhere();
        }
    }
}
