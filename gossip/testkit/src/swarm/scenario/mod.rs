//! The scenarios S1 to S9, as data and as what is done.
//!
//! | scenario | what happens |
//! |---|---|
//! | S1 `idle` | nothing, in fair weather or foul |
//! | S2 `crash` | one after another is gone without a word |
//! | S3 `message` | messages of random senders, then of one |
//! | S4 `join` | all start alone and know one of them |
//! | S5 `split` | two halves for a minute |
//! | S6 `blocked` | some processes cannot do I/O again and again |
//! | S7 `leave` | one after another says goodbye |
//! | S8 `exodus` | a share of all is gone at once, under messages |
//! | S9 `apart` | messages through a split |
//!
//! In all of them the nodes know each other beforehand and are left alone for half a minute, except where they
//! join.

mod apart;
mod blocked;
mod crash;
mod exodus;
mod idle;
mod join;
mod leave;
mod message;
mod split;

use std::time::Duration;

use gossip_proto::Tick;
use gossip_proto::node::PeerStatus;

use super::plan::Plan;
use super::samples::Samples;
use super::views::Change;
use super::world::Swarm;

/// How long nodes are left alone at first.
const WARM: Duration = Duration::from_secs(30);
/// The same where what happens is measured beside what idle costs: by then nothing is left of joining, at any loss.
const CALM: Duration = Duration::from_secs(90);
/// A time before something happens in which is measured what idle costs.
const BEFORE: Duration = Duration::from_secs(20);

/// What the network does while nothing else happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    /// What the plan says.
    Fair,
    /// One ordered pair in twenty cannot hear.
    OneWay,
    /// Every interface is silent for 0.3 s in 20.
    Bursts,
    /// One node in twenty is gone for 6 s in 16.
    Flapping,
    /// One node in ten has said that it dozes, and says nothing.
    Dozing,
}

/// What happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scenario {
    /// S1: nothing.
    Idle {
        /// For how long.
        seconds: u64,
        /// And in which weather.
        weather: Weather,
    },
    /// S2: nodes crash, 40 s apart.
    Crash {
        /// How many.
        victims: usize,
    },
    /// S3: messages of 100 bytes, twice a second: of random senders, then of a single one.
    Message {
        /// Of each kind.
        each: usize,
    },
    /// S4: everybody starts within a second and knows only node 0.
    Join,
    /// S5: even and odd nodes do not hear each other, then do again.
    Split {
        /// For how long.
        seconds: u64,
    },
    /// S6: the same nodes are blocked, and free for 1.024 s, in turn, for two minutes.
    Blocked {
        /// How many.
        count: usize,
        /// For how long at a time.
        millis: u64,
    },
    /// S7: nodes leave, 2 s apart.
    Leave {
        /// How many.
        leavers: usize,
    },
    /// S8: many crash at once under two messages a second of those that stay.
    Exodus {
        /// How many of 100.
        percent: usize,
    },
    /// S9: a message a second through a split.
    Apart {
        /// For how long.
        seconds: u64,
    },
}

impl Scenario {
    /// As the scenarios are numbered.
    #[must_use]
    pub const fn id(&self) -> &'static str {
        match self {
            Self::Idle { .. } => "S1",
            Self::Crash { .. } => "S2",
            Self::Message { .. } => "S3",
            Self::Join => "S4",
            Self::Split { .. } => "S5",
            Self::Blocked { .. } => "S6",
            Self::Leave { .. } => "S7",
            Self::Exodus { .. } => "S8",
            Self::Apart { .. } => "S9",
        }
    }

    /// For a person.
    #[must_use]
    pub fn title(&self) -> String {
        match self {
            Self::Idle { seconds, weather: Weather::Fair } => format!("idle {seconds} s"),
            Self::Idle { seconds, weather } => format!("idle {seconds} s, {weather:?}"),
            Self::Crash { victims } => format!("crash of {victims}"),
            Self::Message { each } => format!("{each} messages each"),
            Self::Join => "all join node 0".into(),
            Self::Split { seconds } => format!("split of {seconds} s"),
            Self::Blocked { count, millis } => format!("{count} blocked {millis} ms"),
            Self::Leave { leavers } => format!("{leavers} leave"),
            Self::Exodus { percent } => format!("crash of {percent} % at once"),
            Self::Apart { seconds } => format!("messages in a split of {seconds} s"),
        }
    }

    /// Runs it once.
    #[must_use]
    pub fn run(&self, plan: Plan) -> Samples {
        match *self {
            Self::Idle { seconds, weather } => idle::run(plan, seconds, weather),
            Self::Crash { victims } => crash::run(plan, victims),
            Self::Message { each } => message::run(plan, each),
            Self::Join => join::run(plan),
            Self::Split { seconds } => split::run(plan, seconds),
            Self::Blocked { count, millis } => blocked::run(plan, count, millis),
            Self::Leave { leavers } => leave::run(plan, leavers),
            Self::Exodus { percent } => exodus::run(plan, percent),
            Self::Apart { seconds } => apart::run(plan, seconds),
        }
    }
}

/// Lets some more time pass.
fn pass(swarm: &mut Swarm, time: Duration) {
    swarm.run_until(swarm.now() + time);
}

/// Who was told to be unreachable, by whom, one for each time.
fn downs(changes: &[Change]) -> impl Iterator<Item = (usize, usize)> + Clone {
    let told = changes.iter().filter(|change| change.status == PeerStatus::Unreachable);
    told.map(|change| (change.observer as usize, change.subject as usize))
}

/// What all nodes together send in a second while nothing happens.
fn idle_rate(swarm: &mut Swarm) -> f64 {
    let window = swarm.open_window();
    pass(swarm, BEFORE);
    let spent = swarm.close_window(window);
    spent.meter.bytes as f64 / spent.seconds
}

/// Sends a message of each of these, the first now and the others each a time later.
fn send_all(swarm: &mut Swarm, senders: &[usize], apart: Duration) {
    for sender in senders {
        swarm.send_message(*sender);
        pass(swarm, apart);
    }
}

/// How late messages came to nodes, counted from a moment or from when they were sent if that was later; and
/// how often one never came.
fn lateness(swarm: &Swarm, nodes: &[usize], after: Tick, samples: &mut Samples) {
    for sent in swarm.deliveries.sent() {
        let others = nodes.iter().filter(|node| **node != sent.sender);
        let mut missing = 0;
        for node in others {
            match sent.late_at(*node, after) {
                Some(late) => samples.add("late", late.as_secs_f64()),
                None => missing += 1,
            }
        }
        samples.add("missing", f64::from(missing));
    }
}
