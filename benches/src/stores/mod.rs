//! Durable stores beside their bare engines.
//!
//! | module | idea |
//! |---|---|
//! | `engine` | the engines there are |
//! | `raw`, `raw_rocksdb` | the engine without gossip |
//! | `group` | group commit on it |
//! | `crowd` | many callers with one entry each |
//! | `measure` | samples and pairs of them |
//! | `child` | processes whose memory counts |
//! | `append`, `concurrency` | rates and waiting times |
//! | `growth` | cost and memory while a log grows |
//! | `scan` | reading in stream order |
//! | `open` | opening a store with many logs |
//! | `prune` | pruning while others append |
//! | `size` | bytes on disk and written |

mod append;
mod child;
mod concurrency;
mod crowd;
mod engine;
mod group;
mod growth;
mod measure;
mod open;
mod prune;
mod raw;
#[cfg(feature = "rocksdb")]
mod raw_rocksdb;
mod scan;
mod size;

use std::time::Duration;

use clap::{Args, ValueEnum};
use tempfile::TempDir;

pub(crate) use self::child::{Errand, run as errand};
use self::engine::Engine;
pub(crate) use self::measure::median;
#[cfg(feature = "rocksdb")]
pub(crate) use self::raw_rocksdb::options as bare_options;
use crate::{Outcome, table};

/// What to measure and how long.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// Engine to measure.
    #[arg(long, value_enum, default_value = "redb")]
    engine: Engine,
    /// Only this; everything by default.
    #[arg(long, value_enum)]
    only: Option<Which>,
    /// Pairs of measurements; medians are shown.
    #[arg(long, default_value_t = 5)]
    pairs: usize,
    /// Seconds for each half of a pair.
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Bytes of each payload; 100 and 1024 by default.
    #[arg(long)]
    payload: Option<usize>,
    /// Callers at once; several numbers by default.
    #[arg(long)]
    callers: Option<usize>,
    /// Also what takes long: 10 M entries.
    #[arg(long)]
    full: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Which {
    Append,
    Concurrency,
    Growth,
    Scan,
    Open,
    Prune,
    Size,
}

impl Plan {
    fn payloads(&self) -> Vec<usize> {
        self.payload.map_or_else(|| vec![100, 1024], |bytes| vec![bytes])
    }

    fn time(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    fn wants(&self, which: Which) -> bool {
        self.only.is_none_or(|only| only == which)
    }

    /// A new directory, all of them on one disk.
    fn place(&self) -> Outcome<TempDir> {
        Ok(tempfile::tempdir()?)
    }
}

/// Measures what the plan asks for.
pub(crate) async fn all(plan: &Plan) -> Outcome {
    if plan.wants(Which::Append) {
        append::measure(plan).await?;
    }
    if plan.wants(Which::Concurrency) {
        concurrency::measure(plan).await?;
    }
    if plan.wants(Which::Growth) {
        growth::measure(plan).await?;
    }
    if plan.wants(Which::Scan) {
        scan::measure(plan).await?;
    }
    if plan.wants(Which::Open) {
        open::measure(plan).await?;
    }
    if plan.wants(Which::Prune) {
        prune::measure(plan).await?;
    }
    if plan.wants(Which::Size) {
        size::measure(plan).await?;
    }
    Ok(())
}

fn title(plan: &Plan, what: &str, columns: &[&str]) {
    table::head(&format!("{what}: {}", plan.engine.name()), columns);
}
