//! Nobody is given more than there was room for: what answers a request stays within what it allows.

use std::collections::BTreeMap;

use gossip_proto::MAX_RUN_BYTES;
use gossip_proto::node::LinkId;
use gossip_proto::wire::{DeltaRun, Message};

use super::{Check, Invariant};
use crate::sim::fact::{Fact, Scene};
use crate::sim::plan::Plan;

/// Bytes that may still be given, by link and serial.
#[derive(Debug)]
pub(super) struct RoomKept {
    left: BTreeMap<(LinkId, u64), i64>,
    /// Answers end with whole runs, and two may be read at once: so much may be too much.
    slack: i64,
}

impl RoomKept {
    pub(super) fn new(plan: &Plan) -> Self {
        let largest = plan.payload.1 as i64 + MAX_RUN_BYTES as i64;
        Self { left: BTreeMap::new(), slack: 2 * largest }
    }

    /// A request reached whoever is to answer; what arrives twice is answered twice.
    fn allow(&mut self, link: LinkId, message: &Message) {
        let (serial, bytes) = match message {
            Message::Want(want) => (want.serial, want.budget.min(1 << 30) as i64),
            Message::Back(back) => (back.serial, back.budget.min(1 << 30) as i64),
            Message::Ask(ask) => (ask.serial.into(), i64::from(ask.room) << 10),
            Message::Sketch(sketch) => (sketch.serial.into(), i64::from(sketch.room) << 10),
            _ => return,
        };
        let left = self.left.entry((link, serial)).or_default();
        *left += bytes;
    }

    fn spend(&mut self, link: LinkId, serial: u64, runs: &[DeltaRun]) -> Check {
        let bytes: usize = runs.iter().map(|run| run.run.encoded().len()).sum();
        let left = self.left.entry((link, serial)).or_default();
        *left -= bytes as i64;
        match *left + self.slack {
            0.. => Ok(()),
            _ => Err(format!("{} bytes too many answer {serial} on link {}", -*left, link.0)),
        }
    }
}

impl Invariant for RoomKept {
    fn name(&self) -> &'static str {
        "room_kept"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        match &scene.fact {
            Fact::Heard(link, message) => self.allow(*link, message),
            Fact::Sent(link, Message::Delta(delta) | Message::Runs(delta)) if delta.serial > 0 => {
                return self.spend(*link, delta.serial, &delta.runs);
            }
            _ => {}
        }
        Ok(())
    }
}
