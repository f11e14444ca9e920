//! Everything a seed decides before the first happening.

use std::collections::BTreeSet;
use std::time::Duration;

use gossip_proto::node::{LinkLimits, NodeConfig};
use gossip_proto::wire::{OFFERED_VERSION, WIRE_VERSIONS};
use gossip_proto::{ChannelId, Durability, NodeId, Rng, StreamId};

use super::Options;
use super::seals::{self, Scheme, Sealed, Signing};
use super::topology::Shape;

/// Seeds in 1,000, of those without seals, with a host that speaks only the oldest wire version,
const OLD: u64 = 300;
/// and with one that lies.
const LIAR: u64 = 100;
/// Hosts in 1,000 that tell others of each other, in a fifth of seeds each.
const EXCHANGE: [u64; 5] = [1_000, 1_000, 1_000, 500, 0];

/// How hard a seed is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// Little goes wrong.
    Calm,
    /// Some loss, some crashes.
    Rough,
    /// Loss of 15 to 30 %, troubles several times a second.
    Harsh,
}

/// One possible link between two hosts.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    pub(super) ends: [usize; 2],
    pub(super) limits: LinkLimits,
    /// Microseconds one way.
    pub(super) delay: u64,
    /// Bytes a second.
    pub(super) rate: u64,
    /// Bytes an outbox holds.
    pub(super) outbox: usize,
}

/// What is lost and doubled, in 1,000.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    pub(super) loss: u64,
    pub(super) duplicate: u64,
    /// Most extra delay, in multiples of the delay of the link: what reorders.
    pub(super) jitter: u64,
}

/// A channel of the world: its streams, and the hosts that are to have it.
#[derive(Debug, Clone)]
pub(super) struct ChannelPlan {
    pub(super) id: ChannelId,
    pub(super) streams: Vec<StreamId>,
    pub(super) members: BTreeSet<usize>,
}

/// What differs between hosts.
#[derive(Debug, Clone)]
pub(super) struct HostPlan {
    pub(super) id: NodeId,
    pub(super) signing: Signing,
    pub(super) config: NodeConfig,
    pub(super) durability: Durability,
    /// How far its wall clock is off, in milliseconds.
    pub(super) skew: i64,
    /// It takes only small payloads into the channels it creates.
    pub(super) modest: Option<u64>,
    /// The newest wire version it speaks.
    pub(super) version: u8,
}

/// A drawn world.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) severity: Severity,
    pub(super) shape: Shape,
    pub(super) hosts: Vec<HostPlan>,
    /// Whose ids are keys, and how they sign.
    pub(super) sealed: Sealed,
    pub(super) scheme: Scheme,
    pub(super) edges: Vec<Edge>,
    pub(super) channels: Vec<ChannelPlan>,
    pub(super) storm: Weather,
    /// After the storm.
    pub(super) after: Weather,
    pub(super) storm_length: Duration,
    /// Typical payload in bytes, and the largest.
    pub(super) payload: (u64, u64),
    /// Mean pause between two commands.
    pub(super) work_pause: Duration,
    /// Mean pause between two troubles.
    pub(super) trouble_pause: Duration,
    /// A host that lies to its peers.
    pub(super) liar: Option<usize>,
}

/// A generator for one concern of a seed: drawing more in one leaves the others alone.
pub(super) fn rng_for(seed: u64, concern: u64) -> Rng {
    let mut mix = Rng::new(seed ^ concern.wrapping_mul(0xd6e8_feb8_6659_fd93));
    mix.next_u64();
    Rng::new(mix.next_u64() ^ seed.rotate_left(32))
}

/// A number between both, both included.
pub(super) fn between(rng: &mut Rng, low: u64, high: u64) -> u64 {
    low + rng.below(high - low + 1)
}

impl Plan {
    pub(super) fn draw(seed: u64, Options { harsh, sealed, .. }: Options) -> Self {
        let rng = &mut rng_for(seed, 1);
        let severity = match rng.below(10) {
            _ if harsh => Severity::Harsh,
            0..2 => Severity::Calm,
            2..6 => Severity::Rough,
            _ => Severity::Harsh,
        };
        let count = between(rng, 3, 8) as usize;
        let shape = Shape::draw(rng);
        let payload_limit = [4 << 10, 32 << 10, 256 << 10][rng.below(3) as usize];
        let mut hosts: Vec<_> = (0..count).map(|index| draw_host(index, payload_limit, rng)).collect();
        let (sealed, scheme) = seals::draw(seed, sealed, &mut hosts);
        let liar = draw_company(&mut hosts, &mut rng_for(seed, 6));
        draw_exchange(&mut hosts, &mut rng_for(seed, 10));
        let pause = |rng: &mut Rng, low, high| Duration::from_millis(between(rng, low, high));
        let trouble_pause = match severity {
            Severity::Calm => pause(rng, 4_000, 10_000),
            Severity::Rough => pause(rng, 800, 3_000),
            Severity::Harsh => pause(rng, 150, 800),
        };
        Self {
            seed,
            severity,
            shape,
            edges: draw_edges(shape, count, payload_limit, rng),
            hosts,
            sealed,
            scheme,
            channels: draw_channels(count, rng),
            storm: draw_storm(severity, rng),
            after: draw_after(rng),
            storm_length: pause(rng, 4_000, 20_000),
            payload: ([40, 200, 2_000][rng.below(3) as usize], payload_limit),
            work_pause: pause(rng, 20, 200),
            trouble_pause,
            liar,
        }
    }

    /// The world in one line.
    pub(super) fn describe(&self) -> String {
        format!(
            "{:?}, {} hosts, sealed {:?} {:?}, {:?} of {} edges, {} channels, loss {} then {}, payloads {:?}, \
             storm of {:?}, versions {:?}, exchange {:?}, liar {:?}",
            self.severity,
            self.hosts.len(),
            self.sealed,
            self.scheme,
            self.shape,
            self.edges.len(),
            self.channels.len(),
            self.storm.loss,
            self.after.loss,
            self.payload,
            self.storm_length,
            self.hosts.iter().map(|host| host.version).collect::<Vec<_>>(),
            self.hosts.iter().map(|host| u8::from(host.config.peer_exchange)).collect::<Vec<_>>(),
            self.liar,
        )
    }
}

fn draw_host(index: usize, payload_limit: u64, rng: &mut Rng) -> HostPlan {
    let skew = match rng.below(10) {
        0 => between(rng, 0, 7_200_000) as i64 - 3_600_000,
        _ => between(rng, 0, 4_000) as i64 - 2_000,
    };
    let durability = if rng.chance(250) { Durability::Buffered } else { Durability::Sync };
    let millis = |rng: &mut Rng, low, high| Duration::from_millis(between(rng, low, high));
    let config = NodeConfig {
        max_drift: Duration::from_secs(between(rng, 1, 300)),
        payload_limit,
        window_bytes: 64 << (10 + rng.below(3)),
        store_budget_bytes: 64 << (10 + rng.below(5)),
        append_queue_bytes: (payload_limit as usize) << rng.below(4),
        round_min: millis(rng, 5, 50),
        round_max: millis(rng, 1_000, 20_000),
        keepalive: millis(rng, 1_000, 15_000),
        message_bytes: payload_limit as usize + (64 << (10 + rng.below(5))),
        max_links: 64,
        max_logs: 4_096,
        peer_exchange: true,
        max_members: 64,
        follow_erasures: true,
    };
    let modest = rng.chance(80).then_some(150);
    let (id, version) = (NodeId::new(format!("n{index}")).expect("a valid id"), OFFERED_VERSION);
    HostPlan { id, signing: Signing::PLAIN, config, durability, skew, modest, version }
}

/// Who among the hosts is not as the others: in some seeds one speaks only an older version, in some one
/// lies. Floors have no seals in the oldest one, so nobody signs where it is spoken.
fn draw_company(hosts: &mut [HostPlan], rng: &mut Rng) -> Option<usize> {
    let count = hosts.len() as u64;
    let any = |rng: &mut Rng| rng.below(count) as usize;
    let is_sealed = hosts.iter().any(|host| host.signing.signs());
    if rng.chance(OLD) && !is_sealed {
        let oldest = *WIRE_VERSIONS.start();
        hosts[any(rng)].version = oldest + rng.below(u64::from(OFFERED_VERSION - oldest)) as u8;
    }
    rng.chance(LIAR).then(|| any(rng))
}

/// Who tells its peers of each other.
fn draw_exchange(hosts: &mut [HostPlan], rng: &mut Rng) {
    let share = EXCHANGE[rng.below(EXCHANGE.len() as u64) as usize];
    hosts.iter_mut().for_each(|host| host.config.peer_exchange = rng.chance(share));
}

fn draw_edges(shape: Shape, count: usize, payload_limit: u64, rng: &mut Rng) -> Vec<Edge> {
    let mut edges = Vec::new();
    for (a, b) in shape.pairs(count, rng) {
        edges.push(draw_edge([a, b], payload_limit, rng));
        if rng.chance(100) {
            edges.push(draw_edge([a, b], payload_limit, rng));
        }
    }
    edges
}

fn draw_edge(ends: [usize; 2], payload_limit: u64, rng: &mut Rng) -> Edge {
    let stream_like = rng.chance(350);
    let tiny = payload_limit < 100_000 && rng.chance(400);
    let max_frame = if tiny { between(rng, 256, 512) } else { between(rng, 1_200, 100_000) };
    let rate = [60_000, 1_000_000, 20_000_000][rng.below(3) as usize];
    // A frame takes at most a quarter of a second, a full outbox two seconds.
    let max_frame = max_frame.min(rate / 4);
    let outbox = (max_frame * between(rng, 2, 60)).min(rate * 2) as usize;
    let limits = LinkLimits {
        max_frame: max_frame as usize,
        ordered: stream_like,
        reliable: stream_like,
        notices_loss: false,
        cost: between(rng, 1, 3) as u8,
    };
    Edge { ends, limits, delay: between(rng, 100, 40_000), rate, outbox }
}

fn draw_channels(count: usize, rng: &mut Rng) -> Vec<ChannelPlan> {
    (0..between(rng, 1, 3))
        .map(|channel| {
            let everyone = channel == 0 && rng.chance(700);
            let members = (0..count).filter(|_| everyone || rng.chance(700)).collect();
            let streams =
                (0..between(rng, 1, 3)).map(|s| StreamId::new(format!("s{s}")).expect("a valid id"));
            ChannelPlan {
                id: ChannelId::new(format!("c{channel}")).expect("a valid id"),
                streams: streams.collect(),
                members,
            }
        })
        .collect()
}

fn draw_storm(severity: Severity, rng: &mut Rng) -> Weather {
    let (loss, duplicate) = match severity {
        Severity::Calm => (between(rng, 0, 20), between(rng, 0, 10)),
        Severity::Rough => (between(rng, 20, 150), between(rng, 0, 100)),
        Severity::Harsh => (between(rng, 150, 300), between(rng, 20, 250)),
    };
    Weather { loss, duplicate, jitter: rng.below(6) }
}

fn draw_after(rng: &mut Rng) -> Weather {
    let loss = if rng.chance(500) { between(rng, 10, 100) } else { 0 };
    Weather { loss, duplicate: loss / 2, jitter: rng.below(3) }
}
