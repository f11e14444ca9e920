//! Logs: the entries of one writer in one stream.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::chain::hash32;
use crate::{ChainHash, ChannelId, NodeId, Seal, Stamp, StreamId, Turn};

/// Position in a log: 1, 2, 3…; 0 stands for "before the first entry".
pub type Seq = u64;

/// No log gets so long; so far from the end of the numbers nothing can overflow.
pub(crate) const MAX_SEQ: Seq = i64::MAX as Seq;

/// A writer's generation in a stream: 16 bits of generation, 48 random bits.
///
/// A node draws a new epoch whenever its memory may be short (wiped store, left and rejoined,
/// restored backup), so one (author, epoch, sequence) never names two entries.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(u64);

impl Epoch {
    /// The epoch of a generation; of `random` the lower 48 bits count.
    #[must_use]
    pub const fn new(generation: u16, random: u64) -> Self {
        Self((generation as u64) << 48 | (random & 0xffff_ffff_ffff))
    }

    /// From one number, as stored and sent.
    #[must_use]
    pub const fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// One number: generation above, random bits below.
    #[must_use]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// 1 + the highest generation this author was known to have in the stream.
    #[must_use]
    pub const fn generation(self) -> u16 {
        (self.0 >> 48) as u16
    }
}

impl fmt::Debug for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}~{:012x}", self.generation(), self.0 & 0xffff_ffff_ffff)
    }
}

hash32! {
    /// The full hash of a log's name; the chain starts from it.
    LogHash
}

/// The address of a log: the first 16 bytes of its [`LogHash`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LogId(#[serde(with = "serde_bytes")] pub [u8; 16]);

impl fmt::Debug for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex(f, &self.0[..6])
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex(f, &self.0)
    }
}

/// A log's full name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LogName {
    /// Channel of the stream.
    pub channel: ChannelId,
    /// Stream the log belongs to.
    pub stream: StreamId,
    /// Who writes it.
    pub author: NodeId,
    /// Which of the author's generations.
    pub epoch: Epoch,
    /// Set for a branch of a forked log: where it left its parent.
    pub branch: Option<Branch>,
}

/// A branch is named by its parent and the first hash that differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Branch {
    /// The log it forked from.
    pub parent: LogId,
    /// Its first chain hash that differs.
    pub first: ChainHash,
}

impl LogName {
    /// The 32-byte hash of the name: domain-separated, every part length-prefixed.
    #[must_use]
    pub fn hash(&self) -> LogHash {
        let mut hasher = self.hasher();
        if let Some(branch) = &self.branch {
            hasher.update(&branch.parent.0);
            hasher.update(&branch.first.0);
        }
        LogHash(*hasher.finalize().as_bytes())
    }

    /// The hash of the log this one is a branch of, or is: the one that its author signs for.
    #[must_use]
    pub fn unbranched_hash(&self) -> LogHash {
        LogHash(*self.hasher().finalize().as_bytes())
    }

    /// The log that this one is a branch of, or is: the same for all histories that ever shared an entry.
    #[must_use]
    pub fn first_log(&self) -> LogId {
        self.branch.map_or_else(|| self.id(), |branch| branch.parent)
    }

    /// The history of the same log, of whichever branch, that goes on with this hash after a fork.
    #[must_use]
    pub fn branching(&self, first: ChainHash) -> Self {
        Self { branch: Some(Branch { parent: self.first_log(), first }), ..self.clone() }
    }

    /// `h(0)`, where the chain begins; that of a branch begins where that of its log does, however far on
    /// its first entry follows.
    #[must_use]
    pub fn root(&self) -> ChainHash {
        self.unbranched_hash().root()
    }

    fn hasher(&self) -> blake3::Hasher {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"gossip-log-1");
        for part in [self.channel.as_str(), self.stream.as_str(), self.author.as_str()] {
            hasher.update(&(part.len() as u32).to_le_bytes());
            hasher.update(part.as_bytes());
        }
        hasher.update(&self.epoch.bits().to_le_bytes());
        hasher
    }

    /// The address: the first 16 bytes of [`LogName::hash`].
    #[must_use]
    pub fn id(&self) -> LogId {
        self.hash().id()
    }
}

impl LogHash {
    /// The address that belongs to it.
    #[must_use]
    pub fn id(&self) -> LogId {
        let mut id = [0; 16];
        id.copy_from_slice(&self.0[..16]);
        LogId(id)
    }

    /// `h(0)` of a log that is no branch, see [`LogName::root`].
    #[must_use]
    pub fn root(&self) -> ChainHash {
        ChainHash(self.0)
    }
}

/// An inclusive range of sequences; empty when `last < first`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SeqRange {
    /// First sequence in the range.
    pub first: Seq,
    /// Last sequence in the range.
    pub last: Seq,
}

impl SeqRange {
    /// Whether `seq` lies inside.
    #[must_use]
    pub fn contains(&self, seq: Seq) -> bool {
        self.first <= seq && seq <= self.last
    }

    /// How many sequences it spans.
    #[must_use]
    pub fn count(&self) -> u64 {
        (self.last + 1).saturating_sub(self.first)
    }

    /// What lies in both ranges, if anything does.
    #[must_use]
    pub fn overlap(&self, other: &Self) -> Option<Self> {
        let both = Self { first: self.first.max(other.first), last: self.last.min(other.last) };
        (both.first <= both.last).then_some(both)
    }
}

/// What a store knows of a log: the acknowledged truth.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogHead {
    /// Full name.
    pub name: LogName,
    /// Highest sequence held; everything between `floor` and it is held except `gaps`.
    pub height: Seq,
    /// Chain hash at `height`.
    pub hash: ChainHash,
    /// Stamp of the entry at `height`; where that is not known, of the newest below that was;
    /// [`Stamp::ZERO`] when there is none.
    pub stamp: Stamp,
    /// Everything up to and including this sequence was pruned or never held.
    pub floor: Seq,
    /// Chain hash at `floor`.
    pub floor_hash: ChainHash,
    /// Ranges above `floor` that are not held, in order and apart: no reachable peer had them any
    /// more, or what was stored there was damaged.
    pub gaps: Vec<SeqRange>,
    /// Ranges that never arrived here, at the floor or in gaps: their entries have no arrival
    /// number yet and get one if they are filled in.
    #[serde(default)]
    pub missed: Vec<SeqRange>,
    /// Newest seal (author's signature) known: its position and bytes.
    pub seal: Option<(Seq, serde_bytes::ByteBuf)>,
    /// Where the log ends for good, if it forks; the height may still be below.
    #[serde(default)]
    pub turn: Option<Turn>,
}

impl LogHead {
    /// The author's seal at this position, if it is the newest known.
    #[must_use]
    pub fn seal_at(&self, at: Seq) -> Option<Seal> {
        let (_, seal) = self.seal.as_ref().filter(|(of, _)| *of == at)?;
        Seal::from_slice(seal)
    }

    /// The head of a log nobody has written to yet.
    #[must_use]
    pub fn empty(name: LogName) -> Self {
        let root = name.root();
        Self {
            name,
            height: 0,
            hash: root,
            stamp: Stamp::ZERO,
            floor: 0,
            floor_hash: root,
            gaps: Vec::new(),
            missed: Vec::new(),
            seal: None,
            turn: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(channel: &str, stream: &str) -> LogName {
        LogName {
            channel: ChannelId::new(channel).unwrap(),
            stream: StreamId::new(stream).unwrap(),
            author: NodeId::new("ann").unwrap(),
            epoch: Epoch::new(1, 7),
            branch: None,
        }
    }

    #[test]
    fn lengths_keep_names_apart() {
        assert_ne!(name("ab", "c").id(), name("a", "bc").id());
        let mut branch = name("ab", "c");
        branch.branch = Some(Branch { parent: name("ab", "c").id(), first: ChainHash([1; 32]) });
        assert_ne!(branch.id(), name("ab", "c").id());
    }

    #[test]
    fn epochs_order_by_generation() {
        assert!(Epoch::new(2, 0) > Epoch::new(1, u64::MAX));
        assert_eq!(Epoch::new(3, u64::MAX).generation(), 3);
    }
}
