//! What this node makes of what it hears: how well it hears at all, whom it asks, and whom it holds to be gone.

use std::collections::BTreeMap;
use std::time::Duration;

use super::away::Touch;
use super::doubt::Doubt;
use super::loss::{Loss, Tries};
use super::pulse::Pulse;
use super::rows::Members;
use super::seek::Missing;
use super::suspicion::Suspicion;
use crate::node::{Effect, LinkId, Node};
use crate::{MemberKey, Tick};

/// The worst health.
const SICK: u32 = 8;

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Senses {
    pub(super) pulse: Pulse,
    pub(super) loss: Loss,
    pub(super) touch: Touch,
    pub(super) doubts: BTreeMap<MemberKey, Doubt>,
    pub(super) suspicions: BTreeMap<MemberKey, Suspicion>,
    /// Wanted neighbours to which there is no link.
    pub(super) missing: BTreeMap<MemberKey, Missing>,
    /// Somebody was lost since these were looked at.
    pub(super) is_shaken: bool,
    /// How much slower this node is than others think: 0 is well (local health of Lifeguard: Dadgar, Phillips,
    /// Currey 2017).
    health: u32,
    /// The last question to others.
    serial: u16,
}

impl Senses {
    pub(super) fn tries(&self) -> Tries {
        self.loss.tries()
    }

    /// Something came in time.
    pub(super) fn recover(&mut self) {
        self.health = self.health.saturating_sub(1);
    }

    /// Something is wrong, perhaps with us.
    pub(super) fn sicken(&mut self) {
        self.health = SICK.min(self.health + 1);
    }

    /// Who is not well waits longer before it says anything of others.
    pub(super) fn patient(&self, pause: Duration) -> Duration {
        pause * (1 + self.health)
    }

    pub(super) fn next_serial(&mut self) -> u16 {
        self.serial = self.serial.wrapping_add(1);
        self.serial
    }
}

impl Members {
    /// How many are asked whether they are there.
    pub(in crate::node) fn doubts(&self) -> usize {
        self.senses.doubts.len()
    }
}

impl Node {
    /// A question sent then to this member was answered in time: this node is in touch, and silence of others
    /// is theirs.
    pub(super) fn touch(&mut self, by: MemberKey, sent: Tick) {
        self.members.senses.recover();
        if self.is_alone() {
            return;
        }
        let senses = &mut self.members.senses;
        let touched = senses.doubts.iter_mut().filter(|(key, _)| **key != by);
        let ready: Vec<MemberKey> =
            touched.filter_map(|(key, doubt)| doubt.touch(sent).then_some(*key)).collect();
        ready.into_iter().for_each(|key| self.step_doubt(key));
    }

    /// Half of the usual round trip: what a message takes.
    pub(super) fn usual_delay(&self) -> Duration {
        let mut measured: Vec<Duration> =
            self.links.values().filter_map(|link| link.rtt.smoothed()).collect();
        measured.sort_unstable();
        measured.get(measured.len() / 2).map_or(Duration::ZERO, |usual| *usual / 2)
    }

    /// Links to a member on which it can be asked.
    pub(super) fn links_to(&self, key: MemberKey) -> Vec<LinkId> {
        let id = self.members.find(key).and_then(|slot| self.members.get(slot)).map(|member| &member.id);
        let links = id.and_then(|id| self.peers.get(id)).into_iter().flat_map(|peer| &peer.links);
        links.copied().filter(|id| self.spoken(*id) >= super::MEMBERS).collect()
    }

    /// A member was proved to be there then by others, although links to it bring nothing: these do not work, and their
    /// silence says nothing of it any more until something comes.
    pub(super) fn note_deaf(&mut self, key: MemberKey, then: Tick) {
        let since = self.members.senses.asked_since(key);
        let Some(since) = since.filter(|since| *since < then) else { return };
        for id in self.links_to(key) {
            if let Some(link) = self.links.get_mut(&id)
                && link.heard <= since
                && !std::mem::replace(&mut link.watch.is_deaf, true)
            {
                self.effects.push_back(Effect::Renew(id));
            }
        }
    }

    /// How long an answer on any of these links may take; at least as long as usual.
    pub(super) fn patience_on(&self, links: &[LinkId]) -> Duration {
        let links = links.iter().filter_map(|id| self.links.get(id));
        let longest = links.map(|link| link.rtt.probe_timeout()).max().unwrap_or_default();
        self.members.senses.patient(longest.max(LEAST))
    }

    /// There is nobody whose answers could prove that silence is not ours, or who would say so.
    pub(super) fn is_alone(&self) -> bool {
        self.members.live() <= 2 || !self.config.peer_exchange
    }
}

/// Nobody is asked again sooner.
const LEAST: Duration = Duration::from_millis(50);
