//! What applications do while the storm lasts.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use bytes::Bytes;
use gossip_proto::node::{Command, CommandError, CommandId, ImportFloor, ImportPart, Query, Reply};
use gossip_proto::{
    ChannelId, EntryId, LogHead, LogId, NodeId, Retention, Rng, Seq, SeqRange, Stamp, StoredRun, StreamId,
};

use super::calendar::Happening;
use super::plan::between;
use super::world::World;

/// Draws commands and collects what is asked for in the end.
#[derive(Debug)]
pub(super) struct Work {
    pub(super) rng: Rng,
    over: bool,
    /// Answers somebody waits for, as far as they have come.
    pub(super) awaited: BTreeMap<CommandId, Option<Answer>>,
}

/// An answer that somebody waits for.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) host: usize,
    pub(super) command: Command,
    pub(super) result: Result<Reply, CommandError>,
}

impl Work {
    pub(super) fn new(rng: Rng) -> Self {
        Self { rng, over: false, awaited: BTreeMap::new() }
    }

    /// Whether somebody has a copy of what was just lost at hand.
    pub(super) fn has_copy(&mut self) -> bool {
        !self.over && self.rng.chance(500)
    }

    pub(super) fn heard(
        &mut self,
        host: usize,
        id: CommandId,
        command: Command,
        result: Result<Reply, CommandError>,
    ) {
        if let Some(awaited) = self.awaited.get_mut(&id) {
            *awaited = Some(Answer { host, command, result });
        }
    }
}

impl World {
    pub(super) fn work_begins(&mut self) {
        self.calendar.plan(self.calendar.now() + self.plan.work_pause, Happening::Work);
    }

    pub(super) fn work_ends(&mut self) {
        self.work.over = true;
    }

    /// One more command, and the next one planned.
    pub(super) fn do_some_work(&mut self) {
        if self.work.over {
            return;
        }
        let pause = self.work.rng.jitter(self.plan.work_pause);
        self.calendar.plan(self.calendar.now() + pause, Happening::Work);
        let host = self.work.rng.below(self.hosts.len() as u64) as usize;
        let (channel, stream) = self.draw_place();
        let choice = self.work.rng.below(1000);
        let command = match choice {
            0..620 => self.draw_append(channel, stream),
            620..700 => Command::Query(self.draw_query(channel, stream)),
            700..725 => self.draw_erase(host, channel, stream),
            725..735 => Command::AskBack { channel, stream },
            735..745 => Command::SetRetention { channel, stream, retention: self.draw_retention() },
            745..760 => self.draw_repair(host),
            // Until branches are kept apart, a floor may hide where they part.
            980..990 => self.draw_import(host, &channel, &stream),
            760..800 if self.restore.is_none() => self.draw_prune(host, channel, stream),
            800..880 => Command::CreateStream { channel, stream, retention: Retention::KeepAll },
            880..890 => Command::RemoveStream { channel, stream },
            890..900 => Command::RemoveChannel { channel },
            900..930 if self.is_member(host, &channel) => {
                if !self.client.wants[host].contains(&channel) {
                    self.coverage.hit("channel rejoined");
                }
                Command::CreateChannel { channel, payload_limit: None }
            }
            930..960 => Command::AddMember { channel, member: self.draw_member() },
            960..980 => Command::RemoveMember { channel, member: self.draw_member() },
            _ => Command::Query(Query::Health),
        };
        if let Command::CreateStream { channel, stream, .. } = &command
            && self.client.refuses[host].contains(&(channel.clone(), stream.clone()))
        {
            self.coverage.hit("stream taken up again");
        }
        if !(self.is_silenced(host) && matches!(command, Command::Append { .. })) {
            self.ask(host, command);
        }
    }

    fn is_member(&self, host: usize, channel: &ChannelId) -> bool {
        self.plan.channels.iter().any(|c| c.id == *channel && c.members.contains(&host))
    }

    fn draw_place(&mut self) -> (ChannelId, StreamId) {
        let channel = &self.plan.channels[self.work.rng.below(self.plan.channels.len() as u64) as usize];
        let stream = &channel.streams[self.work.rng.below(channel.streams.len() as u64) as usize];
        (channel.id.clone(), stream.clone())
    }

    fn draw_member(&mut self) -> NodeId {
        let member = self.work.rng.below(self.hosts.len() as u64) as usize;
        self.id(member)
    }

    fn draw_query(&mut self, channel: ChannelId, stream: StreamId) -> Query {
        match self.work.rng.below(8) {
            0 => Query::Channels,
            1 => Query::Streams(channel),
            2 => Query::Members(channel),
            3 => Query::Peers,
            4 => Query::ChannelsForPeer(self.draw_member()),
            5 => Query::Health,
            6 => Query::Group,
            _ => Query::Version(channel, stream),
        }
    }

    fn draw_append(&mut self, channel: ChannelId, stream: StreamId) -> Command {
        let (typical, limit) = self.plan.payload;
        let rng = &mut self.work.rng;
        let (count, length) = match rng.below(100) {
            0..4 => (1, 0),
            4..6 => (0, 0),
            6..8 => (1, limit + 1),
            8..12 => (1, limit),
            12..20 => (between(rng, 2, 40), typical),
            20..22 => (between(rng, 2, 6), limit / 8),
            _ => (1, typical),
        };
        let payloads = (0..count).map(|_| self.draw_payload(length).into()).collect();
        Command::Append { channel, stream, payloads }
    }

    /// A payload no other is equal to, as far as its length allows.
    pub(super) fn draw_payload(&mut self, length: u64) -> Bytes {
        let number = self.client.next_number();
        let length = if length < 100 { length } else { length - self.work.rng.below(length / 10) % 50 };
        let mut bytes = vec![number as u8; length as usize];
        for (byte, digit) in bytes.iter_mut().zip(number.to_le_bytes()) {
            *byte = digit;
        }
        bytes.into()
    }

    /// Entries of the application's own, or now and then anybody's.
    fn draw_erase(&mut self, host: usize, channel: ChannelId, stream: StreamId) -> Command {
        let anybody = self.work.rng.chance(250);
        let volume = &self.hosts[host].disk.volume;
        let place = |head: &LogHead| head.name.channel == channel && head.name.stream == stream;
        let heads = volume.logs.iter().map(|(id, log)| (*id, &log.head));
        let own = |head: &LogHead| anybody || head.name.author == volume.record.id;
        let heads: Vec<_> = heads.filter(|(_, head)| head.height > 0 && place(head) && own(head)).collect();
        let mut entries = Vec::new();
        for _ in 0..between(&mut self.work.rng, 1, 4) {
            let Some((log, head)) = heads.get(self.work.rng.below(heads.len() as u64 + 1) as usize) else {
                continue;
            };
            let past = u64::from(self.work.rng.chance(20));
            let sequence = 1 + self.work.rng.below(head.height) + past * head.height;
            entries.push(EntryId { log: *log, sequence });
        }
        Command::Erase { channel, stream, entries }
    }

    /// Some runs that any host holds after what this one holds.
    fn draw_import(&mut self, host: usize, channel: &ChannelId, stream: &StreamId) -> Command {
        let from = self.work.rng.below(self.hosts.len() as u64) as usize;
        let volume = &self.hosts[from].disk.volume;
        let place = |head: &LogHead| head.name.channel == *channel && head.name.stream == *stream;
        let logs: Vec<_> = volume.logs.iter().filter(|(_, log)| place(&log.head)).collect();
        if logs.is_empty() {
            return Command::Query(Query::Health);
        }
        let (id, log) = logs[self.work.rng.below(logs.len() as u64) as usize];
        let height = self.hosts[host].disk.volume.logs.get(id).map_or(0, |log| log.head.height);
        let readable = |stored: &&StoredRun| volume.is_readable(*id, &[stored.run.range()]);
        let later = log.runs.iter().filter(|stored| stored.run.last() > height);
        let runs = later.take_while(readable).take(4).cloned().collect();
        let (sequence, hash, stamp) = (log.head.floor, log.head.floor_hash, Stamp::ZERO);
        let seal = log.head.seal_at(sequence);
        let floor = (sequence > 0).then(|| Box::new(ImportFloor { sequence, hash, stamp, seal }));
        Command::Import {
            channel: channel.clone(),
            part: ImportPart { log: log.head.name.clone(), floor, runs, fills: false },
        }
    }

    /// What any host holds of a hole is imported, from its upper end down.
    pub(super) fn bring_back(&mut self, host: usize, log: LogId, hole: SeqRange) {
        let Some(ours) = self.hosts[host].disk.volume.logs.get(&log) else { return };
        let (end, name) = (ours.hash_at(hole.last), ours.head.name.clone());
        let copies = self.hosts.iter().filter_map(|host| {
            let volume = &host.disk.volume;
            let theirs = volume.logs.get(&log).filter(|theirs| theirs.hash_at(hole.last) == end)?;
            let inside = theirs.runs.iter().filter(|stored| stored.run.range().overlap(&hole).is_some());
            let readable = |stored: &&StoredRun| volume.is_readable(log, &[stored.run.range()]);
            let mut runs: Vec<StoredRun> = inside.filter(readable).cloned().collect();
            runs.sort_by_key(|stored| Reverse(stored.run.first()));
            runs.first().is_some_and(|upper| upper.run.range().contains(hole.last)).then_some(runs)
        });
        if let Some(runs) = copies.max_by_key(Vec::len) {
            let channel = name.channel.clone();
            self.ask(
                host,
                Command::Import { channel, part: ImportPart { log: name, floor: None, runs, fills: true } },
            );
        }
    }

    fn draw_retention(&mut self) -> Retention {
        let rng = &mut self.work.rng;
        match rng.below(4) {
            0 => Retention::CountBased(rng.below(50)),
            1 => Retention::TimeBased(std::time::Duration::from_secs(rng.below(30))),
            _ => Retention::KeepAll,
        }
    }

    fn draw_repair(&mut self, host: usize) -> Command {
        let logs = &self.hosts[host].disk.volume.logs;
        let count = logs.len() as u64;
        let log = logs.iter().nth(self.work.rng.below(count.max(1)) as usize);
        let (log, height) = log.map_or((LogId([0; 16]), 1), |(id, log)| (*id, log.head.height));
        Command::Repair { log, at: self.work.rng.below(height + 2) }
    }

    fn draw_prune(&mut self, host: usize, channel: ChannelId, stream: StreamId) -> Command {
        let rng = &mut self.work.rng;
        let logs = &self.hosts[host].disk.volume.logs;
        let heads = logs.iter().map(|(id, log)| (*id, &log.head));
        let mut floors: Vec<(LogId, Seq)> = Vec::new();
        for (id, head) in heads.filter(|(_, h)| h.name.channel == channel && h.name.stream == stream) {
            if rng.chance(600) {
                floors.push((id, rng.below(head.height + 2)));
            }
        }
        Command::Prune { channel, stream, floors, under: None }
    }
}
