//! The sans-IO node: inputs go in, effects come out, one deadline is named.
//!
//! The node does no I/O, reads no clock and starts no task. A driver (the coordinator, or a
//! simulator) calls [`Node::handle`] with everything that happens and the present time, then takes
//! effects with [`Node::poll_effect`] until there are none, and calls again with
//! [`Input::Deadline`] when [`Node::deadline`] is due, and with [`Input::StoreReady`] when the store
//! is idle and [`Node::has_unwritten`]. The same seed and the same inputs give the same effects.
//!
//! Inside, in the order of the life of an entry:
//!
//! | module | idea |
//! |---|---|
//! | `append` | commands become runs, one commit at a time for each of our logs |
//! | `commit` | what the store acknowledged becomes truth; what it refused thaws again |
//! | `spread` | fresh runs go to linked peers at once |
//! | `tree` | or, in large groups, along a tree |
//! | `speak` | on which of a peer's links that is |
//! | `status` | how far peers are, and who waits for them |
//! | `outlook` | how much they are about to give or get |
//! | `delivered` | which of them hold an entry |
//! | `hint` | what came since a peer was last seen goes to it first |
//! | `claim` | which of our logs we may continue |
//! | `table`, `order`, `slab` | where logs lie: a hundred bytes each while they rest |
//! | `session`, `shared`, `peer`, `hello`, `scan`, `liveness` | who is there, and which channels are shared |
//! | `round` | digests are compared |
//! | `reconcile`, `exchange`, `act`, `sketches`, `scope` | sketches tell what differs, and it is given |
//! | `choice`, `chosen`, `left_out`, `scoped` | what is compared at all |
//! | `offer` | heights are offered, where that is cheaper |
//! | `fetch`, `fetches`, `serve`, `serve_ask`, `serve_pack`, `units` | what is missing is asked for and answered |
//! | `accept`, `sealed` | received runs are checked and handed to the store |
//! | `holes`, `holey`, `pick`, `refill`, `fill`, `serve_back` | what is missing below a height is asked for |
//! | `repair`, `erase`, `tell`, `import`, `import_back`, `import_branch` | damage isolated, payloads erased, logs brought by hand |
//! | `fork`, `fork_search`, `fork_claim`, `fork_part`, `fork_branch`, `fork_beyond`, `fork_held`, `fork_mend`, `fork_erased`, `forks` | two histories of one log |
//! | `members` | who belongs to the group, and who of them answers |
//! | `pieces` | messages larger than a frame |
//! | `admin`, `plan`, `prune`, `query`, `lifecycle`, `boot` | everything an application asks for besides |

mod accept;
mod act;
mod admin;
mod api;
mod append;
mod boot;
mod choice;
mod chosen;
mod claim;
mod command;
mod commit;
mod delivered;
mod erase;
mod event;
mod exchange;
mod fetch;
mod fetches;
mod fill;
mod fork;
mod fork_beyond;
mod fork_branch;
mod fork_claim;
mod fork_cut;
mod fork_erased;
mod fork_held;
mod fork_mend;
mod fork_part;
mod fork_search;
mod forks;
mod hello;
mod hint;
mod holes;
mod holey;
mod import;
mod import_back;
mod import_branch;
mod info;
mod left_out;
mod lifecycle;
mod liveness;
mod log;
mod members;
mod model;
mod offer;
mod ops;
mod order;
mod outlook;
mod peer;
mod pick;
mod pieces;
mod plan;
mod prune;
mod query;
mod reconcile;
mod refill;
mod repair;
mod round;
mod rtt;
mod scan;
mod scope;
mod scoped;
mod sealed;
mod serve;
mod serve_ask;
mod serve_back;
mod serve_pack;
mod session;
mod shared;
mod sketches;
mod slab;
mod speak;
mod spread;
mod status;
mod table;
mod tell;
#[cfg(test)]
mod tests;
mod timers;
mod tree;
mod units;
mod wheel;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

pub use self::api::{
    Boot, Class, CommandId, ConfigError, Effect, Frame, Input, LinkId, LinkLimits, NodeConfig, OpId,
};
pub use self::boot::Loading;
pub use self::choice::{Streams, SyncChoice, SyncRule};
pub use self::command::{Command, CommandError, ImportFloor, ImportPart, NodeState, Query, Reply};
pub use self::event::{Drop, DropReason, Event};
pub use self::info::{Health, LinkInfo, MemberInfo, PeerInfo, PeerStatus, StreamInfo, Traffic};
use self::model::Channel;
use self::ops::{Op, Ops};
use self::peer::Peer;
use self::session::Link;
pub use self::status::{Backlog, SyncStatus};
use self::table::Logs;
use self::timers::{Timer, Timers};
use crate::digest::keyed;
use crate::{ChannelId, Hlc, NodeId, NodeRecord, Now, Rng, SealCheck, Sealer, StoreRequest, StreamId, Tick};

/// One node of the network, as a state machine.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    max_version: u8,
    record: NodeRecord,
    sealer: Option<Arc<dyn Sealer>>,
    check: Box<dyn SealCheck>,
    clock: Hlc,
    rng: Rng,
    entropy: Entropy,
    now: Now,
    state: NodeState,
    effects: VecDeque<Effect>,
    timers: Timers,
    ops: Ops,
    channels: BTreeMap<ChannelId, Channel>,
    logs: Logs,
    peers: BTreeMap<NodeId, Peer>,
    links: BTreeMap<LinkId, Link>,
    members: members::Members,
    grove: tree::Grove,
    admin: admin::Admin,
    fetches: fetches::Fetches,
    exchanges: exchange::Exchanges,
    erasures: erase::Erasures,
    refills: refill::Refills,
    forks: forks::Forks,
    /// Bytes of runs handed to the store and not acknowledged.
    store_bytes: usize,
    /// Payload bytes of appends that wait.
    append_bytes: usize,
    /// Streams with appends that may be written, each once.
    unwritten: Vec<(ChannelId, StreamId)>,
    /// Waits until nothing is in flight.
    shutdown: Vec<CommandId>,
    hints: hint::Hints,
    waiters: status::Waiters,
    /// What is exchanged.
    choice: SyncChoice,
    deliveries: delivered::Deliveries,
    /// Logs that got their first entry, and one more.
    numbered: u32,
    stats: Stats,
}

/// What is only counted.
#[derive(Debug, Default)]
struct Stats {
    dropped: u64,
    store_failures: u64,
    traffic: Traffic,
    /// Entries stored or served since the start, and their encoded bytes.
    moved: (u64, u64),
    /// How often the channels for a link were looked up.
    #[cfg(test)]
    listed: std::cell::Cell<usize>,
}

impl Stats {
    fn count_run(&mut self, run: &crate::Run) {
        let (entries, bytes) = self.moved;
        self.moved = (entries + run.count(), bytes + run.encoded().len() as u64);
    }
}

/// Unpredictable bits, drawn from a secret of the operating system.
#[derive(Debug)]
struct Entropy {
    secret: [u8; 32],
    drawn: u64,
}

impl Entropy {
    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        keyed(&self.secret, b"gossip-entropy-1", &[&self.drawn.to_le_bytes()])
    }
}

impl Node {
    /// Takes in one thing that happened. Effects may follow.
    pub fn handle(&mut self, now: Now, input: Input) {
        self.now = Now { tick: now.tick.max(self.now.tick), wall: now.wall };
        self.notice_delay();
        match input {
            Input::Frame { link, bytes } => self.on_frame(link, &bytes),
            Input::LinkUp { peer, link, limits } => self.on_link_up(peer, link, limits),
            Input::LinkDown { link } => self.on_lost_link(link),
            Input::LinkCongested { link, congested } => self.on_congestion(link, congested),
            Input::Command { id, command } => self.on_command(id, command),
            Input::Stored { op, result } => self.on_stored(op, result),
            Input::StoreReady => self.write_all(),
            Input::Deadline => {}
        }
        while let Some(timer) = self.timers.take_due(self.now.tick) {
            self.on_timer(timer);
        }
        self.answer_waiters();
        self.finish_shutdown();
        self.logs.rest();
    }

    /// The next thing to do, until there is none.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// When to call again with [`Input::Deadline`] if nothing else happens before.
    #[must_use]
    pub fn deadline(&self) -> Option<Tick> {
        self.timers.deadline()
    }

    /// Who this is.
    #[must_use]
    pub fn id(&self) -> &NodeId {
        &self.record.id
    }

    /// Where it stands in its life.
    #[must_use]
    pub fn state(&self) -> NodeState {
        self.state
    }

    fn on_timer(&mut self, timer: Timer) {
        match timer {
            Timer::Hello(link) => self.repeat_hello(link),
            Timer::Ping(link) => self.probe(link),
            Timer::Scan(link) => self.repeat_scan(link),
            Timer::Round(link, channel) => self.round(link, &channel),
            Timer::Sketch(channel) => self.tend_sketches(&channel),
            Timer::Wants(link) => self.expire_wants(link),
            Timer::Pieces(peer) => self.repeat_pieces(&peer),
            Timer::Thaw(log) => self.thaw(log),
            Timer::Admin => self.repeat_job(),
            Timer::Store => {
                self.fetch_everywhere();
                self.refill();
            }
            Timer::Hints => self.save_hints(),
            Timer::Delivered => self.tend_callers(),
            Timer::Refill => self.expire_refills(),
            Timer::Tell(link, channel) => self.repeat_telling(link, channel),
            Timer::Erase(job) => self.step_erasure(job),
            Timer::Forks => self.look_at_branches(),
            Timer::Calm(link) => self.beat_calmly(link),
            Timer::Overlay => self.look_round(),
            Timer::Near => self.try_near(),
            Timer::Dead => self.try_the_dead(),
            Timer::Gone => self.forget_the_gone(),
            Timer::Table(link) => self.compare_tables(link),
            Timer::News => self.tell_rows(),
            Timer::Content(link) => self.compare_content(link),
            Timer::Have(link) => self.say_have(link),
            Timer::Missing(link) => self.ask_announced(link),
            Timer::Search(id) => self.tend_searches(id),
            Timer::Beat => self.pulse(),
            Timer::Due(link) => self.miss_beat(link),
            Timer::Doubt(key) => self.step_doubt(key),
            Timer::Suspicion(key) => self.judge_suspicion(key),
            Timer::Doze(key) => self.end_doze(key),
        }
    }

    fn store(&mut self, op: Op, request: StoreRequest) -> OpId {
        let op = self.ops.begin(op);
        self.effects.push_back(Effect::Store { op, request });
        op
    }

    fn reply(&mut self, id: CommandId, result: Result<Reply, CommandError>) {
        self.effects.push_back(Effect::Reply { id, result });
    }

    fn notify(&mut self, event: Event) {
        self.effects.push_back(Effect::Notify(event));
    }

    /// Counts and reports something from a peer that has no effect.
    fn drop_from(&mut self, peer: Option<NodeId>, reason: DropReason, detail: impl ToString) {
        self.stats.dropped += 1;
        self.notify(Event::Dropped(Drop { peer, reason, detail: detail.to_string() }));
    }
}
