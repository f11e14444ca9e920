//! Parts of logs that came by another way than a link, checked as if a peer had sent them.

use std::sync::Arc;

use super::accept::{Batch, Verdict, place};
use super::admin::{Job, Plan};
use super::log::Log;
use super::{Command, CommandError, CommandId, Event, ImportFloor, ImportPart, Node, NodeState};
use crate::log::MAX_SEQ;
use crate::wire::{DeltaRun, FloorNote};
use crate::{ChannelId, LogId, LogName, StoredRun};

/// Whether a part was taken, or has to wait until the store knows that a log is not ours to continue.
enum Taken {
    All,
    Claimed,
}

impl Node {
    pub(super) fn plan_import(&mut self, id: CommandId, channel: ChannelId, part: ImportPart) -> Plan {
        let log = part.log.id();
        let imported = self.import(&channel, log, &part);
        self.free_places();
        match imported {
            Ok((Taken::All, batch)) => {
                let entries = batch.entries();
                if batch.items.is_empty() {
                    return Plan::Answer(Ok(super::Reply::Imported(0)));
                }
                let from = self.record.id.clone();
                self.commit_batch(&from, batch, Some((id, entries)));
                Plan::Later
            }
            // As from peers: the claim is withdrawn first.
            Ok((Taken::Claimed, _)) => {
                self.disclaim(log);
                self.queue_job(Job::Command(id, Command::Import { channel, part }));
                Plan::Later
            }
            Err(error) => Plan::Answer(Err(error)),
        }
    }

    /// Checks a part; nothing of it is taken if anything in it is wrong.
    fn import(
        &mut self,
        channel: &ChannelId,
        id: LogId,
        part: &ImportPart,
    ) -> Result<(Taken, Batch), CommandError> {
        self.admit_import(channel, id, part)?;
        let mut batch = Batch::default();
        let Some(before) = self.logs.get(&id).map(Log::pending) else {
            return Err(CommandError::UnknownLog(id));
        };
        let done = match part.fills {
            true => self.take_filling_part(id, part, &mut batch).map(|()| Taken::All),
            false => self.take_part(id, part, &mut batch),
        };
        if !matches!(done, Ok(Taken::All))
            && let Some(log) = self.logs.get_mut(&id)
        {
            log.set_pending(before);
        }
        done.map(|taken| (taken, batch))
    }

    fn admit_import(
        &mut self,
        channel: &ChannelId,
        id: LogId,
        part: &ImportPart,
    ) -> Result<(), CommandError> {
        if self.state == NodeState::ShutDown {
            return Err(CommandError::State { state: self.state });
        }
        self.open_channel(channel)?;
        if part.log.channel != *channel || part.runs.iter().any(|stored| stored.run.log() != id) {
            return Err(CommandError::Invalid("runs of another log or channel than named"));
        }
        let bytes: usize = part.runs.iter().map(|stored| stored.run.encoded().len()).sum();
        if self.store_bytes > 0 && self.store_bytes + bytes > self.config.store_budget_bytes.saturating_mul(2)
        {
            return Err(CommandError::Busy);
        }
        if !self.know_log(part.log.clone(), id) {
            return Err(CommandError::Invalid("more logs than this node remembers"));
        }
        let is_moving = self.logs.get(&id).is_some_and(|log| log.is_frozen() || log.rare().parting);
        if is_moving || self.forks.is_closed(&id) {
            // What the store holds of it is just being looked up, or moves where it forks.
            return Err(CommandError::Busy);
        }
        let unknown = || CommandError::UnknownStream(channel.clone(), part.log.stream.clone());
        self.placed(channel, &id).map(|_| ()).ok_or_else(unknown)
    }

    fn take_part(&mut self, id: LogId, part: &ImportPart, batch: &mut Batch) -> Result<Taken, CommandError> {
        let height = self.logs.get(&id).map_or(0, |log| log.pending().height);
        if let Some(ImportFloor { sequence: floor, hash, stamp, seal }) = part.floor.as_deref().copied()
            && floor > height
        {
            if floor > MAX_SEQ {
                return Err(CommandError::Invalid("a floor beyond all sequences"));
            }
            if self.is_claimed(&id) {
                return Ok(Taken::Claimed);
            }
            let note = FloorNote { log: id, floor, hash, stamp, seal };
            self.admit_branch(id, &part.runs, (floor, hash))?;
            self.take_floor(&part.log.channel, &note, batch);
        } else if height == 0 && !part.runs.is_empty() {
            // It begins with the first entry of its log.
            self.admit_branch(id, &part.runs, (0, part.log.root()))?;
        }
        for StoredRun { prev, run } in &part.runs {
            let log = self.logs.get(&id).and_then(|log| Some((log, Arc::new(self.logs.name_of(log)?))));
            let Some((log, name)) = log else { return Err(CommandError::UnknownLog(id)) };
            let last = run.last();
            let received = DeltaRun { prev: Some(*prev), run: run.clone() };
            match place(log, received.clone()) {
                Verdict::Take(..) if self.is_claimed(&id) => return Ok(Taken::Claimed),
                Verdict::Take(stored, end) => {
                    self.check_branch(&name, &stored)?;
                    self.take(&name, stored, end, batch);
                }
                Verdict::Known => {}
                // It ends before, where it forks.
                Verdict::Ahead if last > self.logs.get(&id).map_or(last, Log::end) => {}
                Verdict::Ahead => return Err(CommandError::Invalid("a run that leaves a gap")),
                Verdict::Fork => return Err(self.forked_import(id, &name, &received, last)),
                Verdict::Broken(why) => return Err(CommandError::Invalid(why)),
            }
        }
        if part.runs.last().is_some_and(|last| last.run.seal().is_none() && self.may_be_left(&id, &last.run))
        {
            // What vouches for it is just being looked at.
            return Err(CommandError::Busy);
        }
        self.settle_part(id, batch).map(|()| Taken::All)
    }

    /// What is imported contradicts what is held: told like a fork seen at a peer.
    fn forked_import(&mut self, id: LogId, name: &LogName, run: &DeltaRun, at: u64) -> CommandError {
        let peer = self.record.id.clone();
        self.notify(Event::ForkDetected { log: name.clone(), at, peer });
        // Our own current log in another version: a clone of this device, or a restored backup.
        if !name.author.is_key() || self.is_vouched(name, run) {
            self.retire(id);
        }
        CommandError::Forked { log: id, at }
    }
}
