//! `replay`: two people's real editing history, exchanged by two processes.
//!
//! Ends with a report, or with a failure and what it was. See [`gossip_examples::replay`].

use std::io::{Write, stderr, stdout};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use gossip_examples::program;
use gossip_examples::replay::conductor::{self, Options};
use gossip_examples::replay::player::{self, Part};

/// Replay a real editing history: one process per author, on TCP, each with a durable store. They
/// are linked, cut off from each other, linked again, and must end identical.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Internal>,
}

#[derive(Debug, Subcommand)]
enum Internal {
    /// One author's process; started by the others' parent.
    #[command(hide = true)]
    Player(Part),
}

fn main() -> ExitCode {
    match Arguments::parse() {
        Arguments { part: Some(Internal::Player(part)), .. } => {
            program::log_warnings();
            program::run(player::play(part))
        }
        Arguments { options, .. } => program::run(conduct(options)),
    }
}

async fn conduct(options: Options) -> bool {
    match conductor::run(&options).await {
        // An output that was closed early cannot take the report: a failure, but not a panic.
        Ok(report) => write!(stdout(), "{report}").is_ok(),
        Err(error) => {
            writeln!(stderr(), "replay failed: {error}").unwrap_or_default();
            false
        }
    }
}
