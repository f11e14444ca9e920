//! Synchronisation over TCP on loopback, the two sides in processes of their own.
//!
//! | module | idea |
//! |---|---|
//! | `order` | what a party can be told, and what it answers |
//! | `party`, `reader`, `place` | the process that is told: a node, what reads it, its store |
//! | `child`, `pair` | the same as the parent holds it |
//! | `tap` | counts bytes by kind of message |
//! | `pipe` | the same work without gossip |
//! | `sans` | two nodes without sockets and tasks |
//! | `idle`, `delta`, `cold`, `beside`, `memory`, `live`, `evict`, `slow` | the rows |
//! | `goals` | what was aimed at, and what came of it |
//! | `peers` | other people's figures beside ours |

mod beside;
mod child;
mod cold;
mod delta;
mod evict;
mod goals;
mod idle;
mod live;
mod memory;
mod order;
mod pair;
mod party;
mod peers;
mod pipe;
mod place;
mod reader;
mod sans;
mod slow;
mod tap;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use self::goals::Goals;
use self::order::Keep;
pub(crate) use self::party::run as party;
use self::peers::Figures;
use crate::Outcome;

/// What to measure.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// Entries where the number is not part of the row.
    #[arg(long, default_value_t = 1_000_000)]
    entries: u64,
    /// Only this, may be given several times; everything by default.
    #[arg(long, value_enum)]
    only: Vec<Row>,
    /// What `gossip-peers` printed, to be shown beside ours.
    #[arg(long)]
    peers: Option<PathBuf>,
    /// Pairs of measurements beside the pipeline.
    #[arg(long, default_value_t = 3)]
    pairs: usize,
    /// Also what takes minutes: 10 M entries, 1 M logs.
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Row {
    Idle,
    Delta,
    Cold,
    Beside,
    Memory,
    Live,
    Evict,
    Slow,
}

/// Bytes in each entry.
const PAYLOAD: usize = 100;

impl Plan {
    fn wants(&self, row: Row) -> bool {
        self.only.is_empty() || self.only.contains(&row)
    }

    /// Stores to measure on: those that are built in.
    fn keeps(&self) -> &'static [Keep] {
        if cfg!(feature = "rocksdb") { &[Keep::Memory, Keep::Buffered] } else { &[Keep::Memory] }
    }
}

/// What was found.
#[derive(Default)]
struct Findings {
    figures: Figures,
    goals: Goals,
}

/// Measures what the plan asks for and prints it.
pub(crate) fn all(plan: &Plan) -> Outcome {
    type Measure = fn(&Plan, &mut Findings) -> Outcome;
    let rows: [(Row, Measure); 8] = [
        (Row::Idle, idle::measure),
        (Row::Delta, delta::measure),
        (Row::Cold, cold::measure),
        (Row::Beside, beside::measure),
        (Row::Memory, memory::measure),
        (Row::Live, live::measure),
        (Row::Evict, evict::measure),
        (Row::Slow, slow::measure),
    ];
    let mut findings = Findings::default();
    for (row, measure) in rows {
        if plan.wants(row) {
            measure(plan, &mut findings)?;
        }
    }
    findings.goals.print();
    match &plan.peers {
        Some(path) => findings.figures.beside(path),
        None => Ok(()),
    }
}
