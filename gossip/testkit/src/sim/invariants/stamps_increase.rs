//! Stamps increase in every log, and what a node appends sorts after all it knew before.

use std::collections::BTreeMap;

use gossip_proto::node::{Command, CommandId, Event, Reply};
use gossip_proto::{CommitItem, EntryId, Stamp, StoreRequest};

use super::{Check, Invariant};
use crate::sim::disk::Volume;
use crate::sim::fact::{Fact, Scene};
use crate::sim::plan::Plan;

#[derive(Debug)]
pub(super) struct StampsIncrease {
    /// Newest stamp each host acknowledged or merged.
    known: Vec<Stamp>,
    /// For each append under way, the newest stamp known when it was asked for.
    asked: BTreeMap<CommandId, Stamp>,
    max_drift: Vec<u64>,
    /// Until when (in ticks) it is not clear which remote stamps a host merged.
    unsure: Vec<u64>,
}

/// Between a frame and the event that tells of it, a wall clock may have jumped.
const UNSURE: u64 = 30_000_000;

impl StampsIncrease {
    pub(super) fn new(plan: &Plan) -> Self {
        let hosts = plan.hosts.len();
        Self {
            known: vec![Stamp::ZERO; hosts],
            asked: BTreeMap::new(),
            max_drift: plan.hosts.iter().map(|h| h.config.max_drift.as_millis() as u64).collect(),
            unsure: vec![0; hosts],
        }
    }

    fn know(&mut self, host: usize, stamp: Option<Stamp>) {
        self.known[host] = self.known[host].max(stamp.unwrap_or(Stamp::ZERO));
    }

    fn ahead(&self, scene: &Scene<'_>) -> bool {
        scene.volume.record.clock.millis() > scene.now.wall.0 + self.max_drift[scene.host]
    }

    fn merged(&mut self, scene: &Scene<'_>, event: &Event) {
        let Event::EntriesMerged { entries, .. } = event else { return };
        // The frame came earlier, when the wall stood lower: only what is clear counts.
        let bound = scene.now.wall.0 + self.max_drift[scene.host] / 2;
        for (log, range) in entries {
            let stamp = stamp_of(scene.volume, &EntryId { log: *log, sequence: range.last });
            let certain = scene.now.tick.0 >= self.unsure[scene.host];
            let near = stamp.filter(|stamp| certain && stamp.millis() < bound);
            self.know(scene.host, near);
        }
    }
}

impl Invariant for StampsIncrease {
    fn name(&self) -> &'static str {
        "stamps_increase"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Written(StoreRequest::Commit { items, .. }) => {
                return items.iter().try_for_each(|item| increasing(scene.volume, item));
            }
            Fact::Asked(id, Command::Append { .. }) => {
                self.asked.insert(*id, self.known[scene.host]);
            }
            Fact::Answered(id, result) => {
                let Some(known) = self.asked.remove(id) else { return Ok(()) };
                let Ok(Reply::Appended(ids)) = result else { return Ok(()) };
                let first = ids.first().and_then(|id| stamp_of(scene.volume, id));
                if first.is_some_and(|first| first <= known) {
                    return Err(format!("{ids:?} is stamped {first:?}, not after {known:?} known before"));
                }
                self.know(scene.host, ids.last().and_then(|id| stamp_of(scene.volume, id)));
            }
            Fact::Told(event) => self.merged(scene, event),
            Fact::ClockJumped => self.unsure[scene.host] = scene.now.tick.0 + UNSURE,
            // A clock too far ahead of the wall is given up at the start, with all its epochs.
            Fact::Booted if self.ahead(scene) => self.known[scene.host] = Stamp::ZERO,
            Fact::RolledBack | Fact::Wiped => self.known[scene.host] = Stamp::ZERO,
            _ => {}
        }
        Ok(())
    }
}

fn stamp_of(volume: &Volume, id: &EntryId) -> Option<Stamp> {
    let stored = volume.logs.get(&id.log)?.run_at(id.sequence)?;
    Some(stored.run.entry(id.sequence)?.stamp)
}

/// Within the run the encoding sees to it; towards the entry before, nobody but us.
fn increasing(volume: &Volume, item: &CommitItem) -> Check {
    let CommitItem::Run { log, run, .. } = item else { return Ok(()) };
    let before = stamp_of(volume, &EntryId { log: log.id(), sequence: run.first() - 1 });
    if before.is_some_and(|before| before >= run.first_stamp()) {
        return Err(format!("{:?} follows {before:?} at {}", run.first_stamp(), run.first()));
    }
    Ok(())
}
