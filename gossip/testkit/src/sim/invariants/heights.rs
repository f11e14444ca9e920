//! What a node shows never exceeds its disk, heights on disk never go down, and floors only where the
//! application wants history back that it has not pruned since.

use std::collections::BTreeMap;

use gossip_proto::node::{Command, CommandId, Event, Query, Reply};
use gossip_proto::{ChannelId, LogId, Seq, StoreRequest, StreamId, VersionVector};

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
    /// When more history was wanted, and when logs were to be pruned, counted in commands.
    commands: u64,
    asked_back: BTreeMap<(usize, ChannelId, StreamId), u64>,
    prunes: BTreeMap<(usize, LogId), u64>,
    /// Prunes that the disk has done.
    pruned: BTreeMap<(usize, LogId), u64>,
}

impl Heights {
    pub(super) fn new(hosts: usize) -> Self {
        Self {
            hosts: vec![Levels::new(); hosts],
            asked: BTreeMap::new(),
            commands: 0,
            asked_back: BTreeMap::new(),
            prunes: BTreeMap::new(),
            pruned: BTreeMap::new(),
        }
    }

    fn asked(&mut self, host: usize, command: &Command) {
        self.commands += 1;
        match command {
            Command::AskBack { channel, stream } => {
                self.asked_back.insert((host, channel.clone(), stream.clone()), self.commands);
            }
            Command::Prune { floors, .. } => {
                for (log, _) in floors {
                    self.prunes.insert((host, *log), self.commands);
                }
            }
            _ => {}
        }
    }

    /// Floors go down where more history was wanted after the last prune that is done.
    fn never_down(&self, host: usize, volume: &Volume, after: &Levels) -> Check {
        for (log, (height, floor)) in &self.hosts[host] {
            let (now, floor_now) = after.get(log).copied().unwrap_or((0, 0));
            let wanted = volume.logs.get(log).is_some_and(|held| {
                let place = (host, held.head.name.channel.clone(), held.head.name.stream.clone());
                self.asked_back.get(&place).is_some_and(|at| Some(at) > self.pruned.get(&(host, *log)))
            });
            if now < *height || floor_now < *floor && !wanted {
                return Err(format!("{log:?} went from {floor}..{height} down to {floor_now}..{now}"));
            }
        }
        Ok(())
    }
}

impl Invariant for Heights {
    fn name(&self) -> &'static str {
        "heights"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Written(request @ (StoreRequest::Commit { .. } | StoreRequest::Prune { .. })) => {
                if let StoreRequest::Prune { floors } = request {
                    for key in floors.iter().map(|(log, _)| (scene.host, *log)) {
                        let asked = self.prunes.get(&key).copied().unwrap_or(0);
                        self.pruned.insert(key, asked);
                    }
                }
                let now = heights_of(scene.volume);
                self.never_down(scene.host, scene.volume, &now)?;
                self.hosts[scene.host] = now;
            }
            Fact::Written(_) | Fact::RolledBack | Fact::Wiped => {
                self.hosts[scene.host] = heights_of(scene.volume);
            }
            Fact::Asked(id, Command::Query(Query::Version(..))) => {
                self.asked.insert(*id, ());
            }
            Fact::Asked(_, command) => self.asked(scene.host, command),
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
