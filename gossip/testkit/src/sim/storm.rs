//! What goes wrong while the storm lasts, and how each trouble ends.

use std::time::Duration;

use gossip_proto::node::Command;
use gossip_proto::{LogId, Rng, SeqRange, StoreRequest};

use super::calendar::Happening;
use super::disk::Volume;
use super::fact::Fact;
use super::plan::{Severity, between};
use super::world::World;

/// The end of a trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Relief {
    /// A partition ends.
    Unite(u64),
    /// A disk has fewer faults again.
    Disk(usize),
    /// A disk has space again.
    Space(usize),
    /// A paused node resumes.
    Resume(usize),
    /// A stopped node starts.
    Start(usize),
    /// The application of a host looks for damage.
    Scrub(usize),
    /// The storm's own weather is back.
    Weather,
}

/// Draws troubles.
#[derive(Debug)]
pub(super) struct Storm {
    rng: Rng,
    /// No more troubles.
    over: bool,
}

impl Storm {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, over: false }
    }

    /// A duration around `millis`.
    fn around(&mut self, millis: u64) -> Duration {
        self.rng.jitter(Duration::from_millis(millis))
    }
}

/// Mean length of one trouble in milliseconds.
const SPELL: u64 = 2_000;

impl World {
    /// Troubles begin.
    pub(super) fn storm_begins(&mut self) {
        let faults = match self.plan.severity {
            Severity::Calm => 2,
            Severity::Rough => 10,
            Severity::Harsh => 30,
        };
        for host in &mut self.hosts {
            host.disk.faults = faults;
        }
        self.calendar.plan(self.calendar.now() + self.plan.trouble_pause, Happening::Trouble);
    }

    /// One more trouble, and the next one planned.
    pub(super) fn make_trouble(&mut self) {
        if self.storm.over {
            return;
        }
        let host = self.storm.rng.below(self.hosts.len() as u64) as usize;
        match self.storm.rng.below(100) {
            0..22 => self.net.flap(&mut self.calendar),
            22..38 => {
                let wall = self.net.partition(&mut self.calendar, self.hosts.len());
                self.relief_after(2 * SPELL, Relief::Unite(wall));
            }
            38..54 => {
                let power = self.storm.rng.chance(400);
                // Half of the crashes wait for a write to be in flight.
                match self.storm.rng.chance(500) {
                    true => self.hosts[host].doomed = Some(power),
                    false => self.crash(host, power),
                }
            }
            54..56 => self.wipe(host),
            56..68 => {
                self.hosts[host].disk.faults = between(&mut self.storm.rng, 100, 600);
                self.relief_after(SPELL, Relief::Disk(host));
            }
            68..72 => {
                self.hosts[host].disk.full = true;
                self.relief_after(SPELL / 2, Relief::Space(host));
            }
            72..80 => self.jump(host),
            80..86 => {
                self.ask(host, Command::Pause);
                self.relief_after(SPELL, Relief::Resume(host));
            }
            86..90 => {
                self.ask(host, Command::Stop);
                self.relief_after(SPELL, Relief::Start(host));
            }
            90..93 => {
                self.ask(host, Command::Shutdown);
            }
            93..97 => self.rot(host),
            _ => {
                self.net.weather.loss /= 4;
                self.net.weather.duplicate /= 4;
                self.relief_after(SPELL, Relief::Weather);
            }
        }
        let pause = self.storm.rng.jitter(self.plan.trouble_pause);
        self.calendar.plan(self.calendar.now() + pause, Happening::Trouble);
    }

    fn relief_after(&mut self, millis: u64, relief: Relief) {
        let after = self.storm.around(millis);
        self.calendar.plan(self.calendar.now() + after, Happening::Relief(relief));
    }

    pub(super) fn relieve(&mut self, relief: Relief) {
        match relief {
            Relief::Unite(wall) => self.net.unite(wall),
            Relief::Disk(host) => self.hosts[host].disk.faults = if self.storm.over { 0 } else { 10 },
            Relief::Space(host) => self.hosts[host].disk.full = false,
            Relief::Resume(host) => {
                self.ask(host, Command::Resume);
            }
            Relief::Start(host) => {
                self.ask(host, Command::Start);
            }
            Relief::Scrub(host) => self.scrub(host).into_iter().for_each(|command| self.ask(host, command)),
            Relief::Weather if !self.storm.over => self.net.weather = self.plan.storm,
            Relief::Weather => {}
        }
    }

    /// A run on a disk cannot be read any more; another host holds all of it, or nobody any of it: a
    /// hole is asked for at its upper end only, so that of a part the end might be missing for ever.
    fn rot(&mut self, host: usize) {
        // Until branches are kept apart, a gap may hide where they part.
        if self.restore.is_some() {
            return;
        }
        let volume = &self.hosts[host].disk.volume;
        let runs: Vec<_> = volume.logs.values().flat_map(|log| &log.runs).collect();
        let runs = runs.into_iter().map(|stored| (stored.run.log(), stored.run.range()));
        let others = || self.hosts.iter().enumerate().filter(|(other, _)| *other != host);
        let held = |volume: &Volume, log: &LogId, seq| {
            volume.logs.get(log).and_then(|held| held.run_at(seq)).is_some()
        };
        let elsewhere = |(log, range): &(LogId, SeqRange)| {
            let mut volumes = others().map(|(_, other)| &other.disk.volume);
            volumes.any(|volume| {
                volume.is_readable(*log, &[*range])
                    && (range.first..=range.last).all(|seq| held(volume, log, seq))
            })
        };
        let nowhere = |(log, range): &(LogId, SeqRange)| {
            let mut volumes = others().map(|(_, other)| &other.disk.volume);
            volumes.all(|volume| !(range.first..=range.last).any(|seq| held(volume, log, seq)))
        };
        let (lost, kept): (Vec<_>, Vec<_>) = runs.partition(nowhere);
        // Few runs are held by one host only: they have to be meant to be hit.
        let lost = Some(lost).filter(|lost| !lost.is_empty() && self.storm.rng.chance(300));
        let is_lost = lost.is_some();
        let runs = lost.unwrap_or_else(|| kept.into_iter().filter(elsewhere).collect());
        if runs.is_empty() {
            return;
        }
        let (log, range) = runs[self.storm.rng.below(runs.len() as u64) as usize];
        let volume = &mut self.hosts[host].disk.volume;
        volume.rotten.insert((log, range.first));
        volume.decayed.push((log, range));
        self.coverage.hit("bit rot");
        if is_lost {
            self.coverage.hit("bit rot of the only copy");
        }
        if self.storm.rng.chance(500) {
            self.relief_after(SPELL, Relief::Scrub(host));
        }
    }

    /// What an application asks for that looked at everything its host holds.
    pub(super) fn scrub(&self, host: usize) -> Vec<Command> {
        let rotten = self.hosts[host].disk.volume.rotten.iter();
        rotten.map(|(log, at)| Command::Repair { log: *log, at: *at }).collect()
    }

    pub(super) fn crash(&mut self, host: usize, power: bool) {
        if self.hosts[host].node.is_none() || self.storm.over {
            return;
        }
        let now = self.calendar.now();
        self.trace.note(now, (host, "crash", power), || format!("n{host} crashes (power: {power})"));
        self.coverage.hit("crash");
        let ghost = self.hosts[host].disk.crash(power);
        if let Some(ghost) = &ghost {
            self.coverage.hit("crash with a write in flight");
            self.coverage.hit(if ghost.happened { "torn write, done" } else { "torn write, lost" });
            let kept = ghost.happened && !(power && self.hosts[host].disk.is_lazy());
            self.show_ghost(host, kept.then_some(&ghost.request));
        }
        self.hosts[host].halt();
        let notice = self.storm.around(SPELL);
        self.unplug(host, notice);
        self.show(host, Fact::Crashed);
        if power {
            self.coverage.hit("power cut");
            self.show(host, Fact::RolledBack);
        }
        self.client.forget(host);
        let after = self.storm.around(SPELL / 2);
        self.calendar.plan(now + after, Happening::Boot { host });
    }

    fn show_ghost(&mut self, host: usize, request: Option<&StoreRequest>) {
        if let Some(request) = request {
            self.show(host, Fact::Written(request));
        }
    }

    fn wipe(&mut self, host: usize) {
        if self.hosts[host].node.is_some() {
            self.crash(host, true);
            self.hosts[host].disk.wipe();
            self.coverage.hit("disk wiped");
            self.show(host, Fact::Wiped);
        }
    }

    fn jump(&mut self, host: usize) {
        let far = if self.storm.rng.chance(500) { 7_200_000 } else { 5_000 };
        let millis = between(&mut self.storm.rng, 0, 2 * far) as i64 - far as i64;
        self.coverage.hit(if millis < 0 { "clock jumped back" } else { "clock jumped forward" });
        self.hosts[host].jump(millis);
        self.show(host, Fact::ClockJumped);
    }

    /// Everything is repaired; what was planned to go wrong does not.
    pub(super) fn storm_ends(&mut self) {
        self.storm.over = true;
        self.net.heal(self.plan.after);
        for host in 0..self.hosts.len() {
            self.hosts[host].disk.faults = 0;
            self.hosts[host].disk.full = false;
            self.calendar.plan(self.calendar.now(), Happening::Boot { host });
        }
    }
}
