//! A restored backup: a host comes back on an old copy of its volume, closed cleanly as far as
//! anybody can tell, so that it does not know how much it forgot.
//!
//! If it writes before it meets anyone, its log is a true fork: nobody can prevent it, all must
//! notice and go on. If it meets others first, no fork may arise. Some do so twice, the second time on a copy that
//! was made between the first one and what it lacks: then a branch may fork as well, and where runs were joined no
//! seal is left between the two places.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gossip_proto::node::Command;
use gossip_proto::{LogId, LogName, Rng, Seq};

use super::calendar::Happening;
use super::client::Place;
use super::disk::{Log, Volume};
use super::fact::Fact;
use super::plan::{Plan, between, rng_for};
use super::world::World;

/// Seeds in 1,000 with a restored backup.
const SHARE: u64 = 60;
/// Of these, how many in 1,000 meet others before they write.
const QUIET: u64 = 300;

/// Of those that write, how many in 1,000 are restored once more, and in how many all join runs.
const TWICE: u64 = 500;
const JOINS: u64 = 500;

/// What keeps the links of the restored host down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hold {
    /// It has not started yet.
    Start,
    /// It writes.
    Writes,
    Nothing,
}

/// The trouble of one host.
#[derive(Debug)]
pub(super) struct Restore {
    rng: Rng,
    host: usize,
    /// How often it writes before it meets anyone.
    writes: u64,
    /// The oldest first.
    backups: Vec<Volume>,
    is_twice: bool,
    joins: bool,
    restored: bool,
    hold: Hold,
    /// Logs that it would have continued though others held more, and where it stood.
    forgotten: BTreeMap<LogId, (Place, Seq)>,
}

impl Restore {
    /// For some seeds; a host with few links is the likeliest to be alone with its old memory.
    pub(super) fn draw(plan: &Plan) -> Option<Self> {
        let mut rng = rng_for(plan.seed, 5);
        let links = |host: &usize| plan.edges.iter().filter(|edge| edge.ends.contains(host)).count();
        let host = (0..plan.hosts.len()).min_by_key(links).filter(|_| rng.chance(SHARE))?;
        let writes = if rng.chance(QUIET) { 0 } else { between(&mut rng, 1, 3) };
        let (is_twice, joins) = (rng.chance(TWICE) && writes > 0, rng.chance(JOINS));
        let (backups, forgotten, hold) = (Vec::new(), BTreeMap::new(), Hold::Nothing);
        Some(Self { rng, host, writes, backups, is_twice, joins, restored: false, hold, forgotten })
    }

    /// Whether the application of a host must not write: it would fork what it has not got back.
    fn silences(&self, host: usize) -> bool {
        self.restored && self.writes == 0 && self.host == host
    }
}

impl World {
    pub(super) fn plan_restore(&mut self) {
        let length = self.plan.storm_length;
        let Some(restore) = &mut self.restore else { return };
        let mut part = |low, high| length * between(&mut restore.rng, low, high) as u32 / 100;
        let (backup, after) = (part(20, 50), part(10, 40));
        let now = self.calendar.now();
        self.calendar.plan(now + backup, Happening::Backup);
        self.calendar.plan(now + backup + after, Happening::Restore);
        if restore.is_twice {
            self.calendar.plan(now + backup + after / 2, Happening::Backup);
            self.calendar.plan(now + backup + after * 5 / 4, Happening::Restore);
        }
    }

    pub(super) fn back_up(&mut self) {
        if let Some(restore) = &mut self.restore {
            restore.backups.push(self.hosts[restore.host].disk.volume.clone());
        }
    }

    /// The host crashes and its backup takes the place of its volume; later, if it is down or
    /// nobody else holds what the backup lacks.
    pub(super) fn restore_backup(&mut self) {
        let Some(restore) = &mut self.restore else { return };
        let (host, writes) = (restore.host, restore.writes);
        if restore.backups.is_empty() {
            return;
        }
        let (backup, is_held) = (restore.backups.remove(0), restore.hold != Hold::Nothing);
        let missing = self.missing_in(&backup, host);
        if is_held || self.hosts[host].node.is_none() || missing.is_empty() {
            if let Some(restore) = &mut self.restore {
                restore.backups.insert(0, backup);
            }
            let later = self.calendar.now() + Duration::from_millis(300);
            return self.calendar.plan(later, Happening::Restore);
        }
        self.crash(host, false);
        if self.hosts[host].node.is_some() {
            return;
        }
        self.trace.note(self.calendar.now(), (host, "restore"), || format!("n{host} is restored"));
        self.coverage.hit("backup restored");
        let own = backup.logs.iter().filter(|(_, log)| log.head.name.author == backup.record.id);
        // What nobody else holds is lost without a trace, and may be written anew whatever happens.
        let may_fork: BTreeSet<LogId> =
            own.map(|(id, _)| *id).filter(|id| writes > 0 || !missing.contains_key(id)).collect();
        let height = |id: &LogId| backup.logs.get(id).map_or(0, |log| log.head.height);
        let forgotten = missing.into_iter().map(|(id, place)| (id, (place, height(&id)))).collect();
        self.hosts[host].disk.restore(backup);
        self.show(host, Fact::RolledBack);
        self.show(host, Fact::Restored(&may_fork));
        if let Some(restore) = &mut self.restore {
            (restore.restored, restore.hold) = (true, Hold::Start);
            restore.forgotten = forgotten;
        }
        self.may_fork.extend(may_fork);
        self.join_runs();
    }

    /// Of the logs that may fork all join runs, in some seeds.
    fn join_runs(&mut self) {
        if !self.restore.as_ref().is_some_and(|restore| restore.joins) {
            return;
        }
        for host in &mut self.hosts {
            let logs = host.disk.volume.logs.iter_mut();
            logs.filter(|(id, _)| self.may_fork.contains(*id)).for_each(|(_, log)| log.join());
        }
    }

    /// Logs of its own that a volume would continue though others hold more, and their streams.
    fn missing_in(&self, volume: &Volume, host: usize) -> BTreeMap<LogId, Place> {
        let others = || self.hosts.iter().enumerate().filter(move |(other, _)| *other != host);
        let current = volume.logs.iter().filter(|(_, log)| {
            let name = &log.head.name;
            let record = volume.streams.get(&(name.channel.clone(), name.stream.clone()));
            let claimed = record.is_some_and(|record| !record.refused && record.writer == Some(name.epoch));
            claimed && name.author == volume.record.id && volume.channels.contains_key(&name.channel)
        });
        let short = current.filter(|(id, log)| {
            let height = |volume: &Volume| volume.logs.get(id).map_or(0, |log| log.head.height);
            others().any(|(_, other)| height(&other.disk.volume) > log.head.height)
        });
        let place = |log: &Log| (log.head.name.channel.clone(), log.head.name.stream.clone());
        short.map(|(id, log)| (*id, place(log))).collect()
    }

    /// Whether a host that just started stays without links for now. The restored one writes then.
    pub(super) fn holds_links(&mut self, host: usize) -> bool {
        let Some(restore) = self.restore.as_mut().filter(|restore| restore.host == host) else {
            return false;
        };
        let first = std::mem::replace(&mut restore.hold, Hold::Nothing) == Hold::Start;
        if !first || restore.writes == 0 {
            return false;
        }
        restore.hold = Hold::Writes;
        let after = Duration::from_millis(between(&mut restore.rng, 200, 500));
        let writes = restore.writes;
        let missing = self.missing_in(&self.hosts[host].disk.volume, host);
        let places: Vec<Place> = missing.into_values().collect();
        for (channel, stream) in places.into_iter().cycle().take(writes as usize) {
            let payloads = vec![self.draw_payload(30).into()];
            self.ask(host, Command::Append { channel, stream, payloads });
        }
        let boot = self.hosts[host].boot;
        self.calendar.plan(self.calendar.now() + after, Happening::Rejoin { host, boot });
        true
    }

    /// The restored host has written and may be linked.
    pub(super) fn rejoin(&mut self, host: usize) {
        let Some(restore) = self.restore.as_mut().filter(|restore| restore.hold == Hold::Writes) else {
            return;
        };
        restore.hold = Hold::Nothing;
        self.join_runs();
        self.open_ports(host);
    }

    pub(super) fn is_silenced(&self, host: usize) -> bool {
        self.restore.as_ref().is_some_and(|restore| restore.silences(host))
    }

    /// Where a host that is to fork nothing has to stay silent to the end: it met nobody with what it
    /// forgot, because those who had it have no link to it or gave the channel up.
    pub(super) fn forgotten_by(&self, host: usize) -> BTreeSet<Place> {
        let restore = self.restore.as_ref().filter(|restore| restore.silences(host));
        let logs = &self.hosts[host].disk.volume.logs;
        let forgotten = restore.into_iter().flat_map(|restore| &restore.forgotten);
        let forgotten =
            forgotten.filter(|(id, (_, height))| logs.get(*id).is_some_and(|log| log.head.height == *height));
        forgotten.map(|(_, (place, _))| place.clone()).collect()
    }
}

/// Logs of a stream that stay apart: some of these volumes hold them in another version than others, or
/// cannot be shown that theirs goes on.
pub(super) fn forked(volumes: &[&Volume], may_fork: &BTreeSet<LogId>, place: &Place) -> BTreeSet<LogId> {
    let of = |name: &LogName| (&name.channel, &name.stream) == (&place.0, &place.1);
    let there = |id: &&LogId| {
        let mut logs = volumes.iter().filter_map(|volume| volume.logs.get(*id));
        logs.any(|log| of(&log.head.name))
    };
    let apart = |id: &&LogId| differ(volumes, id) || is_unproven(volumes, id);
    may_fork.iter().filter(there).filter(apart).copied().collect()
}

/// Whether some have pruned the beginning of a sealed branch: nobody can show a newcomer any more what it left, nor
/// that the end of that log, where no seal follows, is its author's.
fn is_unproven(volumes: &[&Volume], id: &LogId) -> bool {
    let family = || {
        let logs = volumes.iter().flat_map(|volume| volume.logs.values());
        logs.filter(|log| log.head.name.author.is_key() && log.head.name.first_log() == *id)
    };
    let first = family().filter_map(|log| log.head.turn).map(|turn| turn.at).min();
    let is_cut = |log: &Log| log.head.name.branch.is_some() && first.is_some_and(|at| log.head.floor >= at);
    family().any(is_cut)
}

/// Whether two volumes hold different hashes at the lower one's height, or may, or one has pruned the place where
/// the other one ended it.
fn differ(volumes: &[&Volume], id: &LogId) -> bool {
    let logs: Vec<_> = volumes.iter().filter_map(|volume| volume.logs.get(id)).collect();
    logs.iter().any(|low| {
        let at = low.head.height;
        let other = |high: &&Log| {
            let there = if at == high.head.floor { Some(high.head.floor_hash) } else { high.hash_at(at) };
            let is_other =
                at > 0 && high.head.height >= at && at >= high.head.floor && there != Some(low.head.hash);
            is_other || low.head.turn.is_some_and(|turn| high.head.floor >= turn.at)
        };
        logs.iter().copied().any(|high| other(&high))
    })
}
