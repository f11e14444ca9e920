//! A seeded simulator: a world of real nodes in virtual time on one thread.
//!
//! A seed decides everything: how many hosts, how they are linked, the weather, the disks, what
//! the applications do and what goes wrong. The same seed gives the same trace, so a failure is a
//! number. While the storm lasts and after it, invariants look at every step; at the end all who
//! share a stream must hold the same, accept something fresh, and fall silent.
//!
//! | module | idea |
//! |---|---|
//! | `plan`, `topology` | what a seed decides beforehand |
//! | `world`, `happen`, `calendar` | nodes driven through their doors, in virtual time |
//! | `host`, `seals`, `disk`, `net` | a machine, how it signs, its dumb disk, the network between |
//! | `client`, `work` | what applications want and do |
//! | `storm`, `restore`, `twin`, `liar`, `settle`, `stuck` | what goes wrong; how it ends |
//! | `group` | who tells whom of others, and how often |
//! | `fact`, `invariants` | what is seen, and what must hold |
//! | `pair` | two nodes, one link and nothing left to chance: bytes and round trips counted |
//! | `coverage`, `trace`, `wiretap` | what was reached, what happened, what was sent |

mod calendar;
mod choosy;
mod client;
mod coverage;
pub(crate) mod disk;
mod fact;
mod group;
mod happen;
mod host;
mod invariants;
mod liar;
mod net;
pub mod pair;
mod plan;
mod restore;
mod seals;
mod settle;
mod storm;
mod stuck;
mod topology;
mod trace;
mod twin;
mod wiretap;
mod work;
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use self::coverage::Coverage;
pub use self::plan::Severity;
pub use self::seals::Sealed;

/// How to run a seed.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Harsh weather whatever the seed says.
    pub harsh: bool,
    /// Whose ids are keys, whatever the seed says.
    pub sealed: Option<Sealed>,
    /// Keep the last lines of the trace in words.
    pub record: bool,
}

/// An invariant that did not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Its name: the file under `invariants/`.
    pub invariant: &'static str,
    /// What was seen.
    pub what: String,
}

/// What became of a seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The first invariant that did not hold, if any.
    pub violation: Option<Violation>,
    /// How hard the seed was.
    pub severity: Severity,
    /// The drawn world in one line.
    pub setting: String,
    /// What was reached.
    pub coverage: Coverage,
    /// Hash over everything that happened: equal for equal seeds and options.
    pub trace_hash: u64,
    /// The last lines of the trace, if recorded.
    pub trace: Vec<String>,
    /// Virtual seconds that passed.
    pub seconds: u64,
    /// Frames that nodes sent.
    pub frames: u64,
}

/// Runs one seed from the first boot to the last check.
#[must_use]
pub fn run(seed: u64, options: Options) -> Outcome {
    let plan = plan::Plan::draw(seed, options);
    let severity = plan.severity;
    let setting = plan.describe();
    let mut world = world::World::new(plan, options.record);
    if catch_unwind(AssertUnwindSafe(|| world.run())).is_err() {
        world.checks.fail("no_panic", "a node or the simulator panicked, see the message above".into());
    }
    let mut coverage = world.coverage;
    coverage.merge(&world.net.coverage);
    Outcome {
        violation: world.checks.violation,
        severity,
        setting,
        coverage,
        trace_hash: world.trace.hash(),
        trace: world.trace.into_lines(),
        seconds: world.calendar.now().0 / 1_000_000,
        frames: world.net.frames,
    }
}
