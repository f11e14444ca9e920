//! Measures appending and syncing, beside what the bare parts do in the same run.
//!
//! ```text
//! cargo run --release -p gossip-benches                  # appending
//! cargo run --release -p gossip-benches --features rocksdb -- sync-table
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `append` | durable appends, beside bare redb transactions with the same promise |
//! | `sync` | two processes over TCP: bytes, processor time, memory and waiting of synchronisation |
//! | `stores` | durable stores beside their bare engines |
//! | `logs` | memory of a node for each of its logs |
//! | `cpu` | processor time and memory of this process |
//! | `fill`, `payload` | history of many authors, and what is in it |
//! | `nodes` | nodes in this process |
//! | `table` | what is printed |
#![allow(clippy::print_stdout)]

mod append;
mod cpu;
mod fill;
mod logs;
mod nodes;
mod payload;
mod stores;
mod sync;
mod table;

use clap::{Parser, Subcommand};
use tokio::runtime::{Builder, Runtime};

/// Whatever went wrong, for a person.
type Outcome<T = ()> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Parser)]
#[command(about = "Measures appending and syncing")]
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
    /// Synchronisation of two processes.
    SyncTable(sync::Plan),
    /// One of the two.
    #[command(hide = true)]
    Party,
    /// Memory of a node for each of its logs.
    Logs(logs::Plan),
    /// Durable stores beside their bare engines.
    Stores(stores::Plan),
    /// A part of `stores` in a process of its own.
    #[command(hide = true)]
    Errand(stores::Errand),
}

fn main() -> Outcome {
    match Arguments::parse().what {
        Some(What::SyncTable(plan)) => sync::all(&plan),
        Some(What::Party) => Builder::new_current_thread().enable_all().build()?.block_on(sync::party()),
        Some(What::Append { seconds }) => Runtime::new()?.block_on(append::all(seconds)),
        Some(What::Logs(plan)) => logs::all(&plan),
        Some(What::Stores(plan)) => Runtime::new()?.block_on(stores::all(&plan)),
        Some(What::Errand(errand)) => Runtime::new()?.block_on(stores::errand(errand)),
        None => Runtime::new()?.block_on(append::all(2.0)),
    }
}
