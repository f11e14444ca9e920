//! What happens, and what is measured: as in the simulator, under its names.

use std::collections::BTreeMap;
use std::time::Duration;

use gossip_testkit::swarm::{Case, Plan, Samples, Scenario, Weather};

use crate::world::{Change, Meter, Sent, World};

const WARM: Duration = Duration::from_secs(30);
/// Before something happens it is measured for so long what idle costs.
const BEFORE: Duration = Duration::from_secs(20);

/// Whether foca can be in it.
pub(crate) fn is_known(case: &Case) -> bool {
    match case.scenario {
        Scenario::Idle { weather, .. } => weather == Weather::Fair,
        Scenario::Crash { .. }
        | Scenario::Message { .. }
        | Scenario::Split { .. }
        | Scenario::Blocked { .. } => true,
        _ => false,
    }
}

pub(crate) fn run(case: &Case, seed: u64) -> Samples {
    let plan = Plan { seed, nodes: case.nodes, loss: case.loss };
    match case.scenario {
        Scenario::Idle { seconds, .. } => idle(plan, seconds),
        Scenario::Crash { victims } => crash(plan, victims),
        Scenario::Message { each } => message(plan, each),
        Scenario::Split { seconds } => split(plan, seconds),
        Scenario::Blocked { count, millis } => blocked(plan, count, millis),
        _ => Samples::new(),
    }
}

/// What was sent since then, and how many seconds that is.
struct Window {
    since: Duration,
    meter: Meter,
}

impl Window {
    fn open(world: &World) -> Self {
        Self { since: world.now, meter: world.meter }
    }

    fn close(&self, world: &World) -> (Meter, f64) {
        let (now, was) = (world.meter, self.meter);
        let meter = Meter {
            datagrams: now.datagrams - was.datagrams,
            bytes: now.bytes - was.bytes,
            copies: now.copies - was.copies,
        };
        (meter, (world.now - self.since).as_secs_f64())
    }
}

fn downs<'c>(changes: &'c [Change]) -> impl Iterator<Item = &'c Change> + Clone + use<'c> {
    changes.iter().filter(|change| !change.is_there)
}

/// S1.
fn idle(plan: Plan, seconds: u64) -> Samples {
    let mut world = World::settled(plan, WARM);
    let window = Window::open(&world);
    world.pass(Duration::from_secs(seconds));
    let (meter, lasted) = window.close(&world);
    let (nodes, hours) = (plan.nodes as f64, seconds as f64 / 3_600.0);
    let gone = downs(&world.changes).count() as f64;
    let mut samples = Samples::new();
    samples.add("datagrams", meter.datagrams as f64 / nodes / lasted);
    samples.add("bytes", meter.bytes as f64 / nodes / lasted);
    samples.add("false", gone);
    samples.add("false per node-hour", gone / nodes / hours);
    samples.add("told per node-hour", world.changes.len() as f64 / nodes / hours);
    samples
}

/// S2.
fn crash(plan: Plan, victims: usize) -> Samples {
    let mut world = World::settled(plan, WARM);
    let (mut samples, mut gone) = (Samples::new(), Vec::new());
    for (number, victim) in plan.victims(victims).into_iter().enumerate() {
        let next = world.now + Duration::from_secs(40);
        world.pass(plan.phase(number));
        let mut wrong = false_downs(&world.changes, &gone);
        world.changes.clear();
        let (at, observers) = (world.now, world.observers(victim));
        world.crash(victim);
        gone.push(victim);
        world.run_until(next);
        wrong += false_downs(&world.changes, &gone);
        samples.add("false", wrong as f64);
        seen(&world, (victim, at), &observers, &mut samples);
        world.changes.clear();
    }
    samples
}

fn false_downs(changes: &[Change], gone: &[usize]) -> usize {
    downs(changes).filter(|change| !gone.contains(&change.subject)).count()
}

/// How long those that knew a victim took to call it gone.
fn seen(world: &World, (victim, at): (usize, Duration), observers: &[usize], samples: &mut Samples) {
    let mut first: BTreeMap<usize, f64> = BTreeMap::new();
    for change in downs(&world.changes).filter(|change| change.subject == victim) {
        first.entry(change.observer).or_insert((change.at - at).as_secs_f64());
    }
    let live = observers.iter().filter(|observer| world.is_up(**observer)).count();
    samples.add("unseen", (live - first.len().min(live)) as f64);
    let mut times: Vec<f64> = first.into_values().collect();
    times.sort_by(f64::total_cmp);
    for (name, share) in [("first", 0), ("half", 500), ("most", 990), ("all", 1_000)] {
        share_of(&times, live, share).into_iter().for_each(|time| samples.add(name, time));
    }
}

/// Of sorted values the smallest such that so many of 1,000 of a whole are not larger, if there are as many.
fn share_of(sorted: &[f64], whole: usize, share: usize) -> Option<f64> {
    sorted.get((whole * share).div_ceil(1_000).max(1) - 1).copied()
}

/// Names of the series of one kind of senders: time to half, to 99 % and to all, copies, bytes.
type Names = [&'static str; 5];
const ANY: Names = ["any half", "any most", "any all", "any copies", "any bytes"];
const ONE: Names = ["one half", "one most", "one all", "one copies", "one bytes"];
/// Messages before any counts.
const FIRST: usize = 20;

/// S3.
fn message(plan: Plan, each: usize) -> Samples {
    let mut world = World::settled(plan, WARM - BEFORE);
    let idle = idle_rate(&mut world);
    let all: Vec<usize> = (0..plan.nodes).collect();
    let senders = plan.senders(&all, FIRST + each);
    let (first, any) = senders.split_at(FIRST);
    let mut samples = Samples::new();
    send_all(&mut world, first);
    phase(&mut world, any, idle, ANY, &mut samples);
    phase(&mut world, &vec![any[0]; each], idle, ONE, &mut samples);
    world.pass(Duration::from_secs(40));
    let (any, one) = world.sent[FIRST..].split_at(each);
    any.iter().for_each(|sent| ages(sent, ANY, &mut samples));
    one.iter().for_each(|sent| ages(sent, ONE, &mut samples));
    for sent in &world.sent {
        let late = others(sent).filter_map(|at| Some((at? - sent.at).as_secs_f64()));
        late.for_each(|late| samples.add("late", late));
        samples.add("missing", others(sent).filter(Option::is_none).count() as f64);
    }
    samples.add("false", downs(&world.changes).count() as f64);
    samples
}

/// What all nodes together send in a second while nothing happens.
fn idle_rate(world: &mut World) -> f64 {
    let window = Window::open(world);
    world.pass(BEFORE);
    let (meter, lasted) = window.close(world);
    meter.bytes as f64 / lasted
}

fn send_all(world: &mut World, senders: &[usize]) {
    for sender in senders {
        world.send_message(*sender);
        world.pass(Duration::from_millis(500));
    }
}

/// Sends, and counts what that costs beside what idle does.
fn phase(world: &mut World, senders: &[usize], idle: f64, names: Names, samples: &mut Samples) {
    let (before, window) = (delivered(world), Window::open(world));
    send_all(world, senders);
    world.pass(Duration::from_secs(2));
    let (meter, lasted) = window.close(world);
    samples.add(names[3], meter.copies as f64 / (delivered(world) - before) as f64);
    let more = meter.bytes as f64 - idle * lasted;
    samples.add(names[4], more / world.plan.nodes as f64 / senders.len() as f64);
}

fn delivered(world: &World) -> usize {
    world.sent.iter().map(|sent| others(sent).flatten().count()).sum()
}

/// When it came to each that did not send it.
fn others(sent: &Sent) -> impl Iterator<Item = Option<Duration>> {
    let all = sent.reached.iter().enumerate();
    all.filter(|(node, _)| *node != sent.sender).map(|(_, reached)| *reached)
}

fn ages(sent: &Sent, names: Names, samples: &mut Samples) {
    let mut ages: Vec<f64> =
        others(sent).flatten().map(|at| (at - sent.at).as_secs_f64() * 1_000.0).collect();
    ages.sort_by(f64::total_cmp);
    for (name, share) in [(names[0], 500), (names[1], 990), (names[2], 1_000)] {
        share_of(&ages, sent.reached.len() - 1, share).into_iter().for_each(|age| samples.add(name, age));
    }
}

/// What healing costs is counted for so long,
const AFTER: Duration = Duration::from_secs(10);
/// and views are waited for longer than in the simulator.
const PATIENCE: Duration = Duration::from_secs(300);

/// S5.
fn split(plan: Plan, seconds: u64) -> Samples {
    let mut world = World::settled(plan, WARM - BEFORE);
    let idle = idle_rate(&mut world);
    let full = world.reachable;
    world.is_split = true;
    world.pass(Duration::from_secs(seconds));
    let parted = full - world.reachable.min(full);
    world.is_split = false;
    let (window, healed) = (Window::open(&world), world.now);
    let mut whole = None;
    world.run_until_whole(full, healed + AFTER, &mut whole);
    world.run_until(healed + AFTER);
    let (meter, lasted) = window.close(&world);
    world.run_until_whole(full, healed + PATIENCE, &mut whole);
    let mut samples = Samples::new();
    whole.into_iter().for_each(|whole| samples.add("healed", (whole - healed).as_secs_f64()));
    samples.add("pairs missing", (full - world.reachable.min(full)) as f64);
    samples.add("parted", parted as f64);
    let across = 2 * (plan.nodes / 2) * plan.nodes.div_ceil(2);
    samples.add("not parted", across.saturating_sub(parted) as f64);
    samples.add("bytes", (meter.bytes as f64 - idle * lasted) / plan.nodes as f64);
    samples
}

/// S6.
fn blocked(plan: Plan, count: usize, millis: u64) -> Samples {
    let mut world = World::settled(plan, WARM);
    let victims = plan.victims(count);
    let end = world.now + Duration::from_secs(120);
    while world.now < end {
        victims.iter().for_each(|victim| world.block(*victim));
        world.pass(Duration::from_millis(millis));
        victims.iter().for_each(|victim| world.unblock(*victim));
        world.pass(Duration::from_millis(1_024));
    }
    world.pass(Duration::from_secs(20));
    let is_victim = |node: usize| victims.contains(&node);
    let healthy = downs(&world.changes).filter(|change| !is_victim(change.subject));
    let mut samples = Samples::new();
    let by_healthy = healthy.clone().filter(|change| !is_victim(change.observer));
    samples.add("false by healthy", by_healthy.count() as f64);
    samples.add("false", healthy.count() as f64);
    samples.add(
        "blocked called down",
        downs(&world.changes).filter(|change| is_victim(change.subject)).count() as f64,
    );
    samples
}
