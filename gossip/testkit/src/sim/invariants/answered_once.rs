//! Every command is answered exactly once, unless the node dies first.

use std::collections::BTreeMap;

use gossip_proto::node::CommandId;

use super::{Check, Invariant};
use crate::sim::fact::{Ending, Fact, Scene};

#[derive(Debug, Default)]
pub(super) struct AnsweredOnce {
    /// Commands without an answer, and the host asked.
    open: BTreeMap<CommandId, usize>,
}

impl Invariant for AnsweredOnce {
    fn name(&self) -> &'static str {
        "answered_once"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Asked(id, _) => {
                self.open.insert(*id, scene.host);
            }
            Fact::Answered(id, result) if self.open.remove(id) != Some(scene.host) => {
                return Err(format!("{id:?} has no open question, yet: {result:?}"));
            }
            Fact::Crashed => self.open.retain(|_, host| *host != scene.host),
            _ => {}
        }
        Ok(())
    }

    fn end(&mut self, _ending: &Ending<'_>) -> Check {
        match self.open.first_key_value() {
            Some((id, host)) => Err(format!("n{host} never answered {id:?}")),
            None => Ok(()),
        }
    }
}
