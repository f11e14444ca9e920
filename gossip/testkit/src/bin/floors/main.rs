//! Checks the workspace against the house rules a compiler does not know.
//!
//! `cargo run -p gossip-testkit --features ci --bin floors`, from the root of the workspace.
//! Prints one line per finding and fails when there is any.
//!
//! | module | rule |
//! |---|---|
//! | `edges` | which crate may depend on which |
//! | `licences` | every dependency has a licence we accept |
//! | `sizes` | files and functions stay small |
//! | `words` | what must not appear in the tree |
//! | `pages` | links and tests named in pages exist |

mod edges;
mod licences;
mod metadata;
mod pages;
mod sizes;
mod source;
mod words;

use std::io::{self, Write};
use std::process::ExitCode;

use metadata::Metadata;

fn main() -> ExitCode {
    match check(&mut io::stdout().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(io::stderr(), "floors: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs every check and says how many findings there are.
fn check(out: &mut impl Write) -> io::Result<usize> {
    let metadata = Metadata::load()?;
    let files = source::tree(&metadata.workspace_root)?;
    let (sizes, summary) = sizes::check(&files);
    let groups = [
        ("floors", edges::check(&metadata)),
        ("licences", licences::check(&metadata)),
        ("sizes", sizes),
        ("words", words::check(&files)),
        ("pages", pages::check(&files)),
    ];
    for (name, findings) in &groups {
        for finding in findings {
            writeln!(out, "{name}: {finding}")?;
        }
    }
    let findings = groups.iter().map(|(_, findings)| findings.len()).sum();
    writeln!(out, "{summary}")?;
    writeln!(out, "{} crates, {} files, {findings} findings", metadata.packages.len(), files.len())?;
    Ok(findings)
}
