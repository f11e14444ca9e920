//! Dropping the oldest entries of logs, on demand.

use super::ops::Op;
use super::{CommandError, CommandId, Event, Node, NodeState, Reply};
use crate::{ChannelId, Fault, LogId, Retention, Seq, StoreFailure, StoreReply, StoreRequest, StreamId};

impl Node {
    pub(super) fn prune(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        stream: StreamId,
        floors: Vec<(LogId, Seq)>,
        under: Option<&Retention>,
    ) {
        if self.state == NodeState::ShutDown {
            return self.reply(id, Err(CommandError::State { state: self.state }));
        }
        let open = self.open_channel(&channel).map(|found| found.open_stream(&stream));
        let open = match open {
            Err(error) => return self.reply(id, Err(error)),
            Ok(None) => return self.reply(id, Err(CommandError::UnknownStream(channel, stream))),
            Ok(Some(open)) => open,
        };
        let is_old = under.is_some_and(|under| open.record.retention != *under);
        let logs = open.logs;
        let unknown = floors.iter().find(|(log, _)| !self.logs.is_of(logs, log)).map(|(log, _)| *log);
        // Also a change on its way: it is answered before a step queued behind it is done.
        let is_stale = is_old || under.is_some_and(|under| self.admin.is_changing(&channel, &stream, under));
        if is_stale {
            return self.reply(id, Ok(Reply::Changed(false)));
        }
        if let Some(log) = unknown {
            return self.reply(id, Err(CommandError::UnknownLog(log)));
        }
        for (id, _) in &floors {
            // What is to be dropped is not to be fetched again, even if it is on its way.
            self.refills.end(id);
            if let Some(log) = self.logs.get_mut(id) {
                log.rare_mut().asks_back = false;
                log.rare_mut().pruning += 1;
            }
        }
        let request = StoreRequest::Prune { floors: floors.clone() };
        self.store(Op::Prune { command: id, channel, stream, floors }, request);
    }

    pub(super) fn on_pruned(
        &mut self,
        id: CommandId,
        channel: ChannelId,
        stream: StreamId,
        floors: &[(LogId, Seq)],
        result: Result<StoreReply, StoreFailure>,
    ) {
        let result = match result {
            Ok(StoreReply::Pruned(pruned)) => Ok(pruned),
            Ok(_) => Err(StoreFailure { fault: Fault::Unknown, doing: "prune", detail: "no answer".into() }),
            Err(failure) => Err(failure),
        };
        for (id, _) in floors {
            if let Some(log) = self.logs.get_mut(id) {
                log.rare_mut().pruning = log.rare().pruning.saturating_sub(1);
            }
            self.suspect(*id);
        }
        for (id, floor) in floors {
            match &result {
                Ok(_) => self.raise_floor(*id, *floor),
                // Where the floors are now, only the heads can say.
                Err(failure) if failure.fault == Fault::Unknown => self.doubt(*id),
                Err(_) => {}
            }
        }
        if let Ok(pruned) = &result
            && pruned.entries > 0
        {
            self.notify(Event::StreamCompacted { channel, stream, pruned: *pruned });
        }
        self.reply(id, result.map(Reply::Pruned).map_err(CommandError::Store));
        self.refill();
    }

    /// The store dropped everything up to `floor`; its hash is read when someone asks below it.
    fn raise_floor(&mut self, id: LogId, floor: Seq) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        let floor = floor.min(log.stored.height);
        log.holes_mut().raise(floor);
        log.outdate();
    }
}
