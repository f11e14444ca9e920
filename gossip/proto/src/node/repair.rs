//! Damage in the store: isolated as a gap, told, and asked for like any other hole.

use super::ops::Op;
use super::{CommandError, CommandId, Event, LinkId, Node, NodeState, Reply};
use crate::{Fault, LogId, Seq, SeqRange, StoreFailure, StoreReply, StoreRequest};

/// Who waits for damage to be isolated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mending {
    /// The application.
    Command(CommandId),
    /// What is being read for the peer of a link.
    Serve(LinkId),
    /// What is being read to ask peers for a hole.
    Refill,
    /// What is being read around this place to part a log.
    Parting { log: LogId, at: Seq },
}

impl Node {
    /// Makes a gap of the damage at a place, for the application.
    pub(super) fn repair(&mut self, id: CommandId, log: LogId, at: Seq) {
        if self.state == NodeState::ShutDown {
            return self.reply(id, Err(CommandError::State { state: self.state }));
        }
        if !self.logs.contains(&log) {
            return self.reply(id, Err(CommandError::UnknownLog(log)));
        }
        self.isolate(log, at, Mending::Command(id));
    }

    pub(super) fn isolate(&mut self, log: LogId, at: Seq, why: Mending) -> super::OpId {
        self.store(Op::Isolate { log, why }, StoreRequest::Isolate { log, at })
    }

    pub(super) fn on_isolated(
        &mut self,
        op: super::OpId,
        log: LogId,
        why: Mending,
        result: Result<StoreReply, StoreFailure>,
    ) {
        let found = match result {
            Ok(StoreReply::Isolated(found)) => Ok(found),
            Ok(_) => {
                Err(StoreFailure { fault: Fault::Unknown, doing: "isolate", detail: "no answer".into() })
            }
            Err(failure) => Err(failure),
        };
        match &found {
            Ok(Some(range)) => self.note_damage(log, *range),
            // Where the holes are now, only the head can say.
            Err(failure) if failure.fault == Fault::Unknown => self.doubt(log),
            _ => {}
        }
        match why {
            Mending::Command(id) => {
                let result = found.map(Reply::Repaired).map_err(CommandError::Store);
                self.reply(id, result);
            }
            Mending::Serve(link) => self.serve_mended(link, op, matches!(found, Ok(Some(_)))),
            Mending::Refill => self.refill(),
            Mending::Parting { log, at } => self.part_mended(log, op, at, &found),
        }
    }

    /// What was held is a hole now.
    pub(super) fn note_damage(&mut self, id: LogId, range: SeqRange) {
        let Some(log) = self.logs.get_mut(&id) else { return };
        log.holes_mut().isolate(range);
        log.outdate();
        let Some(log) = self.logs.get(&id).and_then(|log| self.logs.name_of(log)) else { return };
        self.suspect(id);
        self.notify(Event::LogDamaged { log, range });
        self.refill();
    }
}
