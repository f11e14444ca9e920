//! How nodes come to know each other that were there before: a mesh of a few, a fixed overlay of many.

use std::time::Duration;

use super::links::address;
use super::plan::{Plan, Purpose, shuffle};
use super::world::Swarm;

/// As many nodes are linked with all others.
const MESH: usize = 32;
/// Of so many drawn nodes the nearest is linked.
const TRIALS: usize = 16;

/// Links nodes that run: everybody knows some, and all hang together.
pub(super) fn acquaint(swarm: &mut Swarm) {
    for (from, to) in links(&swarm.plan) {
        swarm.dial(from, &address(to));
    }
}

fn links(plan: &Plan) -> Vec<(usize, usize)> {
    if plan.nodes <= MESH {
        return (0..plan.nodes).flat_map(|from| (0..from).map(move |to| (from, to))).collect();
    }
    lattice(plan)
}

/// A drawn ring where each dials the two after it, and the nearest of a few others: six links in the mean.
fn lattice(plan: &Plan) -> Vec<(usize, usize)> {
    let mut rng = plan.rng(Purpose::Nodes);
    let mut ring: Vec<usize> = (0..plan.nodes).collect();
    shuffle(&mut ring, &mut rng);
    let mut links = Vec::new();
    for (at, from) in ring.iter().enumerate() {
        links.extend([1, 2].map(|step| (*from, ring[(at + step) % ring.len()])));
        let others =
            (0..TRIALS).map(|_| ring[(at + 3 + rng.below(plan.nodes as u64 - 5) as usize) % ring.len()]);
        let nearest = others.min_by_key(|to| (plan.latency(*from, *to), *to));
        links.extend(nearest.map(|to| (*from, to)));
    }
    links
}

/// A swarm whose nodes know each other and had time to settle.
pub(super) fn settled(plan: Plan, time: Duration) -> Swarm {
    let mut swarm = Swarm::new(plan);
    swarm.run_until(gossip_proto::Tick(1_000_000));
    acquaint(&mut swarm);
    swarm.run_until(gossip_proto::Tick(0) + time);
    swarm
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn the_overlay_has_six_links_each_and_no_link_twice_from_one_side() {
        let plan = Plan { seed: 5, nodes: 200, loss: 0 };
        let links = links(&plan);
        let different: BTreeSet<_> = links.iter().collect();
        assert_eq!((links.len(), different.len()), (600, 600));
        assert!(links.iter().all(|(from, to)| from != to));
    }
}
