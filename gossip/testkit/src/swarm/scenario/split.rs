//! S5: two halves, and then one whole again.

use std::time::Duration;

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::{BEFORE, CALM, idle_rate, pass};

/// Views that are not full by then are not waited for.
const PATIENCE: Duration = Duration::from_secs(60);
/// What healing costs is counted for this long.
const AFTER: Duration = Duration::from_secs(10);

pub(super) fn run(plan: Plan, seconds: u64) -> Samples {
    let mut swarm = settled(plan, CALM - BEFORE);
    let idle = idle_rate(&mut swarm);
    let full = plan.nodes * (plan.nodes - 1);
    swarm.air.split = Some(|node| node % 2);
    pass(&mut swarm, Duration::from_secs(seconds));
    // Each of one half and each of the other, both ways.
    let across = 2 * (plan.nodes / 2) * plan.nodes.div_ceil(2);
    let parted = full - swarm.views.reachable();
    swarm.air.split = None;
    let (window, healed) = (swarm.open_window(), swarm.now());
    let waits = swarm.run_while(healed + PATIENCE, |swarm| swarm.views.reachable() < full);
    let mut samples = Samples::new();
    if !waits {
        samples.add("healed", swarm.now().since(healed).as_secs_f64());
    }
    samples.add("pairs missing", (full - swarm.views.reachable()) as f64);
    swarm.run_until(swarm.now().max(healed + AFTER));
    let spent = swarm.close_window(window);
    samples.spend(&spent, plan.nodes);
    samples.add("parted", parted as f64);
    samples.add("not parted", across.saturating_sub(parted) as f64);
    let more = spent.meter.bytes as f64 - idle * spent.seconds;
    samples.add("bytes", more / plan.nodes as f64);
    samples
}
