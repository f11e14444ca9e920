//! One machine: a node while it runs, its disk, its wall clock.

use gossip_proto::node::{Boot, Node};
use gossip_proto::{Arrival, ChannelId, Hint, Now, Rng, Tick, WallMs};

use super::disk::Disk;
use super::plan::HostPlan;
use super::seals::Scheme;

/// Where every wall clock stands when the simulation begins.
const DAWN: i64 = 1_700_000_000_000;
/// Starts in 1,000 with hints that are not true.
const SPOILT: u64 = 150;

/// One machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) plan: HostPlan,
    pub(super) node: Option<Node>,
    /// Counts starts, so that what was meant for an earlier life is not delivered.
    pub(super) boot: u64,
    pub(super) disk: Disk,
    /// The node said it is running: its ports are open.
    pub(super) running: bool,
    /// For which deadline a happening is planned.
    pub(super) armed: Option<Tick>,
    /// The next write will meet a crash in its middle, of the process or (true) of the power.
    pub(super) doomed: Option<bool>,
    /// When the writer lane's last reply reaches the node.
    pub(super) answered: Tick,
    /// Deadlines served without time moving on.
    pub(super) spins: (Tick, u32),
    /// Milliseconds the wall clock is off.
    skew: i64,
    scheme: Scheme,
    rng: Rng,
}

impl Host {
    pub(super) fn new(plan: HostPlan, scheme: Scheme, mut rng: Rng) -> Self {
        let disk = Disk::new(plan.id.clone(), plan.durability, Rng::new(rng.next_u64()));
        Self {
            skew: plan.skew,
            plan,
            node: None,
            boot: 0,
            disk,
            running: false,
            armed: None,
            doomed: None,
            answered: Tick(0),
            spins: (Tick(0), 0),
            scheme,
            rng,
        }
    }

    pub(super) fn now(&self, tick: Tick) -> Now {
        let wall = DAWN + (tick.0 / 1000) as i64 + self.skew;
        Now { tick, wall: WallMs(wall.max(0) as u64) }
    }

    pub(super) fn jump(&mut self, millis: i64) {
        self.skew += millis;
    }

    /// Starts a node from the disk, with new randomness. Answers whether hints about peers were spoilt.
    pub(super) fn start(&mut self, tick: Tick) -> bool {
        let mut secret = [0; 32];
        for part in secret.chunks_mut(8) {
            part.copy_from_slice(&self.rng.next_u64().to_le_bytes());
        }
        let Disk { volume, open, .. } = &self.disk;
        let mut inventory = volume.inventory(self.plan.durability, *open);
        let (record, config, seed) = (volume.record.clone(), self.plan.config.clone(), self.rng.next_u64());
        let spoilt = spoil(&mut inventory.hints, &mut Rng::new(seed));
        let boot = Boot::new(record, inventory, config, seed, secret);
        let boot = self.plan.signing.equip(self.scheme, boot);
        let boot = Boot { max_version: self.plan.version, ..boot };
        self.boot += 1;
        self.armed = None;
        self.running = false;
        self.disk.open = true;
        self.node = Some(Node::new(self.now(tick), boot));
        spoilt
    }

    /// The node and all its memory are gone.
    pub(super) fn halt(&mut self) {
        self.node = None;
        self.running = false;
        self.armed = None;
    }
}

/// What is remembered of peers need not be true: it may say too much or too little.
fn spoil(hints: &mut [(ChannelId, Vec<Hint>)], rng: &mut Rng) -> bool {
    if !rng.chance(SPOILT) {
        return false;
    }
    let mut spoilt = false;
    for hint in hints.iter_mut().flat_map(|(_, of)| of) {
        hint.arrival = Arrival(rng.below(2 * hint.arrival.0 + 1));
        hint.digest[0] ^= u8::from(rng.chance(500));
        spoilt = true;
    }
    spoilt
}
