//! S7: nodes leave, one after another.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_proto::node::Command;

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::super::views::is_gone;
use super::{WARM, pass};

/// From one to the next.
const APART: Duration = Duration::from_secs(2);

pub(super) fn run(plan: Plan, leavers: usize) -> Samples {
    let mut swarm = settled(plan, WARM);
    let mut samples = Samples::new();
    let window = swarm.open_window();
    for (number, leaver) in plan.victims(leavers).into_iter().enumerate() {
        let next = swarm.now() + APART;
        pass(&mut swarm, plan.phase(number));
        let (at, observers) = (swarm.now(), swarm.views.observers(leaver));
        swarm.views.take_changes();
        swarm.command(leaver, Command::Stop);
        swarm.run_until(next);
        let changes = swarm.views.take_changes();
        let known =
            changes.iter().filter(|change| change.subject as usize == leaver && is_gone(change.status));
        let mut told: BTreeMap<u32, Duration> = BTreeMap::new();
        known.for_each(|change| _ = told.entry(change.observer).or_insert(change.at.since(at)));
        samples.add("unseen", (observers.len() - told.len().min(observers.len())) as f64);
        if let Some(last) = told.into_values().max() {
            samples.add("all", last.as_secs_f64() * 1_000.0);
        }
    }
    samples.spend(&swarm.close_window(window), plan.nodes);
    samples
}
