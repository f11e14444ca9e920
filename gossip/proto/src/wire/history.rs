//! Messages about what is missing, and about what is to be.

use serde::{Deserialize, Serialize};

use super::{ChannelTag, LogKey};
use crate::{Branch, ChainHash, Check, Epoch, LogId, NodeId, Seq, SeqRange, StreamId};

/// Asks for runs from their end down: those that fill a hole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Back {
    /// The channel.
    pub tag: ChannelTag,
    /// Comes back in the answers; never 0.
    pub serial: u64,
    /// Bytes of runs the asker has room for. One run may exceed it.
    pub budget: u64,
    /// What is wanted, in this order.
    pub logs: Vec<BackLog>,
}

/// One log in a [`Back`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackLog {
    /// The log.
    pub log: LogId,
    /// This sequence and what lies below it.
    pub below: Seq,
    /// Short hash the asker knows there.
    pub check: Check,
}

/// Asks to erase the payloads of entries, and to pass that on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erase {
    /// The channel.
    pub tag: ChannelTag,
    /// Comes back in [`Message::Erased`](super::Message::Erased).
    pub serial: u64,
    /// Who asked for it first.
    pub by: NodeId,
    /// The logs.
    pub logs: Vec<EraseLog>,
}

/// Entries of one log in an [`Erase`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EraseLog {
    /// Name of the log, which the receiver may not know.
    pub name: LogKey,
    /// Which of its entries.
    pub ranges: Vec<SeqRange>,
}

type BackTuple = (ChannelTag, u64, u64, Vec<(LogId, Seq, Check)>);

impl Back {
    pub(super) fn tuple(&self) -> BackTuple {
        let logs = self.logs.iter().map(|back| (back.log, back.below, back.check)).collect();
        (self.tag, self.serial, self.budget, logs)
    }

    pub(super) fn from_tuple((tag, serial, budget, logs): BackTuple) -> Self {
        let logs = logs.into_iter().map(|(log, below, check)| BackLog { log, below, check }).collect();
        Self { tag, serial, budget, logs }
    }
}

type EraseLogTuple = (StreamId, NodeId, Epoch, Option<(LogId, ChainHash)>, Vec<(Seq, Seq)>);
type EraseTuple = (ChannelTag, u64, NodeId, Vec<EraseLogTuple>);

impl Erase {
    pub(super) fn tuple(&self) -> EraseTuple {
        let logs = self.logs.iter().cloned().map(EraseLog::into_tuple).collect();
        (self.tag, self.serial, self.by.clone(), logs)
    }

    pub(super) fn from_tuple((tag, serial, by, logs): EraseTuple) -> Self {
        let logs = logs.into_iter().map(EraseLog::from_tuple).collect();
        Self { tag, serial, by, logs }
    }
}

impl EraseLog {
    fn into_tuple(self) -> EraseLogTuple {
        let (stream, author, epoch, branch) = self.name;
        let branch = branch.map(|branch| (branch.parent, branch.first));
        let ranges = self.ranges.into_iter().map(|range| (range.first, range.last)).collect();
        (stream, author, epoch, branch, ranges)
    }

    fn from_tuple((stream, author, epoch, branch, ranges): EraseLogTuple) -> Self {
        let branch = branch.map(|(parent, first)| Branch { parent, first });
        let ranges = ranges.into_iter().map(|(first, last)| SeqRange { first, last }).collect();
        Self { name: (stream, author, epoch, branch), ranges }
    }
}
