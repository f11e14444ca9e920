//! A log whose author is a key ends on every disk at a seal of that key, and so does all that is sent of it.

use gossip_proto::node::{DropReason, Event};
use gossip_proto::{LogHead, PublicKey, SealCheck, StoreRequest, seal_message};

use super::{Check, Invariant};
use crate::sim::fact::{Fact, Scene};
use crate::sim::plan::Plan;

#[derive(Debug)]
pub(super) struct SealedOnly {
    check: Box<dyn SealCheck>,
    /// Seals may be missing: somebody strips or changes them.
    lenient: bool,
}

impl SealedOnly {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { check: plan.scheme.check(), lenient: plan.liar.is_some() }
    }

    fn look(&mut self, head: &LogHead) -> Check {
        let Some(key) = PublicKey::of(&head.name.author).filter(|_| head.height > 0) else { return Ok(()) };
        let message = seal_message(&head.name.unbranched_hash(), head.height, &head.hash);
        // Where a branch turned off nothing need be signed.
        let is_turn = head.turn.iter().any(|turn| turn.at == head.height + 1 && turn.prev == head.hash);
        let sealed = head.seal_at(head.height).is_some_and(|seal| self.check.check(&key, &message, &seal));
        if sealed || is_turn {
            return Ok(());
        }
        let newest = head.seal.as_ref().map(|(at, _)| *at);
        Err(format!("{:?} stands at {} with {newest:?} as its newest seal", head.name.id(), head.height))
    }
}

impl Invariant for SealedOnly {
    fn name(&self) -> &'static str {
        "sealed_only"
    }

    fn see(&mut self, scene: &Scene<'_>) -> Check {
        let heads = || scene.volume.logs.values().map(|log| &log.head);
        match &scene.fact {
            Fact::Booted => heads().try_for_each(|head| self.look(head)),
            Fact::Written(StoreRequest::Commit { items, .. }) => items.iter().try_for_each(|item| {
                let log = scene.volume.logs.get(&item.log().id());
                log.map_or(Ok(()), |log| self.look(&log.head))
            }),
            // Whoever is honest ends what it sends at a seal.
            Fact::Told(Event::Dropped(dropped)) if dropped.reason == DropReason::Seal && !self.lenient => {
                Err(format!("{:?} sent {}", dropped.peer, dropped.detail))
            }
            _ => Ok(()),
        }
    }
}
