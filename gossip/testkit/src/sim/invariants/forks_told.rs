//! A fork is told where there is one, and only there.

use std::collections::BTreeSet;

use gossip_proto::LogId;
use gossip_proto::node::Event;

use super::{Check, Invariant};
use crate::sim::fact::{Ending, Fact, Scene};

#[derive(Debug, Default)]
pub(super) struct ForksTold {
    may_fork: BTreeSet<LogId>,
    told: BTreeSet<LogId>,
}

impl Invariant for ForksTold {
    fn name(&self) -> &'static str {
        "forks_told"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Restored(may_fork) => self.may_fork.extend(*may_fork),
            Fact::Told(Event::ForkDetected { log, .. }) if self.may_fork.contains(&log.first_log()) => {
                self.told.insert(log.first_log());
            }
            Fact::Told(Event::ForkDetected { log, at, peer }) => {
                return Err(format!("a fork of {log:?} at {at} is told, seen at {peer}, and there is none"));
            }
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, ending: &Ending<'_>) -> Check {
        let apart = ending.groups.iter().flat_map(|group| group.forked.iter().copied());
        let logs = ending.volumes.iter().flat_map(|volume| volume.logs.values());
        let ended = logs.filter(|log| log.head.turn.is_some()).map(|log| log.head.name.first_log());
        match apart.chain(ended).find(|log| !self.told.contains(log)) {
            Some(log) => Err(format!("{log:?} is held in two versions and nobody was told")),
            None => Ok(()),
        }
    }
}
