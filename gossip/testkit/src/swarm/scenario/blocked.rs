//! S6: processes that cannot do I/O for a while, again and again (the grid of Lifeguard).

use std::time::Duration;

use gossip_proto::node::PeerStatus;

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::{WARM, downs, pass};

/// Between two times of being blocked.
const FREE: Duration = Duration::from_millis(1_024);
/// How long this goes on,
const LASTS: Duration = Duration::from_secs(120);
/// and how long what follows from it is looked at.
const AFTER: Duration = Duration::from_secs(20);

pub(super) fn run(plan: Plan, count: usize, millis: u64) -> Samples {
    let mut swarm = settled(plan, WARM);
    let victims = plan.victims(count);
    let mut is_victim = vec![false; plan.nodes];
    victims.iter().for_each(|victim| is_victim[*victim] = true);
    swarm.views.take_changes();
    let (window, end) = (swarm.open_window(), swarm.now() + LASTS);
    while swarm.now() < end {
        victims.iter().for_each(|victim| swarm.block(*victim));
        pass(&mut swarm, Duration::from_millis(millis));
        victims.iter().for_each(|victim| swarm.unblock(*victim));
        pass(&mut swarm, FREE);
    }
    pass(&mut swarm, AFTER);
    let changes = swarm.views.take_changes();
    let mut samples = Samples::new();
    samples.spend(&swarm.close_window(window), plan.nodes);
    let healthy = downs(&changes).filter(|(_, subject)| !is_victim[*subject]);
    let by_healthy = healthy.clone().filter(|(observer, _)| !is_victim[*observer]);
    samples.add("false by healthy", by_healthy.count() as f64);
    let is_healthy = |node: u32| !is_victim[node as usize];
    let doubted = changes.iter().filter(|change| change.status == PeerStatus::Suspected);
    let doubted = doubted.filter(|change| is_healthy(change.observer) && is_healthy(change.subject));
    samples.add("doubted by healthy", doubted.count() as f64);
    samples.add("false", healthy.count() as f64);
    samples.add(
        "blocked called down",
        downs(&changes).filter(|(_, subject)| is_victim[*subject]).count() as f64,
    );
    samples
}
