//! S1: nothing happens.

use std::time::Duration;

use gossip_proto::node::Command;

use super::super::air::{Bursts, Flapping};
use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::super::world::Swarm;
use super::{WARM, Weather, downs, pass};

/// Longer than anything that is run here.
const DOZE: Duration = Duration::from_secs(24 * 3_600);

pub(super) fn run(plan: Plan, seconds: u64, weather: Weather) -> Samples {
    let mut swarm = settled(plan, WARM);
    let excused = darken(&mut swarm, weather);
    let changes = swarm.views.take_changes();
    let (mut downs_told, mut told) = (downs(&changes).count(), 0);
    let window = swarm.open_window();
    for _ in 0..seconds {
        pass(&mut swarm, Duration::from_secs(1));
        let changes = swarm.views.take_changes();
        told += changes.len();
        downs_told += downs(&changes).filter(|(_, subject)| !excused.contains(subject)).count();
    }
    let spent = swarm.close_window(window);
    let (nodes, hours) = (plan.nodes as f64, seconds as f64 / 3_600.0);
    let mut samples = Samples::new();
    samples.spend(&spent, plan.nodes);
    samples.add("datagrams", spent.meter.datagrams as f64 / nodes / spent.seconds);
    samples.add("bytes", spent.meter.bytes as f64 / nodes / spent.seconds);
    samples.add("false", downs_told as f64);
    samples.add("false per node-hour", downs_told as f64 / nodes / hours);
    samples.add("told per node-hour", told as f64 / nodes / hours);
    samples
}

/// Sets the weather; who may rightly be called unreachable in it.
fn darken(swarm: &mut Swarm, weather: Weather) -> Vec<usize> {
    match weather {
        Weather::Fair => Vec::new(),
        Weather::OneWay => {
            swarm.air.deaf = 50;
            Vec::new()
        }
        Weather::Bursts => {
            let (apart, silent) = (Duration::from_secs(20), Duration::from_millis(300));
            swarm.air.set_bursts(Bursts { apart, silent });
            Vec::new()
        }
        Weather::Flapping => {
            let nodes = swarm.plan.victims(swarm.plan.nodes / 20);
            let (gone, period) = (Duration::from_secs(6), Duration::from_secs(16));
            swarm.air.set_flapping(Flapping { nodes: nodes.clone(), gone, period });
            nodes
        }
        Weather::Dozing => {
            let nodes = swarm.plan.victims(swarm.plan.nodes / 10);
            nodes.iter().for_each(|node| swarm.command(*node, Command::Doze { lasting: DOZE }));
            pass(swarm, Duration::from_secs(1));
            nodes.iter().for_each(|node| swarm.block(*node));
            Vec::new()
        }
    }
}
