//! Heights of logs and requests for them, as version 1 has them.

use serde::{Deserialize, Serialize};

use super::{ChannelTag, DigestTag, StreamKey};
use crate::{Branch, Check, Epoch, LogId, NodeId, Seq, StreamId};

/// Heights of logs: all those of a channel whose ids lie in a range, or some.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The channel.
    pub tag: ChannelTag,
    /// The speaker's digest.
    pub mine: DigestTag,
    /// The range (after, up to and including) of log ids within which nothing was left out;
    /// `None` when only some logs are told. An open end is `None`.
    pub range: Option<(Option<LogId>, Option<LogId>)>,
    /// Streams the speaker refuses.
    pub refused: Vec<StreamKey>,
    /// Streams the logs refer to by index, and streams without logs.
    pub streams: Vec<StreamId>,
    /// Authors the logs refer to by index.
    pub authors: Vec<NodeId>,
    /// The logs.
    pub logs: Vec<OfferLog>,
}

/// One log in an [`Offer`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfferLog {
    /// Index into the streams.
    pub stream: u32,
    /// Index into the authors.
    pub author: u32,
    /// Epoch.
    pub epoch: Epoch,
    /// Branch of a fork.
    pub branch: Option<Branch>,
    /// Height held.
    pub height: Seq,
    /// Short hash at the height.
    pub check: Check,
    /// Nothing is held up to here.
    pub floor: Seq,
}

/// Asks for runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Want {
    /// The channel.
    pub tag: ChannelTag,
    /// Comes back in the answers; never 0.
    pub serial: u64,
    /// Bytes of runs the asker has room for. One run may exceed it.
    pub budget: u64,
    /// What is wanted, in this order.
    pub logs: Vec<WantLog>,
}

/// One log in a [`Want`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantLog {
    /// The log.
    pub log: LogId,
    /// Everything after this sequence.
    pub after: Seq,
    /// Short hash the asker holds there.
    pub check: Check,
}

type OfferRange = Option<(Option<LogId>, Option<LogId>)>;
type OfferLogTuple = (u32, u32, Epoch, Option<(LogId, crate::ChainHash)>, Seq, Check, Seq);
type OfferTuple =
    (ChannelTag, DigestTag, OfferRange, Vec<StreamKey>, Vec<StreamId>, Vec<NodeId>, Vec<OfferLogTuple>);

impl Offer {
    pub(super) fn tuple(&self) -> OfferTuple {
        let m = self.clone();
        let logs = m.logs.into_iter().map(OfferLog::into_tuple).collect();
        (m.tag, m.mine, m.range, m.refused, m.streams, m.authors, logs)
    }

    pub(super) fn from_tuple((tag, mine, range, refused, streams, authors, logs): OfferTuple) -> Self {
        let logs = logs.into_iter().map(OfferLog::from_tuple).collect();
        Self { tag, mine, range, refused, streams, authors, logs }
    }
}

impl OfferLog {
    fn into_tuple(self) -> OfferLogTuple {
        let branch = self.branch.map(|branch| (branch.parent, branch.first));
        (self.stream, self.author, self.epoch, branch, self.height, self.check, self.floor)
    }

    fn from_tuple((stream, author, epoch, branch, height, check, floor): OfferLogTuple) -> Self {
        let branch = branch.map(|(parent, first)| Branch { parent, first });
        Self { stream, author, epoch, branch, height, check, floor }
    }
}

type WantTuple = (ChannelTag, u64, u64, Vec<(LogId, Seq, Check)>);

impl Want {
    pub(super) fn tuple(&self) -> WantTuple {
        let logs = self.logs.iter().map(|want| (want.log, want.after, want.check)).collect();
        (self.tag, self.serial, self.budget, logs)
    }

    pub(super) fn from_tuple((tag, serial, budget, logs): WantTuple) -> Self {
        let logs = logs.into_iter().map(|(log, after, check)| WantLog { log, after, check }).collect();
        Self { tag, serial, budget, logs }
    }
}
