//! What each happening does to the world.

use std::time::Duration;

use gossip_proto::node::{Command, CommandError, CommandId, Event, Input, Reply};
use gossip_proto::{CommitItem, Fault, StoreFailure, StoreReply, StoreRequest};

use super::calendar::Happening;
use super::disk::Finished;
use super::fact::Fact;
use super::wiretap;
use super::world::World;

impl World {
    pub(super) fn happen(&mut self, happening: Happening) {
        let current = |world: &Self, host: usize, boot: u64| {
            world.hosts[host].boot == boot && world.hosts[host].node.is_some()
        };
        match happening {
            Happening::Arrive { conn, side, bytes } => {
                if let Some((host, link)) = self.net.end(conn, side) {
                    if let Some(request) = wiretap::request(&bytes) {
                        self.show(host, Fact::Heard(link, &request));
                    }
                    self.feed(host, Input::Frame { link, bytes });
                }
            }
            Happening::Lie { host, link, frame, class } => self.tell_lie(host, link, frame, class),
            Happening::Pump(pipe) => self.net.pump(&mut self.calendar, pipe),
            Happening::Dial { edge } => {
                let ends = self.net.edges()[edge].ends;
                let ready = ends.iter().all(|host| self.hosts[*host].running);
                if let Some(ports) = self.net.dial(&mut self.calendar, edge, ready) {
                    self.link_up(ports);
                }
            }
            Happening::Notice { conn, side } => {
                if let Some((host, link)) = self.net.notice(conn, side) {
                    self.feed(host, Input::LinkDown { link });
                }
            }
            Happening::Congested { conn, side, congested } => {
                if let Some((host, link)) = self.net.end(conn, side) {
                    self.feed(host, Input::LinkCongested { link, congested });
                }
            }
            Happening::Written { host, boot } if current(self, host, boot) => self.written(host),
            Happening::Stored { host, boot, op, result } if current(self, host, boot) => {
                self.outstanding[host].remove(&op);
                self.feed(host, Input::Stored { op, result });
            }
            Happening::Closed { host, boot, link } if current(self, host, boot) => {
                self.feed(host, Input::LinkDown { link });
            }
            Happening::Due { host, boot, at } if current(self, host, boot) => self.due(host, at),
            Happening::Crash { host, boot, power } if current(self, host, boot) => self.crash(host, power),
            Happening::Boot { host } => self.boot(host),
            Happening::Work => self.do_some_work(),
            Happening::BringBack { host, log, hole } => self.bring_back(host, log, hole),
            Happening::Choose => self.choose(),
            Happening::Trouble => self.make_trouble(),
            Happening::Backup => self.back_up(),
            Happening::Restore => self.restore_backup(),
            Happening::Twin => self.twin_begins(),
            Happening::TwinEnds => self.twin_ends(),
            Happening::Rejoin { host, boot } if current(self, host, boot) => self.rejoin(host),
            Happening::Relief(relief) => self.relieve(relief),
            _meant_for_an_earlier_life => {}
        }
    }

    /// The writer lane finished: the disk changed or not, the next write begins, the reply
    /// travels back.
    fn written(&mut self, host: usize) {
        let Some(Finished { op, request, happened, result }) = self.hosts[host].disk.finish() else { return };
        self.cover_write(&request, happened, &result);
        if happened {
            self.show(host, Fact::Written(&request));
        }
        let now = self.calendar.now();
        let boot = self.hosts[host].boot;
        if let Some(at) = self.hosts[host].disk.begin(now) {
            self.calendar.plan(at, Happening::Written { host, boot });
        }
        self.write_appended(host);
        // Replies of one lane come in order.
        let back = (now + Duration::from_micros(self.work.rng.below(300))).max(self.hosts[host].answered);
        self.hosts[host].answered = back;
        self.calendar.plan(back, Happening::Stored { host, boot, op, result });
    }

    fn boot(&mut self, host: usize) {
        if self.hosts[host].node.is_some() {
            return;
        }
        let now = self.calendar.now();
        self.trace.note(now, (host, "boot"), || format!("n{host} boots"));
        self.outstanding[host].clear();
        if self.hosts[host].start(now) {
            self.coverage.hit("hints spoilt");
        }
        self.show(host, Fact::Booted);
        self.feed(host, Input::Deadline);
        self.ask(host, Command::Start);
        for channel in self.client.wants[host].clone() {
            let payload_limit = self.hosts[host].plan.modest;
            self.ask(host, Command::CreateChannel { channel, payload_limit });
        }
    }

    /// What the application does with an answer.
    pub(super) fn answered(&mut self, host: usize, id: CommandId, result: Result<Reply, CommandError>) {
        let Some((_, command)) = self.client.pending.remove(&id) else { return };
        match (&command, &result) {
            (Command::Start, Ok(_)) if !self.holds_links(host) => self.open_ports(host),
            (Command::Stop, Ok(_)) => self.stopped(host),
            (Command::Shutdown, Ok(_)) => self.shut_down(host, true),
            (Command::Repair { log, .. }, Ok(Reply::Repaired(Some(hole)))) if self.work.has_copy() => {
                self.calendar
                    .plan(self.calendar.now(), Happening::BringBack { host, log: *log, hole: *hole });
            }
            // It could not end an epoch: its disk must not pass for closed.
            (Command::Shutdown, Err(CommandError::Store(_))) => self.shut_down(host, false),
            _ => {}
        }
        self.cover_answer(&command, &result);
        self.work.heard(host, id, command, result);
    }

    pub(super) fn open_ports(&mut self, host: usize) {
        self.hosts[host].running = true;
        self.net.dial_all(&mut self.calendar, host);
    }

    fn stopped(&mut self, host: usize) {
        self.coverage.hit("stop");
        let boot = self.hosts[host].boot;
        for link in self.unplug(host, Duration::from_millis(200)) {
            self.calendar.plan(self.calendar.now(), Happening::Closed { host, boot, link });
        }
    }

    fn shut_down(&mut self, host: usize, well: bool) {
        self.coverage.hit("shutdown");
        if self.hosts[host].disk.writes() > 0 {
            self.checks.fail("acknowledged_kept", format!("n{host}: shut down with writes in flight"));
        }
        self.unplug(host, Duration::from_millis(200));
        self.hosts[host].halt();
        self.hosts[host].disk.open = !well;
        self.show(host, Fact::Crashed);
        self.client.forget(host);
        let after = Duration::from_millis(self.work.rng.below(2_000));
        self.calendar.plan(self.calendar.now() + after, Happening::Boot { host });
    }

    fn cover_write(
        &mut self,
        request: &StoreRequest,
        happened: bool,
        result: &Result<StoreReply, StoreFailure>,
    ) {
        match result.as_ref().map_err(|failure| failure.fault) {
            Err(Fault::Full) => self.coverage.hit("disk full"),
            Err(Fault::Unknown) if happened => self.coverage.hit("commit unknown, done"),
            Err(Fault::Unknown) => self.coverage.hit("commit unknown, not done"),
            Err(_) => self.coverage.hit("commit failed"),
            Ok(_) => {}
        }
        match request {
            StoreRequest::Commit { items, .. } => {
                if items.iter().any(|item| matches!(item, CommitItem::Adopt { .. })) {
                    self.coverage.hit("floor adopted");
                }
                if items.iter().any(|item| matches!(item, CommitItem::Adopt { seal: Some(_), .. })) {
                    self.coverage.hit("floor vouched by seal");
                }
                if items.iter().any(is_hollow) {
                    self.coverage.hit("hollow entry stored");
                }
                if items.iter().any(|item| item.log() != items[0].log()) {
                    self.coverage.hit("commit of several logs");
                }
            }
            StoreRequest::Isolate { .. } if matches!(result, Ok(StoreReply::Isolated(Some(_)))) => {
                self.coverage.hit("damage isolated");
            }
            StoreRequest::Erase { .. } if matches!(result, Ok(StoreReply::Erased(1..))) => {
                self.coverage.hit("payloads erased");
            }
            StoreRequest::Turn { .. } if happened => self.coverage.hit("log ended by a fork"),
            StoreRequest::Prune { .. } if happened => self.coverage.hit("floor moved"),
            _ => {}
        }
    }

    pub(super) fn cover_read(&mut self, result: &Result<StoreReply, StoreFailure>) {
        match result {
            Err(_) => self.coverage.hit("read failed"),
            Ok(StoreReply::Runs(runs)) if runs.len() > 1 => self.coverage.hit("read paged"),
            Ok(_) => {}
        }
    }

    pub(super) fn cover_event(&mut self, event: &Event) {
        if let Event::EpochRetired { .. } = event {
            self.coverage.hit("epoch retired");
        }
        match event {
            Event::ForkDetected { .. } => self.coverage.hit("fork"),
            Event::HistoryRestored { range, .. } => {
                self.coverage.hit("hole filled");
                if range.first == 1 {
                    self.coverage.hit("history fetched back to its beginning");
                }
            }
            Event::EntriesErased { .. } => self.coverage.hit("erasure told"),
            Event::EraseRequested { .. } => self.coverage.hit("erasure of others requested"),
            _ => {}
        }
    }

    fn cover_answer(&mut self, command: &Command, result: &Result<Reply, CommandError>) {
        match (command, result) {
            (_, Err(_)) => self.coverage.hit("command answered with an error"),
            (Command::Append { payloads, .. }, Ok(_)) => {
                self.coverage.hit("append acknowledged");
                if payloads.len() > 1 {
                    self.coverage.hit("append of a batch");
                }
                if payloads.iter().any(|payload| payload.bytes().len() > gossip_proto::MAX_RUN_BYTES) {
                    self.coverage.hit("append larger than a run");
                }
                if payloads.iter().all(|payload| payload.bytes().is_empty()) {
                    self.coverage.hit("append of nothing but an empty payload");
                }
            }
            (Command::Import { part, .. }, Ok(Reply::Imported(1..))) => {
                self.coverage.hit(if part.fills { "import into a hole" } else { "import" });
            }
            (Command::RemoveChannel { .. }, Ok(Reply::Changed(true))) => self.coverage.hit("channel removed"),
            (Command::RemoveStream { .. }, Ok(Reply::Changed(true))) => self.coverage.hit("stream removed"),
            (Command::Pause, Ok(_)) => self.coverage.hit("pause"),
            _ => {}
        }
    }
}

fn is_hollow(item: &CommitItem) -> bool {
    let (CommitItem::Run { run, .. } | CommitItem::Fill { run, .. }) = item else { return false };
    run.entries().any(|entry| entry.payload.bytes().is_none())
}
