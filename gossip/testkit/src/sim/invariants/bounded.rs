//! Queues have bounds: effects of a turn, store operations, bytes handed to the store, frames.

use super::{Check, Invariant};
use crate::sim::fact::{Fact, Scene};
use crate::sim::plan::Plan;

/// Effects of one turn, at most.
const MAX_EFFECTS: usize = 5_000;
/// Store operations at once, at most.
const MAX_STORE_OPS: usize = 256;

#[derive(Debug)]
pub(super) struct Bounded {
    /// Bytes each host may have handed to its store.
    store_bytes: Vec<usize>,
}

impl Bounded {
    pub(super) fn new(plan: &Plan) -> Self {
        let bound = |host: &crate::sim::plan::HostPlan| {
            let config = &host.config;
            // One group commit and one answer may be under way when the budget is reached.
            config.store_budget_bytes + config.append_queue_bytes + config.window_bytes + config.message_bytes
        };
        Self { store_bytes: plan.hosts.iter().map(bound).collect() }
    }
}

impl Invariant for Bounded {
    fn name(&self) -> &'static str {
        "bounded"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match scene.fact {
            Fact::Turn { effects, .. } if effects > MAX_EFFECTS => {
                Err(format!("{effects} effects in one turn"))
            }
            Fact::Turn { store_ops, .. } if store_ops > MAX_STORE_OPS => {
                Err(format!("{store_ops} store operations at once"))
            }
            Fact::Turn { store_bytes, .. } if store_bytes > self.store_bytes[scene.host] => {
                Err(format!("{store_bytes} bytes handed to the store"))
            }
            Fact::Missent(how) => Err(format!("a frame was sent {how}")),
            _ => Ok(()),
        }
    }
}
