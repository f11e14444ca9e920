//! A node's incarnation never falls, neither on disk nor in what it says; and nobody is taken for two that is one, not
//! even who lost what it said before.

use std::collections::BTreeSet;

use gossip_proto::node::Event;
use gossip_proto::wire::{Message, Row};
use gossip_proto::{NodeId, StoreRequest};

use super::{Check, Invariant};
use crate::sim::fact::{Fact, Scene};
use crate::sim::plan::Plan;

/// What one host calls itself.
#[derive(Debug, Clone)]
struct Host {
    id: NodeId,
    /// What it said in this life, and what is on its disk.
    said: u64,
    on_disk: u64,
}

#[derive(Debug)]
pub(super) struct Incarnations {
    hosts: Vec<Host>,
    /// Those there were two of.
    twins: BTreeSet<NodeId>,
}

impl Incarnations {
    pub(super) fn new(plan: &Plan) -> Self {
        let host = |host: &crate::sim::plan::HostPlan| Host { id: host.id.clone(), said: 0, on_disk: 0 };
        Self { hosts: plan.hosts.iter().map(host).collect(), twins: BTreeSet::new() }
    }
}

impl Invariant for Incarnations {
    fn name(&self) -> &'static str {
        "incarnations"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        let host = &mut self.hosts[scene.host];
        match scene.fact {
            Fact::Booted => host.said = 0,
            Fact::RolledBack | Fact::Wiped => {
                host.on_disk = scene.volume.record.incarnation;
                if host.id != *scene.id {
                    self.twins.insert(scene.id.clone());
                }
            }
            Fact::Written(StoreRequest::SaveNode(record)) => {
                let before = std::mem::replace(&mut host.on_disk, record.incarnation);
                if record.incarnation < before {
                    return Err(format!("incarnation {before} on disk became {}", record.incarnation));
                }
            }
            Fact::Sent(_, Message::News(rows)) => {
                return rows.iter().try_for_each(|row| host.says(scene.id, row));
            }
            Fact::Told(Event::DuplicateIdentity(id)) if !self.twins.contains(id) => {
                return Err(format!("{id} is taken for two"));
            }
            _ => {}
        }
        Ok(())
    }
}

impl Host {
    fn says(&mut self, me: &NodeId, row: &Row) -> Check {
        let Row::Live { row, .. } = row else { return Ok(()) };
        if row.id != *me {
            return Ok(());
        }
        let before = std::mem::replace(&mut self.said, row.incarnation);
        if row.incarnation < before {
            Err(format!("{before} said, then {}", row.incarnation))
        } else {
            Ok(())
        }
    }
}
