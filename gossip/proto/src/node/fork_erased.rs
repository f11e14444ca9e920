//! Erasures of entries that got another id because their log forks.
//!
//! What this node was asked to erase by its own application was meant of what it holds: it is erased under the
//! new ids as well, and told. What peers asked for may have been meant of the other history, and is left to them.

use super::Node;
use super::erase::new_entries;
use crate::{EntryId, LogId, LogName, SeqRange, Turn};

impl Node {
    /// The id an entry has now, if it followed a fork since it got this one.
    pub(super) fn moved(&self, mut id: EntryId) -> EntryId {
        while let Some(log) = self.logs.get(&id.log)
            && let Some(turn) = log.turn().filter(|turn| turn.at <= id.sequence)
            && let Some((name, first)) = self.logs.name_of(log).zip(turn.first)
        {
            id.log = name.branching(first).id();
        }
        id
    }

    /// The end of a log moved to its branch: what was erased of it here is, there.
    pub(super) fn move_erasures(&mut self, name: &LogName, log: LogId, turn: Turn) {
        let Some(branch) = turn.first.map(|first| name.branching(first).id()) else { return };
        let stream = self.channels.get(&name.channel).and_then(|channel| channel.streams.get(&name.stream));
        let Some(stream) = stream else { return };
        let own =
            stream.record.erased.iter().filter(|erased| erased.by == self.record.id && erased.log == log);
        let beyond = own.filter(|erased| erased.range.last >= turn.at);
        let moved = beyond
            .map(|erased| (branch, SeqRange { first: erased.range.first.max(turn.at), ..erased.range }));
        let entries = new_entries(&stream.record, Some(&self.record.id), &moved.collect::<Vec<_>>());
        if !entries.is_empty() {
            let place = (name.channel.clone(), name.stream.clone());
            self.begin_erasure(None, None, place, self.record.id.clone(), entries);
        }
    }

    /// The same for what ended before the node started.
    pub(super) fn move_all_erasures(&mut self) {
        let ended = self.logs.values().filter_map(|log| Some((log.id, log.turn()?)));
        let ended = ended.filter_map(|(id, turn)| Some((id, self.logs.name(&id)?, turn)));
        for (id, name, turn) in ended.collect::<Vec<_>>() {
            self.move_erasures(&name, id, turn);
        }
    }
}
