//! What becomes of a datagram on its way: loss, splits, deaf directions, silent and flapping interfaces.

use std::time::Duration;

use gossip_proto::{Rng, Tick};

use super::plan::{Plan, Purpose};

/// Loss in bursts: interfaces are silent now and then (Gilbert 1960, Elliott 1963).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Bursts {
    /// Mean time between two silences of a node,
    pub(super) apart: Duration,
    /// and how long one lasts in the mean.
    pub(super) silent: Duration,
}

/// Nodes that come and go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flapping {
    /// Which.
    pub(super) nodes: Vec<usize>,
    /// They are gone so long
    pub(super) gone: Duration,
    /// out of so much.
    pub(super) period: Duration,
}

/// What is between the nodes.
#[derive(Debug)]
pub(super) struct Air {
    plan: Plan,
    loss: Rng,
    /// Only nodes of the same side hear each other.
    pub(super) split: Option<fn(usize) -> usize>,
    /// Of 1,000 ordered pairs so many cannot hear, although the other direction may work.
    pub(super) deaf: u64,
    bursts: Option<(Bursts, Vec<Interface>)>,
    flapping: Option<Flapping>,
}

/// One node's interface in a network with bursts.
#[derive(Debug)]
struct Interface {
    rng: Rng,
    silent: bool,
    until: Tick,
}

impl Air {
    pub(super) fn new(plan: Plan) -> Self {
        let loss = plan.rng(Purpose::Loss);
        Self { plan, loss, split: None, deaf: 0, bursts: None, flapping: None }
    }

    pub(super) fn set_bursts(&mut self, bursts: Bursts) {
        let interface = |node| {
            let rng = Rng::new(self.plan.mix(Purpose::Bursts, node as u64));
            Interface { rng, silent: true, until: Tick(0) }
        };
        self.bursts = Some((bursts, (0..self.plan.nodes).map(interface).collect()));
    }

    pub(super) fn set_flapping(&mut self, flapping: Flapping) {
        self.flapping = Some(flapping);
    }

    /// Whether anything can pass from one node to another now, loss aside.
    fn connects(&mut self, now: Tick, from: usize, to: usize) -> bool {
        let is_split = self.split.is_some_and(|side| side(from) != side(to));
        !is_split
            && !self.is_deaf(from, to)
            && !self.is_gone(now, from)
            && !self.is_gone(now, to)
            && !self.is_silent(now, from)
            && !self.is_silent(now, to)
    }

    /// Whether this datagram passes.
    pub(super) fn passes(&mut self, now: Tick, from: usize, to: usize) -> bool {
        let lost = self.plan.loss > 0 && self.loss.chance(self.plan.loss);
        self.connects(now, from, to) && !lost
    }

    fn is_deaf(&self, from: usize, to: usize) -> bool {
        let pair = (from as u64) << 32 | to as u64;
        self.deaf > 0 && Rng::new(self.plan.mix(Purpose::Deaf, pair)).chance(self.deaf)
    }

    fn is_gone(&self, now: Tick, node: usize) -> bool {
        let Some(flapping) = self.flapping.as_ref().filter(|f| f.nodes.contains(&node)) else { return false };
        let period = flapping.period.as_micros() as u64;
        let moved = Rng::new(self.plan.mix(Purpose::Phase, node as u64)).below(period);
        Duration::from_micros((now.0 + moved) % period) < flapping.gone
    }

    fn is_silent(&mut self, now: Tick, node: usize) -> bool {
        let Some((bursts, interfaces)) = &mut self.bursts else { return false };
        let interface = &mut interfaces[node];
        while interface.until <= now {
            interface.silent = !interface.silent;
            interface.until = interface.until
                + match interface.silent {
                    true => up_to_twice(bursts.silent, &mut interface.rng),
                    false => exponential(bursts.apart, &mut interface.rng),
                };
        }
        interface.silent
    }
}

/// A drawn duration of this mean, at most twice as long: who is silent for longer is rightly called unreachable.
fn up_to_twice(mean: Duration, rng: &mut Rng) -> Duration {
    Duration::from_micros(1 + rng.below(2 * mean.as_micros() as u64))
}

/// A drawn duration of this mean, memoryless, at least a microsecond.
fn exponential(mean: Duration, rng: &mut Rng) -> Duration {
    let uniform = (rng.next_u64() >> 11) as f64 / (1u64 << 53) as f64;
    mean.mul_f64(-(1.0 - uniform).ln()).max(Duration::from_micros(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAN: Plan = Plan { seed: 3, nodes: 40, loss: 0 };

    /// Of 10,000 datagrams, one each 10 ms between changing pairs, so many pass.
    fn passed(air: &mut Air) -> usize {
        let pair = |at: u64| ((at % 40) as usize, ((at / 40 + at % 40 + 1) % 40) as usize);
        (0..10_000)
            .filter(|at| {
                let (from, to) = pair(*at);
                air.passes(Tick(at * 10_000), from, to)
            })
            .count()
    }

    #[test]
    fn loss_is_what_was_wanted() {
        let mut air = Air::new(Plan { loss: 300, ..PLAN });
        assert!((6_800..7_200).contains(&passed(&mut air)));
        assert_eq!(passed(&mut Air::new(PLAN)), 10_000);
    }

    #[test]
    fn a_split_parts_the_sides_and_leaves_each_whole() {
        let mut air = Air::new(PLAN);
        air.split = Some(|node| node % 2);
        assert!(!air.passes(Tick(0), 1, 2) && air.passes(Tick(0), 1, 3));
    }

    #[test]
    fn who_is_deaf_may_still_be_heard() {
        let mut air = Air::new(PLAN);
        air.deaf = 100;
        let pairs = (0..40).flat_map(|a| (0..40).map(move |b| (a, b)));
        let deaf: Vec<(usize, usize)> = pairs.filter(|(a, b)| !air.connects(Tick(0), *a, *b)).collect();
        assert!((100..230).contains(&deaf.len()), "{}", deaf.len());
        assert!(deaf.iter().any(|(a, b)| air.connects(Tick(0), *b, *a)));
    }

    #[test]
    fn silences_take_their_share_of_the_time() {
        let mut air = Air::new(PLAN);
        air.set_bursts(Bursts { apart: Duration::from_secs(9), silent: Duration::from_secs(1) });
        // Both ends have to be awake: 0.9 * 0.9.
        assert!((7_600..8_600).contains(&passed(&mut air)));
    }

    #[test]
    fn whoever_flaps_is_gone_for_its_part_of_the_period() {
        let mut air = Air::new(PLAN);
        let (gone, period) = (Duration::from_secs(3), Duration::from_secs(10));
        air.set_flapping(Flapping { nodes: vec![4], gone, period });
        let heard = (0..1_000).filter(|at| air.passes(Tick(at * 100_000), 4, 5)).count();
        assert_eq!(heard, 700);
        assert!((0..1_000).all(|at| air.passes(Tick(at * 100_000), 6, 5)));
    }
}
