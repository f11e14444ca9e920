//! S2: nodes crash, one after another.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_proto::Tick;
use gossip_proto::node::PeerStatus;

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::{Samples, share_of};
use super::super::views::Change;
use super::super::world::Swarm;
use super::{WARM, downs, pass};

/// From one crash to the next.
const APART: Duration = Duration::from_secs(40);

pub(super) fn run(plan: Plan, victims: usize) -> Samples {
    let mut swarm = settled(plan, WARM);
    let mut samples = Samples::new();
    let mut gone = Vec::new();
    let window = swarm.open_window();
    for (number, victim) in plan.victims(victims).into_iter().enumerate() {
        let next = swarm.now() + APART;
        pass(&mut swarm, plan.phase(number));
        let false_before = false_downs(&swarm.views.take_changes(), &gone);
        let (at, observers) = (swarm.now(), swarm.views.observers(victim));
        swarm.crash(victim);
        gone.push(victim);
        swarm.run_until(next);
        let changes = swarm.views.take_changes();
        samples.add("false", (false_before + false_downs(&changes, &gone)) as f64);
        tell(&swarm, &changes, (victim, at), &observers, &mut samples);
    }
    samples.spend(&swarm.close_window(window), plan.nodes);
    samples
}

fn false_downs(changes: &[Change], gone: &[usize]) -> usize {
    downs(changes).filter(|(_, subject)| !gone.contains(subject)).count()
}

/// How long those that knew the victim took to call it unreachable.
fn tell(
    swarm: &Swarm,
    changes: &[Change],
    (victim, at): (usize, Tick),
    observers: &[usize],
    samples: &mut Samples,
) {
    let about = |change: &&Change| change.subject as usize == victim;
    let suspected = changes.iter().filter(about).find(|change| change.status == PeerStatus::Suspected);
    if let Some(first) = suspected {
        samples.add("suspected", first.at.since(at).as_secs_f64());
    }
    let mut told: BTreeMap<u32, f64> = BTreeMap::new();
    for change in changes.iter().filter(about) {
        if change.status == PeerStatus::Unreachable {
            told.entry(change.observer).or_insert(change.at.since(at).as_secs_f64());
        }
    }
    let live = observers.iter().filter(|observer| swarm.is_up(**observer));
    // Nor do those see it to whom it seems to be back.
    let sees = |observer: usize| swarm.views.status(observer, victim) == Some(PeerStatus::Unreachable);
    samples.add("unseen", live.clone().filter(|observer| !sees(**observer)).count() as f64);
    let live = live.count();
    let mut times: Vec<f64> = told.into_values().collect();
    times.sort_by(f64::total_cmp);
    for (name, share) in [("first", 0), ("half", 500), ("most", 990), ("all", 1_000)] {
        if let Some(time) = share_of(&times, live, share) {
            samples.add(name, time);
        }
    }
}
