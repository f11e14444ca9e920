//! Queues and tables have bounds: effects of a turn, store operations, bytes handed to the store, frames, members
//! and doubts about them.

use gossip_proto::node::{Health, Reply};

use super::{Check, Invariant};
use crate::sim::fact::{Fact, Scene};
use crate::sim::plan::Plan;

/// Effects of one turn, at most.
const MAX_EFFECTS: usize = 5_000;
/// Store operations at once, at most.
const MAX_STORE_OPS: usize = 256;
/// Members asked at once, at most.
const MAX_DOUBTS: usize = 64;

#[derive(Debug)]
pub(super) struct Bounded {
    /// Bytes each host may have handed to its store.
    store_bytes: Vec<usize>,
    /// Members each may know.
    members: Vec<usize>,
}

impl Bounded {
    pub(super) fn new(plan: &Plan) -> Self {
        let bound = |host: &crate::sim::plan::HostPlan| {
            let config = &host.config;
            // One group commit and one answer may be under way when the budget is reached.
            config.store_budget_bytes + config.append_queue_bytes + config.window_bytes + config.message_bytes
        };
        let members = plan.hosts.iter().map(|host| host.config.max_members).collect();
        Self { store_bytes: plan.hosts.iter().map(bound).collect(), members }
    }

    fn look_at(&self, host: usize, health: &Health) -> Check {
        let (members, doubts) = (health.members, health.doubts);
        if members > self.members[host] || doubts > MAX_DOUBTS {
            return Err(format!("{members} members, {doubts} doubts"));
        }
        Ok(())
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
            Fact::Answered(_, Ok(Reply::Group(all))) if all.len() > self.members[scene.host] => {
                Err(format!("{} members, also those that are gone", all.len()))
            }
            Fact::Answered(_, Ok(Reply::Health(health))) => self.look_at(scene.host, health),
            Fact::Missent(how) => Err(format!("a frame was sent {how}")),
            _ => Ok(()),
        }
    }
}
