//! Measures appending, syncing and live latency, beside what the bare parts do in the same run.
//!
//! ```text
//! cargo run --release -p gossip-benches                  # everything
//! cargo run --release -p gossip-benches -- sync --entries 1000000
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `append` | durable appends, beside bare redb transactions with the same promise |
//! | `sync` | a node without history catches up over TCP |
//! | `live` | from append here to visible there |
//! | `stores` | durable stores beside their bare engines |
//! | `cpu` | processor time of this process |
//! | `nodes` | nodes in this process |
//! | `table` | what is printed |
#![allow(clippy::print_stdout)]

mod append;
mod cpu;
mod live;
mod nodes;
mod stores;
mod sync;
mod table;

use clap::{Parser, Subcommand};

/// Whatever went wrong, for a person.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Measures appending, syncing and live latency")]
struct Arguments {
    #[command(subcommand)]
    what: Option<What>,
}

#[derive(Subcommand)]
enum What {
    /// Durable appends, one by one and in batches.
    Append {
        /// Seconds for each row.
        #[arg(long, default_value_t = 2.0)]
        seconds: f64,
    },
    /// A node without history catches up.
    Sync {
        /// Entries of history.
        #[arg(long, default_value_t = 200_000)]
        entries: usize,
        /// Bytes in each.
        #[arg(long, default_value_t = 100)]
        payload: usize,
    },
    /// From append here to visible there.
    Live {
        /// Entries, one after the other.
        #[arg(long, default_value_t = 2_000)]
        entries: usize,
    },
    /// Durable stores beside their bare engines.
    Stores(stores::Plan),
    /// A part of `stores` in a process of its own.
    #[command(hide = true)]
    Errand(stores::Errand),
}

fn main() -> Outcome {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        match Arguments::parse().what {
            Some(What::Append { seconds }) => append::all(seconds).await,
            Some(What::Sync { entries, payload }) => sync::cold(entries, payload).await,
            Some(What::Live { entries }) => live::all(entries).await,
            Some(What::Stores(plan)) => stores::all(&plan).await,
            Some(What::Errand(errand)) => stores::errand(errand).await,
            None => {
                append::all(2.0).await?;
                sync::cold(200_000, 100).await?;
                live::all(2_000).await
            }
        }
    })
}
