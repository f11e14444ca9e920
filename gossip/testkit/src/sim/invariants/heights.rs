//! What a node shows never exceeds its disk, and heights and floors on disk never go down.

use std::collections::BTreeMap;

use gossip_proto::node::{Command, CommandId, Event, Query, Reply};
use gossip_proto::{LogId, Seq, StoreRequest, VersionVector};

use super::{Check, Invariant};
use crate::sim::disk::Volume;
use crate::sim::fact::{Ending, Fact, Scene};

/// Height and floor of each log.
type Levels = BTreeMap<LogId, (Seq, Seq)>;

#[derive(Debug)]
pub(super) struct Heights {
    hosts: Vec<Levels>,
    /// Open questions for heights.
    asked: BTreeMap<CommandId, ()>,
}

impl Heights {
    pub(super) fn new(hosts: usize) -> Self {
        Self { hosts: vec![Levels::new(); hosts], asked: BTreeMap::new() }
    }
}

impl Invariant for Heights {
    fn name(&self) -> &'static str {
        "heights"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Written(StoreRequest::Commit { .. } | StoreRequest::Prune { .. }) => {
                let now = heights_of(scene.volume);
                never_down(&self.hosts[scene.host], &now)?;
                self.hosts[scene.host] = now;
            }
            Fact::Written(_) | Fact::RolledBack | Fact::Wiped => {
                self.hosts[scene.host] = heights_of(scene.volume);
            }
            Fact::Asked(id, Command::Query(Query::Version(..))) => {
                self.asked.insert(*id, ());
            }
            Fact::Answered(id, Ok(Reply::Version(version))) if self.asked.remove(id).is_some() => {
                return within(scene.volume, version);
            }
            Fact::Told(Event::EntriesMerged { version, .. }) => return within(scene.volume, version),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        for (host, statement) in ending.statements.iter().enumerate() {
            for (channel, stream, version) in &statement.versions {
                let logs = ending.volumes[host]
                    .logs
                    .iter()
                    .filter(|(_, log)| log.head.name.channel == *channel && log.head.name.stream == *stream);
                let disk: VersionVector = logs.map(|(id, log)| (*id, log.head.height)).collect();
                if disk != *version {
                    return Err(format!(
                        "n{host} shows {version:?} of {channel}/{stream}, disk has {disk:?}"
                    ));
                }
            }
        }
        Ok(())
    }
}

fn heights_of(volume: &Volume) -> Levels {
    volume.logs.iter().map(|(id, log)| (*id, (log.head.height, log.head.floor))).collect()
}

fn never_down(before: &Levels, after: &Levels) -> Check {
    for (log, (height, floor)) in before {
        let (now, floor_now) = after.get(log).copied().unwrap_or((0, 0));
        if now < *height || floor_now < *floor {
            return Err(format!("{log:?} went from {floor}..{height} down to {floor_now}..{now}"));
        }
    }
    Ok(())
}

/// A log that was removed from disk meanwhile does not count.
fn within(volume: &Volume, version: &VersionVector) -> Check {
    for (log, height) in version.iter() {
        let disk = volume.logs.get(&log).map(|log| log.head.height);
        if disk.is_some_and(|disk| height > disk) {
            return Err(format!("{log:?} is shown at {height}, on disk at {disk:?}"));
        }
    }
    Ok(())
}
