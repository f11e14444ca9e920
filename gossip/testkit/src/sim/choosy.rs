//! Applications that change their minds about what they exchange, and with whom.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_proto::node::{Command, Streams, SyncChoice, SyncRule};
use gossip_proto::{Rng, StreamId};

use super::calendar::Happening;
use super::plan::{Plan, between, rng_for};
use super::world::World;

/// Seeds in 1,000 with such applications.
const CHOOSY: u64 = 300;

/// Draws choices.
#[derive(Debug)]
pub(super) struct Choosy {
    rng: Rng,
    over: bool,
}

impl Choosy {
    pub(super) fn draw(plan: &Plan) -> Option<Self> {
        let mut rng = rng_for(plan.seed, 9);
        rng.chance(CHOOSY).then_some(Self { rng, over: false })
    }

    fn choice(&mut self, plan: &Plan) -> SyncChoice {
        let count = self.rng.below(4);
        SyncChoice { rules: (0..count).map(|_| self.rule(plan)).collect() }
    }

    fn rule(&mut self, plan: &Plan) -> SyncRule {
        let rng = &mut self.rng;
        let peer = &plan.hosts[rng.below(plan.hosts.len() as u64) as usize].id;
        let channel = &plan.channels[rng.below(plan.channels.len() as u64) as usize];
        let some: BTreeSet<StreamId> = channel.streams.iter().filter(|_| rng.chance(500)).cloned().collect();
        SyncRule {
            peer: rng.chance(500).then(|| peer.clone()),
            min_cost: rng.chance(300).then(|| between(rng, 1, 4) as u8),
            channel: rng.chance(500).then(|| channel.id.clone()),
            streams: match rng.below(6) {
                0 => Streams::All,
                1..3 => Streams::Only(some),
                3..5 => Streams::Except(some),
                _ => Streams::None,
            },
        }
    }
}

impl World {
    pub(super) fn choosing_begins(&mut self) {
        if self.choosy.is_some() {
            self.calendar.plan(self.calendar.now(), Happening::Choose);
        }
    }

    /// One application changes its mind.
    pub(super) fn choose(&mut self) {
        let Some(choosy) = self.choosy.as_mut().filter(|choosy| !choosy.over) else { return };
        let host = choosy.rng.below(self.hosts.len() as u64) as usize;
        let choice = choosy.choice(&self.plan);
        // Now and then twice in the time that a frame takes.
        let pause = Duration::from_millis(between(&mut choosy.rng, 1, 1_000));
        self.calendar.plan(self.calendar.now() + pause, Happening::Choose);
        for rule in &choice.rules {
            self.coverage.hit(match rule.streams {
                Streams::All => "everything chosen",
                Streams::Only(_) => "some streams chosen",
                Streams::Except(_) => "all but some streams chosen",
                Streams::None => "a channel not chosen",
            });
        }
        self.ask(host, Command::SetSync(choice));
    }

    /// In the end everybody wants everything.
    pub(super) fn choosing_ends(&mut self) -> Vec<Command> {
        self.choosy.iter_mut().for_each(|choosy| choosy.over = true);
        self.choosy.iter().map(|_| Command::SetSync(SyncChoice::default())).collect()
    }
}
