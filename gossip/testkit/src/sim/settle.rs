//! After the storm: repair, agree, accept something fresh, fall silent.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_proto::node::{Command, CommandError, Query, Reply};
use gossip_proto::{ChannelId, LogId, StreamId};

use super::client::{Place, settled};
use super::fact::{Ending, Group, Quiet, Statement};
use super::invariants::{converged, holes, reachability};
use super::restore;
use super::work::Answer;
use super::world::World;

/// Virtual time by which all must be equal after the last trouble or append.
const PATIENCE: Duration = Duration::from_secs(600);
/// How often equality is looked for.
const GLANCE: Duration = Duration::from_millis(500);
/// How long everybody is left alone to see whether they fall silent.
pub(super) const SILENCE: Duration = Duration::from_secs(120);

impl World {
    /// From the first boot to the last check.
    pub(super) fn run(&mut self) {
        self.storm_begins();
        self.work_begins();
        self.plan_restore();
        self.plan_twin();
        self.choosing_begins();
        self.run_until(self.calendar.now() + self.plan.storm_length);
        self.work_ends();
        self.twin_ends();
        self.storm_ends();
        self.run_until(self.calendar.now() + Duration::from_secs(1));
        self.wait_for_hosts();
        for host in 0..self.hosts.len() {
            let mut wishes = self.client.wishes(&self.plan, host);
            wishes.extend(self.choosing_ends());
            self.insist(wishes.into_iter().map(|wish| (host, wish)).collect());
        }
        // A disk may still have been hiding damage from its node when the storm ended.
        for _ in 0..3 {
            let damage = |host| self.scrub(host).into_iter().map(move |command| (host, command));
            let repairs: Vec<_> = (0..self.hosts.len()).flat_map(damage).collect();
            self.ask_all(repairs);
        }
        self.agree("after the storm");
        // It held nobody up; now it tells the truth, and what it told before must not keep anybody apart.
        self.liar = None;
        // What is on disk may be news to a node still.
        self.run_until(self.calendar.now() + Duration::from_secs(1));
        self.append_everywhere();
        self.agree("after fresh appends");
        let quiet = self.keep_quiet();
        self.end(quiet);
    }

    /// Who was shutting down when the storm ended starts again a little later.
    fn wait_for_hosts(&mut self) {
        for _ in 0..100 {
            if self.hosts.iter().all(|host| host.node.is_some()) {
                return;
            }
            self.run_until(self.calendar.now() + Duration::from_millis(100));
        }
    }

    /// Asks until every command is answered in a way that leaves things as wished.
    fn insist(&mut self, mut commands: Vec<(usize, Command)>) {
        for _ in 0..40 {
            let unsettled = |answer: &Answer| !settled(&answer.result);
            let answers = self.ask_all(std::mem::take(&mut commands));
            commands =
                answers.into_iter().filter(unsettled).map(|answer| (answer.host, answer.command)).collect();
            if commands.is_empty() || self.checks.violation.is_some() {
                return;
            }
        }
        self.checks.fail("answered_once", format!("refused again and again in fair weather: {commands:?}"));
    }

    /// Asks and waits for all answers.
    fn ask_all(&mut self, commands: Vec<(usize, Command)>) -> Vec<Answer> {
        for (host, command) in commands {
            self.ask_and_wait(host, command);
        }
        for _ in 0..300 {
            if self.work.awaited.values().all(Option::is_some) {
                break;
            }
            self.run_until(self.calendar.now() + Duration::from_millis(100));
        }
        let awaited = std::mem::take(&mut self.work.awaited);
        if let Some((id, _)) = awaited.iter().find(|(_, answer)| answer.is_none()) {
            let what = format!("no answer within 30 s of fair weather: {:?}", self.client.pending.get(id));
            self.checks.fail("answered_once", what);
        }
        awaited.into_values().flatten().collect()
    }

    /// Lets time pass until all who share a stream hold the same.
    fn agree(&mut self, when: &str) {
        let until = self.calendar.now() + PATIENCE;
        loop {
            let volumes: Vec<_> = self.hosts.iter().map(|host| &host.disk.volume).collect();
            let groups = self.groups();
            let missing = || holes::difference(&volumes, &groups, self.net.edges());
            let Some(difference) = converged::difference(&volumes, &groups).or_else(missing) else { return };
            if self.checks.violation.is_some() {
                return;
            }
            if self.calendar.now() >= until {
                // For whoever reads the trace.
                (0..self.hosts.len()).for_each(|host| self.ask(host, Command::Query(Query::Peers)));
                self.checks.fail("converged", format!("{when}: {difference}"));
                return;
            }
            self.look_for_the_stuck();
            self.run_until(self.calendar.now() + GLANCE);
        }
    }

    /// Every host appends to every stream it has.
    fn append_everywhere(&mut self) {
        let mut appends = Vec::new();
        for host in 0..self.hosts.len() {
            let forgotten = self.forgotten_by(host);
            let streams = self.hosts[host].disk.volume.open_streams();
            for (channel, stream) in streams.difference(&forgotten).cloned() {
                let payloads = vec![self.draw_payload(30).into()];
                appends.push((host, Command::Append { channel, stream, payloads }));
            }
        }
        for answer in self.ask_all(appends) {
            if let Err(error) = answer.result
                && !matches!(error, CommandError::Busy)
            {
                let what = format!("n{}: a fresh append was refused: {error}", answer.host);
                self.checks.fail("converged", what);
            }
        }
    }

    fn keep_quiet(&mut self) -> Quiet {
        self.run_until(self.calendar.now() + Duration::from_secs(40));
        let (frames, deadlines) = (self.net.frames, self.deadlines);
        self.run_until(self.calendar.now() + SILENCE);
        let beats = |host: usize| {
            let config = &self.hosts[host].plan.config;
            1 + SILENCE.as_millis() as u64 / config.keepalive.min(config.round_max).as_millis() as u64
        };
        let ends: Vec<_> = self.net.linked().flat_map(|edge| self.net.edges()[edge].ends).collect();
        let of_links: u64 = ends.iter().map(|host| 8 * beats(*host)).sum();
        let of_group = self.pulse();
        let (frames_allowed, deadlines_allowed) = (of_links + of_group, 2 * (of_links + of_group));
        Quiet {
            frames: self.net.frames - frames,
            frames_allowed,
            deadlines: self.deadlines - deadlines,
            deadlines_allowed,
        }
    }

    /// All statements are taken and the last checks made.
    fn end(&mut self, quiet: Quiet) {
        if self.checks.violation.is_some() {
            return;
        }
        let linked: Vec<_> = (0..self.hosts.len()).map(|host| self.neighbours(host)).collect();
        let companions: Vec<_> = (0..self.hosts.len()).map(|host| self.companions(host)).collect();
        let mut statements = Vec::new();
        // On a link that loses frames a doubt may come up at any time; it must not stay.
        for _ in 0..6 {
            statements = (0..self.hosts.len()).map(|host| self.statement(host)).collect();
            let is_linked = reachability::check(&statements, &linked, &self.groups()).is_ok();
            if is_linked && reachability::check_members(&statements, &companions).is_ok() {
                break;
            }
            self.run_until(self.calendar.now() + Duration::from_secs(15));
        }
        let groups = self.groups();
        let volumes = self.hosts.iter().map(|host| &host.disk.volume).collect();
        self.checks.end(&Ending { volumes, groups, statements, linked, companions, quiet });
    }

    fn neighbours(&self, host: usize) -> Vec<gossip_proto::NodeId> {
        let edges = self.net.edges().iter().filter(|edge| edge.ends.contains(&host));
        edges.map(|edge| self.id(edge.ends[0] + edge.ends[1] - host)).collect()
    }

    fn statement(&mut self, host: usize) -> Statement {
        let places = self.hosts[host].disk.volume.open_streams().into_iter();
        let query = |(channel, stream)| (host, Command::Query(Query::Version(channel, stream)));
        let mut queries: Vec<_> = places.map(query).collect();
        queries.extend([Query::Peers, Query::Group].map(|query| (host, Command::Query(query))));
        let mut statement = Statement { me: Some(self.id(host)), ..Statement::default() };
        for answer in self.ask_all(queries) {
            match (answer.command, answer.result) {
                (Command::Query(Query::Version(channel, stream)), Ok(Reply::Version(version))) => {
                    statement.versions.push((channel, stream, version));
                }
                (_, Ok(Reply::Peers(peers))) => statement.peers = peers,
                (_, Ok(Reply::Group(group))) => statement.group = group,
                (command, other) => {
                    self.checks.fail("answered_once", format!("n{host}: {command:?} answered {other:?}"));
                }
            }
        }
        statement
    }

    /// Logs of a stream that some of these hosts hold in another version than others.
    fn forked(&self, hosts: &[usize], place: &Place) -> BTreeSet<LogId> {
        let volumes: Vec<_> = hosts.iter().map(|host| &self.hosts[*host].disk.volume).collect();
        restore::forked(&volumes, &self.may_fork, place)
    }

    /// Who can exchange which stream: connected by edges whose both hosts take part in it.
    pub(super) fn groups(&self) -> Vec<Group> {
        let mut groups = Vec::new();
        for channel in &self.plan.channels {
            for stream in &channel.streams {
                groups.extend(self.groups_of(&channel.id, stream));
            }
        }
        groups
    }

    fn groups_of(&self, channel: &ChannelId, stream: &StreamId) -> Vec<Group> {
        let takes_part = |host: &usize| {
            let volume = &self.hosts[*host].disk.volume;
            let record = volume.streams.get(&(channel.clone(), stream.clone()));
            let lies = self.liar.as_ref().is_some_and(|(liar, _)| liar == host);
            let refused = record.is_some_and(|record| record.refused);
            volume.channels.contains_key(channel) && !refused && !lies
        };
        let mut left: Vec<usize> = (0..self.hosts.len()).filter(takes_part).collect();
        let mut groups = Vec::new();
        while let Some(first) = left.pop() {
            let mut hosts = vec![first];
            let mut next = 0;
            while let Some(&host) = hosts.get(next) {
                next += 1;
                let near = |other: &usize| {
                    self.net.edges().iter().any(|e| e.ends.contains(&host) && e.ends.contains(other))
                };
                let (joined, rest) = left.iter().partition(|other| near(other));
                hosts.extend::<Vec<usize>>(joined);
                left = rest;
            }
            hosts.sort_unstable();
            let forked = self.forked(&hosts, &(channel.clone(), stream.clone()));
            groups.push(Group { channel: channel.clone(), stream: stream.clone(), hosts, forked });
        }
        groups
    }
}
