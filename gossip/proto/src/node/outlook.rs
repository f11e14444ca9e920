//! How much is missing on either side, as far as comparisons told it before it is known of which logs.
//!
//! The first cell of a sketch sums the heights of all logs, so two of them differ by what one side holds more;
//! decoded sketches tell it log by log, and asks tell how far the asker is. What came or went since is
//! taken off, and agreement ends it.

use super::sketches::View;
use super::{Class, LinkId, Node};
use crate::sketch::Kind;
use crate::wire::{ChannelTag, Message, SketchMessage};
use crate::{ChannelId, LogId, Seq};

/// Who gives more entries at once may have to say so before: the receiver cannot know it.
const ANNOUNCED: u64 = 256;
/// Bytes of an entry, as long as none was seen.
const ENTRY: u64 = 128;

/// Entries still to come and to go.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Outlook {
    pub(super) get: u64,
    pub(super) give: u64,
}

impl Outlook {
    /// What follows from holding so many entries less than a peer.
    pub(super) fn of_balance(balance: i64) -> Self {
        let [get, give] = [balance, -balance].map(|balance| u64::try_from(balance).unwrap_or(0));
        Self { get, give }
    }

    /// What follows from how much more a peer holds of each log.
    pub(super) fn of_logs(deltas: impl Iterator<Item = i64>) -> Self {
        deltas.map(Self::of_balance).fold(Self::default(), |sum, one| Self {
            get: sum.get.saturating_add(one.get),
            give: sum.give.saturating_add(one.give),
        })
    }
}

impl SketchMessage {
    /// Only says how much is about to be given.
    pub(super) fn is_announcement(&self) -> bool {
        self.from == 0 && self.estimate.is_none() && self.cells.len() == 1
    }
}

impl Node {
    pub(super) fn foresee(&mut self, id: LinkId, name: &ChannelId, outlook: Outlook) {
        if let Some(shared) = self.shared(id, name) {
            shared.outlook = outlook;
        }
        self.tell_status(id, name);
    }

    /// What the first cell of theirs says.
    pub(super) fn foresee_by(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage) {
        if let Some(balance) = self.balance(id, name, sketch) {
            self.foresee(id, name, Outlook::of_balance(balance));
        }
    }

    /// By how many entries a peer holds more than we do.
    fn balance(&mut self, id: LinkId, name: &ChannelId, sketch: &SketchMessage) -> Option<i64> {
        let theirs = sketch.cells.first().filter(|_| sketch.from == 0 && sketch.kind == Kind::Heights)?;
        let View::Ready(ours) = self.view(id, name, Kind::Heights)? else { return None };
        let ours = *ours.cells(0, 1).first()?;
        Some(theirs.less(ours).s1.cast_signed().into())
    }

    /// Entries of a channel were stored that others had.
    pub(super) fn note_arrived(&mut self, name: &ChannelId, entries: u64) {
        let sessions = self.links.values_mut().filter_map(|link| link.session.as_mut());
        for shared in sessions.filter_map(|session| session.shared.get_mut(name)) {
            shared.outlook.get = shared.outlook.get.saturating_sub(entries);
        }
    }

    /// A peer lacks at least what waits to be sent to it.
    pub(super) fn note_queued(&mut self, id: LinkId, tag: ChannelTag) {
        let entries = self.serving(id).map_or(0, |serving| serving.entries(tag));
        if let Some((_, shared)) = self.shared_by_tag(id, tag) {
            shared.outlook.give = shared.outlook.give.max(entries);
        }
    }

    /// Entries were sent to a peer that lacked them.
    pub(super) fn note_given(&mut self, id: LinkId, tag: ChannelTag, entries: u64) {
        if let Some((_, shared)) = self.shared_by_tag(id, tag) {
            shared.outlook.give = shared.outlook.give.saturating_sub(entries);
        }
    }

    /// How many entries these logs have here after what a peer holds.
    pub(super) fn count_after<'a>(&self, logs: impl Iterator<Item = &'a (LogId, Seq)>) -> u64 {
        let after = |(log, after): &(LogId, Seq)| {
            self.logs.get(log).map_or(0, |log| log.stored.height.saturating_sub(*after))
        };
        logs.map(after).fold(0, u64::saturating_add)
    }

    /// Says how much is about to be given in answer to a sketch, if that is more than `known`, in bytes.
    pub(super) fn announce_gift(
        &mut self,
        id: LinkId,
        name: &ChannelId,
        answered: &SketchMessage,
        known: u64,
    ) {
        let given = self.shared(id, name).map_or(0, |shared| shared.outlook.give);
        let (moved, bytes) = self.stats.moved;
        let each = bytes.checked_div(moved).unwrap_or(ENTRY);
        if answered.room == 0 || given <= ANNOUNCED || given.saturating_mul(each) <= known {
            return;
        }
        if let Some(sketch) = self.sketch_of(id, name, (answered.serial, Kind::Heights, 0), 0..1, false) {
            self.send(id, &Message::Sketch(sketch), Class::Urgent);
        }
    }
}
