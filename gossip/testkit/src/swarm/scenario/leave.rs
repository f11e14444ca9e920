//! S7: nodes leave, one after another.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_proto::node::{Command, PeerStatus};

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::super::views::Change;
use super::{WARM, downs, pass};

/// From one to the next.
const APART: Duration = Duration::from_secs(2);

pub(super) fn run(plan: Plan, leavers: usize) -> Samples {
    let mut swarm = settled(plan, WARM);
    let mut samples = Samples::new();
    let (window, mut left, mut false_downs) = (swarm.open_window(), vec![false; plan.nodes], 0);
    for (number, leaver) in plan.victims(leavers).into_iter().enumerate() {
        let next = swarm.now() + APART;
        pass(&mut swarm, plan.phase(number));
        let (at, observers) = (swarm.now(), swarm.views.observers(leaver));
        left[leaver] = true;
        swarm.command(leaver, Command::Stop);
        swarm.run_until(next);
        let changes = swarm.views.take_changes();
        // Who has left itself hears nobody.
        let by_others = downs(&changes).filter(|(observer, _)| !left[*observer]);
        false_downs += by_others.count();
        let is_known =
            |change: &&Change| (change.subject as usize, change.status) == (leaver, PeerStatus::Left);
        let known = changes.iter().filter(is_known);
        let mut told: BTreeMap<u32, Duration> = BTreeMap::new();
        known.for_each(|change| _ = told.entry(change.observer).or_insert(change.at.since(at)));
        let unseen = observers.iter().filter(|observer| !told.contains_key(&(**observer as u32)));
        samples.add("unseen", unseen.count() as f64);
        if let Some(last) = told.into_values().max() {
            samples.add("all", last.as_secs_f64() * 1_000.0);
        }
    }
    samples.add("false", false_downs as f64);
    samples.spend(&swarm.close_window(window), plan.nodes);
    samples
}
