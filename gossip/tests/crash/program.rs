//! What the tests that start themselves in other roles have in common.

use std::io::Write;
use std::process::ExitCode;

use crate::Outcome;

/// Runs a role on a runtime of its own.
pub(crate) fn run(role: impl Future<Output = Outcome>) -> Outcome {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(role)
}

/// Prints a line at once and whole; fails when nobody listens any more.
pub(crate) fn print(line: &str) -> Outcome {
    let mut out = std::io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    Ok(out.flush()?)
}

/// How a role ended, for whoever started it.
pub(crate) fn end(role: &str, outcome: Outcome) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{role}: {error}");
            ExitCode::FAILURE
        }
    }
}

/// How a whole test ended in which so many parts failed.
pub(crate) fn end_of_all(test: &str, failed: Outcome<u64>) -> ExitCode {
    let all_passed = |failed| if failed == 0 { Ok(()) } else { Err(format!("{failed} failed").into()) };
    end(test, failed.and_then(all_passed))
}

/// A number from the environment.
pub(crate) fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}
