//! S9: messages through a split.

use std::time::Duration;

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::{WARM, lateness, pass, send_all};

/// From one message to the next.
const APART: Duration = Duration::from_secs(1);
/// What is missing after healing has this long to come.
const REPAIR: Duration = Duration::from_secs(60);

pub(super) fn run(plan: Plan, seconds: u64) -> Samples {
    let mut swarm = settled(plan, WARM);
    let all: Vec<usize> = (0..plan.nodes).collect();
    let senders = plan.senders(&all, seconds as usize);
    let window = swarm.open_window();
    swarm.air.split = Some(|node| node % 2);
    send_all(&mut swarm, &senders, APART);
    let pairs = (senders.len() * (plan.nodes - 1)) as f64;
    let mut samples = Samples::new();
    samples.add("reached while apart", swarm.deliveries.delivered() as f64 / pairs);
    swarm.air.split = None;
    let healed = swarm.now();
    pass(&mut swarm, REPAIR);
    samples.spend(&swarm.close_window(window), plan.nodes);
    lateness(&swarm, &all, healed, &mut samples);
    samples
}
