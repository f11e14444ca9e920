//! What is measured in a process of its own, because its memory counts.

use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, ValueEnum};

use super::engine::Engine;
use super::{growth, open};
use crate::Outcome;

/// What the process does.
#[derive(Debug, Clone, Args)]
pub(crate) struct Errand {
    #[arg(value_enum)]
    what: What,
    #[arg(value_enum)]
    engine: Engine,
    place: PathBuf,
    /// Meaning depends on what is done.
    number: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum What {
    /// Opens a store and builds a node on it.
    Open,
    /// Appends up to so many entries.
    Grow,
    /// The same on the bare engine.
    GrowBare,
}

/// Does what the parent asked for and prints numbers.
pub(crate) async fn run(errand: Errand) -> Outcome {
    let Errand { what, engine, place, number } = errand;
    match what {
        What::Open => open::child(engine, &place).await,
        What::Grow => growth::child(engine, &place, number).await,
        What::GrowBare => growth::bare_child(engine, &place, number).await,
    }
}

/// Starts a process and returns the lines of numbers it printed.
pub(super) async fn ask(what: What, engine: Engine, place: &Path, number: u64) -> Outcome<Vec<Vec<f64>>> {
    let name = |value: Option<clap::builder::PossibleValue>| value.map(|value| value.get_name().to_owned());
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("errand");
    command.args(name(what.to_possible_value())).args(name(engine.to_possible_value()));
    command.arg(place).arg(number.to_string());
    let output = tokio::task::spawn_blocking(move || command.output()).await??;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    let text = String::from_utf8(output.stdout)?;
    let numbers = |line: &str| line.split_whitespace().map(|word| Ok(word.parse()?)).collect();
    text.lines().map(numbers).collect()
}

/// Bytes of all files below a directory.
pub(super) fn disk(place: &Path) -> Outcome<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        // A file may go away while we look.
        let Ok(meta) = entry.metadata() else { continue };
        bytes += if meta.is_dir() { disk(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
