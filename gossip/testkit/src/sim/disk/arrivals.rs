//! What came to a disk, in the order in which it came.

use gossip_proto::{Arrival, Arrived, ChannelId, Page, SeqRange, StoredRun};

use super::Volume;

impl Volume {
    /// Rows of a channel in the order they came.
    pub(super) fn since(&self, channel: &ChannelId, after: Arrival, budget: usize) -> Page<Arrived, Arrival> {
        let (mut items, mut bytes) = (Vec::new(), 0);
        for &(first, id, range) in &self.order {
            let last = first + range.count() - 1;
            let Some(log) = self.logs.get(&id).filter(|log| log.head.name.channel == *channel) else {
                continue;
            };
            if last <= after.0 || range.count() == 0 {
                continue;
            }
            if bytes >= budget {
                return Page { items, next: Some(Arrival(first - 1)) };
            }
            let skipped = (after.0 + 1).saturating_sub(first);
            let range = SeqRange { first: range.first + skipped, ..range };
            let sound = |run: &&StoredRun| !self.rotten.contains(&(id, run.run.first()));
            let held = log.runs.iter().filter(|stored| stored.run.range().overlap(&range).is_some());
            let runs: Vec<StoredRun> = held.filter(sound).cloned().collect();
            bytes += runs.iter().map(|stored| stored.run.encoded().len()).sum::<usize>();
            let arrival = Arrival(first + skipped);
            items.push(Arrived { arrival, log: id, range, runs, damaged: None });
        }
        Page { items, next: None }
    }
}
