//! S3: messages of random senders, then of a single one.

use std::time::Duration;

use super::super::overlay::settled;
use super::super::plan::Plan;
use super::super::samples::{Samples, share_of};
use super::super::world::Swarm;
use super::{BEFORE, CALM, downs, idle_rate, lateness, pass, send_all};

/// From one message to the next.
const APART: Duration = Duration::from_millis(500);
/// Messages before any counts.
const FIRST: usize = 20;
/// What is still on its way when the last one was sent is counted with it.
const REST: Duration = Duration::from_secs(2);
/// What was lost has this long to come.
const REPAIR: Duration = Duration::from_secs(40);

/// Names of the series of one kind of senders: time to half, to 99 % and to all, copies, bytes.
type Names = [&'static str; 5];
const ANY: Names = ["any half", "any most", "any all", "any copies", "any bytes"];
const ONE: Names = ["one half", "one most", "one all", "one copies", "one bytes"];

pub(super) fn run(plan: Plan, each: usize) -> Samples {
    let mut swarm = settled(plan, CALM - BEFORE);
    let idle = idle_rate(&mut swarm);
    let all: Vec<usize> = (0..plan.nodes).collect();
    let senders = plan.senders(&all, FIRST + each);
    let (first, any) = senders.split_at(FIRST);
    let mut samples = Samples::new();
    send_all(&mut swarm, first, APART);
    let from = swarm.deliveries.sent().len();
    phase(&mut swarm, any, idle, ANY, &mut samples);
    let middle = swarm.deliveries.sent().len();
    phase(&mut swarm, &vec![any[0]; each], idle, ONE, &mut samples);
    pass(&mut swarm, REPAIR);
    times(&swarm, from..middle, ANY, &mut samples);
    times(&swarm, middle..middle + each, ONE, &mut samples);
    lateness(&swarm, &all, gossip_proto::Tick(0), &mut samples);
    samples.add("false", downs(&swarm.views.take_changes()).count() as f64);
    samples
}

/// Sends and counts what that costs beside what idle does.
fn phase(swarm: &mut Swarm, senders: &[usize], idle: f64, names: Names, samples: &mut Samples) {
    let delivered = swarm.deliveries.delivered();
    let window = swarm.open_window();
    send_all(swarm, senders, APART);
    pass(swarm, REST);
    let spent = swarm.close_window(window);
    let delivered = swarm.deliveries.delivered() - delivered;
    let (nodes, messages) = (swarm.plan.nodes, senders.len() as f64);
    samples.spend(&spent, nodes);
    samples.add(names[3], spent.meter.copies as f64 / delivered as f64);
    let more = spent.meter.bytes as f64 - idle * spent.seconds;
    samples.add(names[4], more / nodes as f64 / messages);
}

fn times(swarm: &Swarm, messages: std::ops::Range<usize>, names: Names, samples: &mut Samples) {
    let others = swarm.plan.nodes - 1;
    for sent in &swarm.deliveries.sent()[messages] {
        let mut ages: Vec<_> = (0..swarm.plan.nodes).filter_map(|node| sent.age_at(node)).collect();
        ages.sort_unstable();
        for (name, share) in [(names[0], 500), (names[1], 990), (names[2], 1_000)] {
            if let Some(age) = share_of(&ages, others, share) {
                samples.add(name, age.as_secs_f64() * 1_000.0);
            }
        }
    }
}
