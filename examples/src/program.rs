//! What both programs begin and end with.

use std::io::{Write, stderr};
use std::process::ExitCode;

use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

/// Runs a program to its end; its result says whether all went well.
///
/// `#[tokio::main]` would do, were it not for standard input: a thread that waits for the next
/// line cannot be interrupted, and dropping the runtime waits for it. Here it is left behind.
pub fn run(program: impl Future<Output = bool>) -> ExitCode {
    let runtime = match Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            writeln!(stderr(), "cannot start: {error}").unwrap_or_default();
            return ExitCode::FAILURE;
        }
    };
    let well = runtime.block_on(program);
    runtime.shutdown_background();
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Logs warnings, or what `RUST_LOG` asks for, to standard error.
pub fn log_warnings() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_writer(stderr).init();
}
