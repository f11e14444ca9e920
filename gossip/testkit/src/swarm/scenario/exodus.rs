//! S8: a share of all crashes at once, under messages of those that stay.

use std::time::Duration;

use gossip_proto::Tick;

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::Samples;
use super::{WARM, downs, lateness, pass, send_all};

/// From one message to the next.
const APART: Duration = Duration::from_millis(500);
/// Messages before the crash,
const BEFORE: usize = 20;
/// and after it.
const AFTER: usize = 60;
/// What is missing then has this long to come.
const REPAIR: Duration = Duration::from_secs(40);

pub(super) fn run(plan: Plan, percent: usize) -> Samples {
    let mut swarm = settled(plan, WARM);
    let all = plan.victims(plan.nodes);
    let (victims, stay) = all.split_at(plan.nodes * percent / 100);
    let senders = plan.senders(stay, BEFORE + AFTER);
    let (first, rest) = senders.split_at(BEFORE);
    let window = swarm.open_window();
    send_all(&mut swarm, first, APART);
    let before = downs(&swarm.views.take_changes()).count();
    victims.iter().for_each(|victim| swarm.crash(*victim));
    send_all(&mut swarm, rest, APART);
    pass(&mut swarm, REPAIR);
    let mut samples = Samples::new();
    samples.spend(&swarm.close_window(window), plan.nodes);
    lateness(&swarm, stay, Tick(0), &mut samples);
    let changes = swarm.views.take_changes();
    let mut gone = vec![false; plan.nodes];
    victims.iter().for_each(|victim| gone[*victim] = true);
    let false_after = downs(&changes).filter(|(_, subject)| !gone[*subject]).count();
    samples.add("false", (before + false_after) as f64);
    let unseen = victims.iter().flat_map(|victim| swarm.views.observers(*victim));
    samples.add("unseen", unseen.filter(|observer| !gone[*observer]).count() as f64);
    samples
}
