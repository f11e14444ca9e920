//! S4: all start alone and join node 0.

use std::time::Duration;

use gossip_proto::Tick;

use super::super::links::address;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::super::world::Swarm;

/// Whoever did not find everybody by then is not waited for.
const UNTIL: Tick = Tick(60_000_000);

pub(super) fn run(plan: Plan) -> Samples {
    let mut swarm = Swarm::new(plan);
    let window = swarm.open_window();
    let mut joiners: Vec<(Duration, usize)> = (1..plan.nodes).map(|node| (plan.start(node), node)).collect();
    joiners.sort_unstable();
    for (at, node) in joiners {
        swarm.run_until(Tick(0) + at);
        swarm.dial(node, &address(0));
    }
    let pairs = plan.nodes * (plan.nodes - 1);
    let waits = swarm.run_while(UNTIL, |swarm| swarm.views.reachable() < pairs);
    let mut samples = Samples::new();
    if !waits {
        samples.add("complete", Duration::from_micros(swarm.now().0).as_secs_f64());
    }
    samples.add("pairs missing", (pairs - swarm.views.reachable()) as f64);
    let spent = swarm.close_window(window);
    samples.spend(&spent, plan.nodes);
    samples.add("kilobytes", spent.meter.bytes as f64 / 1_000.0 / plan.nodes as f64);
    samples.add("busiest kilobytes", spent.meter.busiest() as f64 / 1_000.0);
    samples
}
